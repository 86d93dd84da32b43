"""The messages of locks, trackers and reefers, once their fields have their names.

The models are the documentation of the formats (`docs/formats/iot/*.json` is made from them); how
devices may spell the names is in `producers.iot.words`.
"""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _text(value: Any) -> Any:
    """Numbers for texts: ids are often all digits, and senders forget the quotes."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return value.strip() if isinstance(value, str) else value


def _number(value: Any) -> Any:
    """Numbers with their unit, as displays show them."""
    return value.strip().rstrip("%°CVv ").strip() if isinstance(value, str) else value


def _texts(value: Any) -> Any:
    """One or several, also in one text with commas."""
    if isinstance(value, str):
        return [part for part in (piece.strip() for piece in value.split(",")) if part]
    return value if isinstance(value, list) else [value]


def _no_flag(value: Any) -> Any:
    """`true` would be one second past 1970."""
    return [value] if isinstance(value, bool) else value


def _state(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool | int | float) else value


Text = Annotated[str, BeforeValidator(_text), Field(min_length=1, max_length=200)]
State = Annotated[str, BeforeValidator(_state), Field(min_length=1, max_length=200)]
When = Annotated[str | float, BeforeValidator(_no_flag)]
Number = Annotated[float, BeforeValidator(_number)]
Percent = Annotated[Number, Field(ge=0, le=100)]
Texts = Annotated[tuple[State, ...], BeforeValidator(_texts), Field(max_length=50)]
Degrees = Annotated[Number, Field(ge=-100, le=100)]


class Report(BaseModel):
    """What every device can say."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    device: Text = Field(description="The device's id: serial number, IMEI.")
    message: Text | None = Field(None, description="The message's own id, if it has one.")
    seq: Text | None = Field(None, description="The device's counter of messages.")
    time: When | None = Field(
        None,
        description="When it was so: ISO 8601 with an offset (or `zone`), or Unix time in seconds"
        " or milliseconds. Needed in all but a last will.",
    )
    zone: Text | None = Field(
        None, description="Offset of times that have none: `+08:00`, `Z`.", examples=["+08:00"]
    )
    sent: When | None = Field(None, description="When the message was sent.")
    connected: When | None = Field(
        None, description="Of a last will: when the connection began that it is the end of."
    )
    received: When | None = Field(
        None, description="Of a last will without a time: added by the gateway."
    )

    container: Text | None = Field(None, description="ISO 6346 number.")
    carnet: Text | None = Field(None, description="TIR carnet number.")
    bill: Text | None = Field(None, description="Transport document.")
    booking: Text | None = None
    run: Text | None = Field(None, description="Run: train, sailing, truck trip.")
    plate: Text | None = Field(None, description="Plate of the truck.")
    trailer: Text | None = Field(None, description="Plate of the trailer.")
    seal: Text | None = Field(None, description="Number of the seal.")

    event: Texts = Field((), description="What happened, in words.")
    alarms: Texts = Field((), description="What is wrong, in words, or codes of the device's.")
    state: State | None = Field(None, description="How things stand: sealed, moving …")
    door: State | None = Field(None, description="open or closed.")
    reason: Text | None = None

    latitude: Number | None = Field(None, description="WGS 84, degrees.")
    longitude: Number | None = Field(None, description="WGS 84, degrees.")
    accuracy: Number | None = Field(None, ge=0, description="Metres.")
    altitude: Number | None = Field(None, description="Metres.")
    speed: Number | None = Field(None, ge=0, description="km/h.")
    heading: Number | None = Field(None, ge=0, le=360, description="Degrees from north.")
    fix: State | None = Field(None, description="Quality of the fix; false, 0, V: there is none.")
    satellites: Number | None = Field(None, ge=0)
    hdop: Number | None = Field(None, ge=0)
    fence: Text | None = Field(None, description="Name of a geofence entered or left.")
    place: Text | None = Field(None, description="UN/LOCODE.")

    battery: Percent | None = Field(None, description="Percent.")
    volts: Number | None = Field(None, description="Of the battery.")
    low: bool | None = Field(None, description="The battery is low.")
    signal: Number | None = Field(None, description="Radio signal, as the device measures it.")
    firmware: Text | None = None
    temperature: Degrees | None = Field(None, description="Celsius.")
    humidity: Percent | None = Field(None, description="Percent.")


class Lock(Report):
    """A smart customs lock or seal."""

    authorised: bool | None = Field(None, description="Whether an opening was.")
    by: Text | None = Field(None, description="Who sealed or unsealed: officer, card.")


class Gps(Report):
    """A tracker."""

    buffered: bool | None = Field(None, description="Kept by the tracker until it had a network.")
    ignition: bool | None = None
    odometer: Number | None = Field(None, description="Kilometres.")


class Reefer(Report):
    """The controller of a refrigerated container."""

    setpoint: Degrees | None = Field(None, description="Celsius.")
    supply: Degrees | None = Field(None, description="Supply air, Celsius.")
    return_: Degrees | None = Field(None, alias="return", description="Return air, Celsius.")
    ambient: Degrees | None = Field(None, description="Outside air, Celsius.")
    degrees: Text | None = Field(None, description="F: the temperatures are Fahrenheit.")
    humiditysetpoint: Percent | None = Field(None, description="Percent.")
    oxygen: Percent | None = Field(None, description="Percent of the air.")
    carbondioxide: Percent | None = Field(None, description="Percent of the air.")
    ventilation: Number | None = Field(None, description="Fresh air, m³/h.")
    poweredon: State | None = Field(None, description="on or off.")
    mode: Text | None = None


ATTRIBUTES: dict[str, str] = {
    "device": "device_id",
    "seq": "device_sequence",
    "booking": "booking",
    "plate": "plate",
    "trailer": "trailer",
    "carnet": "carnet",
    "seal": "seal_number",
    "state": "state",
    "door": "door",
    "authorised": "authorised",
    "by": "by",
    "reason": "reason",
    "accuracy": "accuracy_metres",
    "altitude": "altitude_metres",
    "speed": "speed_kmh",
    "heading": "heading_degrees",
    "fix": "fix",
    "satellites": "satellites",
    "hdop": "hdop",
    "fence": "geofence",
    "battery": "battery_percent",
    "volts": "battery_volts",
    "signal": "signal",
    "firmware": "firmware",
    "temperature": "temperature_celsius",
    "humidity": "humidity_percent",
    "buffered": "buffered",
    "ignition": "ignition",
    "odometer": "odometer_km",
    "setpoint": "set_point_celsius",
    "supply": "supply_celsius",
    "return_": "return_celsius",
    "ambient": "ambient_celsius",
    "humiditysetpoint": "humidity_set_point_percent",
    "oxygen": "oxygen_percent",
    "carbondioxide": "carbon_dioxide_percent",
    "ventilation": "ventilation_m3h",
    "poweredon": "power",
    "mode": "mode",
}
"""What a field of a report is called among an event's attributes."""

CELSIUS = ("setpoint", "supply", "return_", "ambient", "temperature")
MEASURED = frozenset(
    "setpoint supply return_ ambient humiditysetpoint oxygen carbondioxide ventilation poweredon"
    " temperature humidity".split()
)
"""Fields by one of which a reefer's message is a measurement."""
