"""What devices and reefers measure, and what equipment is: attributes with units in their names."""

import re
from collections.abc import Mapping

from producers.dcsa.blocks import Attributes, Block
from producers.dcsa.codes import PHASES, SEAL_SOURCES, SEAL_TYPES, meaning

KEPT = 20
"""Seals, sensors or alarms of one event that are kept."""

_EQUIPMENT = {
    "iso_equipment_code": ("ISOEquipmentCode",),
    "empty_indicator": ("emptyIndicator", "emptyIndicatorCode"),
    "is_transshipment_move": ("isTransshipmentMove",),
}
_PHASE = ("transportPhase", "movementType", "transportationPhase")
_SEAL: Mapping[str, tuple[tuple[str, ...], Mapping[str, str]]] = {
    "number": (("number", "sealNumber"), {}),
    "source": (("source", "sealSource"), SEAL_SOURCES),
    "type": (("type", "sealType"), SEAL_TYPES),
    "placement": (("placement",), {}),
}
_IOT = {
    "iot_equipment_technology": ("iotEquipmentTechnology", "iotEquipmentTechnologyCode"),
    "iot_event_code": ("iotEventCode",),
    "power_status": ("powerStatus",),
    "device_vendor": ("deviceVendor",),
    "device_model": ("deviceModel",),
    "detection_source": ("detectionSource",),
}
_GEOFENCE = {
    "geofence_id": ("geofenceId",),
    "geofence_collection": ("geofenceCollectionCode",),
    "geofence_collection_version": ("geofenceCollectionVersion",),
    "customer_geofence_code": ("customerGeofenceCode",),
}
_REEFER = {
    "power_status": ("powerStatus",),
    "temperature_unit": ("temperatureUnit",),
    "last_defrost_time": ("lastDefrostDateTime",),
    "active_alarms": ("numberOfActiveAlarms",),
    "unit_manufacturer": ("unitManufacturer",),
    "unit_model": ("unitModel",),
    "controller_model": ("controllerModel",),
}
_ALARM = {
    "code": ("code",),
    "description": ("description",),
    "start_time": ("startDateTime",),
    "end_time": ("endDateTime",),
}
_PERCENTAGES = {
    "o2_percent": ("o2Percentage", "o2"),
    "co2_percent": ("co2Percentage", "co2"),
    "humidity_percent": ("humidityPercentage", "humidity"),
}
_FLAGS = {
    "ventilation_open": ("isVentilationOpen",),
    "drainholes_open": ("isDrainholesOpen",),
    "bulb_mode": ("isBulbMode",),
    "cold_treatment": ("isColdTreatment", "isColdTreatmentRequired"),
    "controlled_atmosphere": ("isControlledAtmosphere", "isControlledAtmosphereRequired"),
}
_USDA_PROBES = {"P19": "usda_1", "P20": "usda_2", "P21": "usda_3", "P22": "cargo"}
_CUBIC_METRES = 0.028316846592
"""Of a cubic foot."""
_NOT_A_NAME = re.compile(r"[^a-z0-9]+")


def phase_of(equipment: Block) -> str | None:
    """EXPORT, IMPORT or TRANSSHIPMENT, where one of them is stated."""
    value = equipment.scalar(*_PHASE)
    return meaning(PHASES, value) if isinstance(value, str) else None


def equipment_attributes(equipment: Block) -> Attributes:
    """Size, load state, phase and seals."""
    attributes = equipment.take(_EQUIPMENT | {"transport_phase": _PHASE})
    for index, seal in enumerate(equipment.blocks("seals", "seal")[:KEPT], start=1):
        for name, (names, words) in _SEAL.items():
            value = seal.scalar(*names)
            if value is not None:
                attributes[f"seal_{index}_{name}"] = meaning(words, str(value)) or value
    return attributes


def iot_attributes(iot: Block) -> Attributes:
    """The device, and the fence that it crossed."""
    fence = iot.only("geofenceDetails")
    return iot.take(_IOT) | fence.take(_GEOFENCE)


def reefer_attributes(reefer: Block) -> Attributes:
    """Set points and measurements: 3.0's reeferDetails, or those of the Reefer 1.0 beta."""
    attributes = reefer.take(_REEFER)
    setpoints, measurements = reefer.only("setpoints"), reefer.only("measurements")
    unit = reefer.scalar("temperatureUnit")
    attributes |= _temperature("setpoint", reefer, unit, "internalSetpointTemperature")
    attributes |= _temperature("ambient", reefer, unit, "ambientMeasuredTemperature")
    for name, part in (("setpoint", setpoints), ("measured", measurements)):
        part_unit = part.scalar("temperatureUnit") or unit
        attributes |= _temperature(name, part, part_unit, "temperature")
        attributes |= _temperature("ambient", part, part_unit, "ambientTemperature")
        attributes |= _parameters(name, part)
        attributes |= _parameters(name, reefer.only(f"{name}Parameters"))
    for air in ("supply", "return"):
        measured = reefer.only(f"{air}AirTemperatureMeasurement")
        attributes |= _temperature(f"{air}_air", measured, unit, "temperatureValue")
        for index, sensor in enumerate(measured.blocks("sensorReadings")[:KEPT], start=1):
            label = _name(sensor.scalar("sensorLabel")) or str(index)
            attributes |= _temperature(f"{air}_air_{label}", sensor, unit, "temperatureValue")
    for index, probe in enumerate(reefer.blocks("temperatureProbeMeasurements")[:KEPT], start=1):
        name = f"probe_{_probe(probe) or index}"
        attributes |= _temperature(name, probe, unit, "measuredTemperatureValue")
    for index, alarm in enumerate(reefer.blocks("alarms")[:KEPT], start=1):
        attributes |= {f"alarm_{index}_{name}": value for name, value in alarm.take(_ALARM).items()}
    return attributes


def _temperature(name: str, block: Block, unit: object, *names: str) -> Attributes:
    value = block.number(*names)
    if value is None:
        return {}
    scale = str(unit).strip().upper()
    if scale == "CEL":
        return {f"{name}_temperature_celsius": value}
    if scale == "FAH":
        return {f"{name}_temperature_celsius": round((value - 32) / 1.8, 2)}
    return {f"{name}_temperature": value}  # in whatever unit: nobody says


def _parameters(name: str, block: Block) -> Attributes:
    attributes: Attributes = {}
    for attribute, names in _PERCENTAGES.items():
        value = block.number(*names)
        if value is not None:
            attributes[f"{name}_{attribute}"] = value
    for attribute, flag in block.take(_FLAGS).items():
        attributes[f"{name}_{attribute}"] = flag
    exchange = block.number("airExchangeValue", "airExchange")
    if exchange is not None:
        unit = str(block.scalar("airExchangeUnit") or "").upper()
        suffix = "_m3_per_hour" if unit in ("MQH", "FQH") else ""
        value = round(exchange * _CUBIC_METRES, 3) if unit == "FQH" else exchange
        attributes[f"{name}_air_exchange{suffix}"] = value
    return attributes


def _probe(probe: Block) -> str | None:
    number = probe.scalar("USDAProbeNumber")
    if number is not None:
        return f"usda_{_name(number)}"
    key = probe.scalar("COAProbeUDMKey")
    if key is not None:
        return _USDA_PROBES.get(str(key).upper()) or _name(key)
    return _name(probe.scalar("probeLabel"))


def _name(value: object) -> str | None:
    """A label as a part of an attribute's name."""
    return _NOT_A_NAME.sub("_", str(value).lower()).strip("_")[:40] or None if value else None
