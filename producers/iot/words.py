"""How devices spell things: names of fields, and words for what happened.

Names are compared without case, spaces and punctuation, so `deviceId`, `DEVICE_ID` and
`device-id` are one. An object inside a message adds its name: `battery.level` is `batterylevel`;
but what is inside one of `ELIDED` counts as if it stood outside.
"""

import re
from functools import lru_cache
from typing import Final

from corridor.codes import EventType

_PUNCTUATION = re.compile(r"[^a-z0-9]")


@lru_cache(8192)
def plain(name: str) -> str:
    """A name or word as it is compared."""
    return _PUNCTUATION.sub("", name.lower())


ELIDED: Final = frozenset(
    "position location pos loc gps gnss gpsinfo coordinates coordinate coords geo geolocation"
    " geopoint data payload params properties telemetry values body asset cargo reefer controller"
    " sensors sensor".split()
)

_FIELDS: Final = {
    # who and when
    "device": "device deviceid deviceno devicenumber devicesn deviceserial imei lockid lockno"
    " locknumber trackerid terminalid terminalno clientid sn serialnumber serialno did",
    "message": "message messageid msgid eventid uuid",
    "seq": "seq seqno sequence sequenceno sequencenumber msgseq serial frame framecounter counter"
    " fcnt",
    "time": "time timestamp ts eventtime devicetime gpstime gnsstime fixtime utctime datetime"
    " recordedat measuredat measuretime occurredat eventdatetime timestampms",
    "zone": "zone timezone tz utcoffset offset",
    "sent": "sent senttime sentat sendtime uploadtime reporttime",
    "received": "received",
    "connected": "connected connectedat connectedsince since sessionstart",
    # of what
    "container": "container containerid containerno containernumber containernr equipment"
    " equipmentid equipmentreference unit unitid assetid boxno cntrno cntr",
    "carnet": "carnet carnetno carnetnumber tircarnet tircarnetno tir tirno",
    "bill": "bill billno billoflading bl blno waybill waybillno transportdocument"
    " transportdocumentreference consignment consignmentno shipmentid",
    "booking": "booking bookingno bookingnumber bookingreference",
    "run": "run runid trip tripid voyage",
    "plate": "plate plateno platenumber licenseplate licenceplate vehicle vehicleno vehicleid"
    " vehicleplate truck truckno truckplate",
    "trailer": "trailer trailerno trailerid trailerplate",
    "seal": "seal sealno sealnumber sealid",
    # what
    "event": "event events eventcode eventtype happened trigger msgtype messagetype type",
    "alarms": "alarm alarms alert alerts alarmtype alarmcode alarmcodes alarmlist warnings faults",
    "state": "state lockstate lockstatus status sealstate sealstatus motion motionstate movement"
    " movementstate",
    "door": "door doorstate doorstatus",
    "authorised": "authorised authorized legal",
    "by": "by operator operatorid officer authorisedby authorizedby user userid card cardid cardno"
    " unlockedby sealedby",
    "reason": "reason remark note comment",
    # where
    "latitude": "latitude lat y",
    "longitude": "longitude lon lng long x",
    "accuracy": "accuracy accuracym accuracymetres accuracymeters horizontalaccuracy hacc radius"
    " precision",
    "altitude": "altitude alt altitudem elevation",
    "speed": "speed speedkmh speedkph velocity",
    "heading": "heading course direction bearing azimuth cog track",
    "fix": "fix fixtype fixquality valid gpsvalid gpsstate gpsstatus positionvalid isvalid",
    "satellites": "satellites sats satellitecount nsat satellitenumber",
    "hdop": "hdop",
    "fence": "fence geofence geofenceid geofencename zonename",
    "place": "place unlocode locode locationcode",
    # the device's own health
    "battery": "battery batterypercent batterylevel batterypct soc batterycapacity electricity",
    "volts": "volts voltage batteryvolts batteryvoltage batteryv",
    "signal": "signal signaldbm rssi signalstrength csq gsmsignal",
    "firmware": "firmware firmwareversion fw fwversion softwareversion",
    "low": "lowbattery batterylow islowbattery",
    "buffered": "buffered stored historical isbuffered replayed",
    "ignition": "ignition acc ignitionon",
    "odometer": "odometer odometerkm mileage",
    # the cargo's
    "setpoint": "setpoint temperaturesetpoint settemperature settemp tempsetpoint sp",
    "supply": "supply supplyair supplytemperature supplytemp supplyairtemperature temperaturesupply"
    " sup",
    "return": "return returnair returntemperature returntemp returnairtemperature"
    " temperaturereturn ret",
    "ambient": "ambient ambientair ambienttemperature ambienttemp ambientairtemperature"
    " outsidetemperature",
    "temperature": "temperature temp cargotemperature",
    "degrees": "degrees temperatureunit tempunit",
    "humidity": "humidity relativehumidity rh humiditypercent",
    "humiditysetpoint": "humiditysetpoint",
    "oxygen": "oxygen o2 o2percent",
    "carbondioxide": "carbondioxide co2 co2percent",
    "ventilation": "ventilation vent ventcmh airexchange ventposition",
    "poweredon": "poweredon power powerstate powerstatus powersupply poweron"
    " reeferpower mainspower",
    "mode": "mode operatingmode reefermode",
    # several in one
    "reports": "reports messages positions points locations measurements records history items"
    " batch",
}

FIELD_OF: Final = {
    name: (field, rank)
    for field, names in _FIELDS.items()
    for rank, name in enumerate(names.split())
}
"""Field of a message by its spelling; where a message has several, the lowest rank is right."""

KINDS: Final = frozenset("lock seal elock gps tracker reefer container truck point feature".split())
"""What `type` may say of the device, or of the geometry, rather than of what happened."""

SCALED: Final[dict[str, tuple[str, float]]] = {
    "speedknots": ("speed", 1.852),
    "speedkn": ("speed", 1.852),
    "speedmph": ("speed", 1.609344),
    "speedms": ("speed", 3.6),
    "speedmps": ("speed", 3.6),
    "batterymv": ("volts", 0.001),
    "batteryvoltagemv": ("volts", 0.001),
    "voltagemv": ("volts", 0.001),
    "odometerm": ("odometer", 0.001),
}
"""Names that say another unit: the field, and the factor to its unit."""

Code = tuple[EventType, str]

_WORDS: Final[dict[Code, str]] = {
    (EventType.IOT, "SEALED"): "sealed seal locked lock armed sealing locking lockclosed",
    (EventType.IOT, "UNSEALED_AUTHORISED"): "unsealedauthorised unsealedauthorized"
    " authorisedunsealing authorizedunsealing unsealed unseal unlocked unlock disarmed"
    " authorisedopening authorizedopening authorisedunlock authorizedunlock remoteunlock"
    " unlockedbycard unlockedbypassword",
    (EventType.IOT, "TAMPER"): "tamper tampered tampering tamperalarm illegalopening illegalopen"
    " illegalunlock illegalunlocking unauthorisedopening unauthorizedopening unauthorisedunsealing"
    " unauthorizedunsealing forcedopen forcedopening backcoveropened coveropened shellopened"
    " sealbroken sealtampered",
    (EventType.IOT, "SHACKLE_CUT"): "shacklecut shacklebroken cablecut cablebroken ropecut"
    " ropebroken wirecut wirebroken lockrodcut rodcut cut stringcut",
    (EventType.IOT, "DOOR_OPENED"): "dooropened dooropen",
    (EventType.IOT, "DOOR_CLOSED"): "doorclosed doorclose",
    (EventType.IOT, "LOW_BATTERY"): "lowbattery batterylow lowpower lowvoltage batteryalarm",
    (EventType.IOT, "SIGNAL_LOST"): "signallost offline lost connectionlost lastwill will"
    " disconnected silent nosignal",
    (EventType.IOT, "BREADCRUMB"): "breadcrumb position location gps track fix",
    (EventType.IOT, "DEVICE_STATUS"): "devicestatus heartbeat keepalive online connected status"
    " poweron poweroff",
    (EventType.IOT, "MOTION_START"): "motionstart motionstarted movementstart movementstarted"
    " moving started departed",
    (EventType.IOT, "MOTION_STOP"): "motionstop motionstopped movementstop movementstopped stopped"
    " parked stationary idle",
    (EventType.IOT, "GEOFENCE_ENTRY"): "geofenceentry geofenceentered geofencein enter entry",
    (EventType.IOT, "GEOFENCE_EXIT"): "geofenceexit geofenceexited geofenceout exit leave",
    (EventType.IOT, "PAIRING"): "pairing paired bound bind attached",
    (EventType.IOT, "UNPAIRING"): "unpairing unpaired unbound unbind detached",
    (EventType.REEFER, "MEASURED"): "measured measurement reading",
    (EventType.REEFER, "ADJUSTED"): "adjusted adjustment setpointchanged setpointchange",
}

CODE_OF: Final = {word: code for code, words in _WORDS.items() for word in words.split()}
"""What a word says has happened."""

REPORT: Final = frozenset(
    "report periodic telemetry data update interval timer normal ok none".split()
)
"""Words of a message that only says how things stand."""

ALARMS: Final = frozenset((EventType.IOT, code) for code in ("TAMPER", "SHACKLE_CUT"))
"""States that are news however they are told."""

NO_FIX: Final = frozenset("0 false none no nofix v invalid lost unknown unavailable".split())
"""Words for a position that is no fix of now: at best the last one that was known."""
