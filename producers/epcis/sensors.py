"""Sensor reports: EPCIS 2.0, section 7.3.7, in units of UN/ECE Recommendation 20.

Reports of one device at one time are one statement. A number gets the name of what was measured
and of its unit: `temperature_celsius`, `humidity_percent`, `setpoint_temperature_celsius`.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from corridor.codes import EventType, Reject
from corridor.decoding import Rejected
from producers import adapter
from producers.adapter import Unusable, malformed
from producers.epcis.fields import LONGEST, Fields, Scalar, block, several, shown, text
from producers.epcis.vocabulary import ALARMS, Meaning, local, word


class Unit(NamedTuple):
    """A unit of measure: `value * factor + offset` is in the unit that `name` names."""

    name: str
    factor: float = 1.0
    offset: float = 0.0


UNITS = {
    "CEL": Unit("celsius"),
    "FAH": Unit("celsius", 5 / 9, -160 / 9),
    "KEL": Unit("celsius", 1, -273.15),
    "P1": Unit("percent"),
    "A93": Unit("grams_per_cubic_metre"),
    "KMQ": Unit("grams_per_cubic_metre", 1000),
    "GP": Unit("grams_per_cubic_metre", 0.001),
    "KMH": Unit("kmh"),
    "MTS": Unit("kmh", 3.6),
    "KNT": Unit("kmh", 1.852),
    "HM": Unit("kmh", 1.609344),
    "LUX": Unit("lux"),
    "VLT": Unit("volts"),
    "2Z": Unit("volts", 0.001),
    "AMP": Unit("amperes"),
    "4K": Unit("amperes", 0.001),
    "WTT": Unit("watts"),
    "KWT": Unit("watts", 1000),
    "KWH": Unit("kilowatt_hours"),
    "PAL": Unit("hectopascals", 0.01),
    "A97": Unit("hectopascals"),
    "KPA": Unit("hectopascals", 10),
    "BAR": Unit("hectopascals", 1000),
    "MBR": Unit("hectopascals"),
    "PS": Unit("hectopascals", 68.9475729317831),
    "MTR": Unit("metres"),
    "CMT": Unit("metres", 0.01),
    "MMT": Unit("metres", 0.001),
    "KMT": Unit("metres", 1000),
    "FOT": Unit("metres", 0.3048),
    "KGM": Unit("kilograms"),
    "GRM": Unit("kilograms", 0.001),
    "TNE": Unit("kilograms", 1000),
    "LBR": Unit("kilograms", 0.45359237),
    "LTR": Unit("litres"),
    "MTQ": Unit("cubic_metres"),
    "MQH": Unit("cubic_metres_per_hour"),
    "DD": Unit("degrees"),
    "C81": Unit("degrees", 180 / math.pi),
    "MSK": Unit("metres_per_second_squared"),
    "K40": Unit("metres_per_second_squared", 9.80665),
    "SEC": Unit("seconds"),
    "MIN": Unit("seconds", 60),
    "HUR": Unit("seconds", 3600),
    "HTZ": Unit("hertz"),
    "59": Unit("parts_per_million"),
    "C62": Unit(""),
}
"""By common code of UN/ECE Recommendation 20, what we keep. Others are kept as they are."""

MEASURED_IN = {
    "temperature": {"celsius"},
    "relative_humidity": {"percent"},
    "absolute_humidity": {"grams_per_cubic_metre"},
    "speed": {"kmh"},
    "voltage": {"volts"},
    "mass": {"kilograms"},
    "angle": {"degrees"},
    "latitude": {"degrees"},
    "longitude": {"degrees"},
}
"""The units that make sense: a temperature in kilograms is a fault."""

NAME = 60
"""How long the name of a measurand may be."""
MOST = 500
"""How many things a device may say at one time; an event must fit into a message."""
WITHOUT_UNIT = frozenset({"count", "dimensionless", "volume_fraction"})
CLIMATE = frozenset({"temperature", "relative_humidity", "absolute_humidity"})
"""What a reefer measures; any of them makes a statement REEFER MEASURED."""

_NUMBERS = {
    "value": ("", ""),
    "minValue": ("", "_min"),
    "maxValue": ("", "_max"),
    "meanValue": ("", "_mean"),
    "percValue": ("", "_percentile"),
    "sDev": ("difference", "_standard_deviation"),
    "percRank": ("bare", "_percentile_rank"),
}
"""Number of a report: how it converts, and what its name ends in."""
_OTHERS = {"stringValue": "", "booleanValue": "", "hexBinaryValue": "_hex", "uriValue": "_uri"}
_OURS = {"relative_humidity": "humidity"}
"""What other adapters call it."""
_ABOUT = {
    "deviceID": "device_id",
    "deviceMetadata": "device_metadata",
    "rawData": "raw_data",
    "dataProcessingMethod": "data_processing_method",
    "bizRules": "business_rules",
    "microorganism": "microorganism",
    "chemicalSubstance": "chemical_substance",
    "coordinateReferenceSystem": "coordinate_reference_system",
}
_WGS84 = re.compile(r"(?:.*[/:])?(?:CRS84|4326|WGS-?84)", re.IGNORECASE)
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


class Measured(NamedTuple):
    """What one device said at one time."""

    meaning: Meaning
    time: datetime
    part: str
    """Tells it from the others of its event."""
    attributes: dict[str, Scalar]
    position: tuple[float, float] | None


class _Group:
    def __init__(self) -> None:
        self.attributes: dict[str, Scalar] = {}
        self.position: dict[str, float] = {}
        self.climate = False
        self.alarm: Meaning | None = None
        self._named: Counter[str] = Counter()

    def put(self, name: str, value: Scalar) -> None:
        """Two reports of the same kind have two names, in their order."""
        self._named[name] += 1
        count = self._named[name]
        self.attributes[name if count == 1 else f"{name}_{count}"] = value


def read(event: Fields, time: datetime, zone: str | None) -> tuple[list[Measured], list[Rejected]]:
    """What the sensors of an event say, and what of it is no use.

    Args:
        event: The EPCIS event.
        time: When it happened; of reports that do not say when.
        zone: The offset that times without one are in.
    """
    measured: list[Measured] = []
    rejected: list[Rejected] = []
    for index, element in enumerate(several(event, "sensorElementList")):
        where = f"sensorElementList[{index}]"
        try:
            found, faults = _element(block(element, where), where, time, zone)
        except Unusable as error:
            faults = [error.rejected]
        else:
            measured += [part._replace(part=f"{index}/{part.part}") for part in found]
        rejected += faults
    return measured, rejected


def _element(
    element: Fields, where: str, time: datetime, zone: str | None
) -> tuple[list[Measured], list[Rejected]]:
    about = block(element.get("sensorMetadata") or {}, f"{where}.sensorMetadata")
    where_about = f"{where}.sensorMetadata."
    times = {
        name: adapter.moment(about[name], where_about + name, zone=zone)
        for name in ("time", "startTime", "endTime")
        if about.get(name) is not None
    }
    shared: dict[str, Scalar] = dict(_about(about))
    shared |= {
        name: times[key].isoformat()
        for key, name in (("startTime", "start_time"), ("endTime", "end_time"))
        if key in times
    }
    # an aggregate is known once its window has ended
    usual = times.get("time") or times.get("endTime") or time
    groups: dict[tuple[datetime, str], _Group] = {}
    rejected: list[Rejected] = []
    for index, part in enumerate(several(element, "sensorReport")):
        here = f"{where}.sensorReport[{index}]"
        try:
            report = block(part, here)
            at = report.get("time")
            moment = usual if at is None else adapter.moment(at, f"{here}.time", zone=zone)
            device = text(report, "deviceID", f"{here}.") or str(shared.get("device_id", ""))
            group = groups.setdefault((moment, device), _Group())
            if len(group.attributes) > MOST:
                malformed(here, f"one device says more than {MOST} things at one time")
            _report(report, group, here)
            group.attributes |= dict(_about(report))
        except Unusable as error:
            rejected.append(error.rejected)
    if not groups and not rejected:
        detail = "a sensor element has reports"
        rejected.append(Rejected(Reject.MALFORMED, f"{where}.sensorReport", detail))
    measured = []
    for (moment, device), group in groups.items():
        if not group.attributes and not group.position:
            continue  # all of its reports were rejected
        try:
            position = _position(group, where)
        except Unusable as error:
            rejected.append(error.rejected)
            position = None
            if not group.attributes:
                continue
        part_name = f"{moment.isoformat()}/{device}"
        attributes = shared | group.attributes
        measured.append(Measured(_meaning(group), moment, part_name, attributes, position))
    return measured, rejected


def _meaning(group: _Group) -> Meaning:
    if group.alarm is not None:
        return group.alarm
    if group.climate:
        return EventType.REEFER, "MEASURED"
    located = {"latitude", "longitude"} <= group.position.keys()
    return EventType.IOT, "BREADCRUMB" if located else "DEVICE_STATUS"


def _position(group: _Group, where: str) -> tuple[float, float] | None:
    if {"latitude", "longitude"} <= group.position.keys():
        field = f"{where}.sensorReport"
        return adapter.position(group.position["latitude"], group.position["longitude"], field)
    for name, value in group.position.items():  # half a position is no position
        group.put(f"{name}_degrees", value)
    return None


def _about(fields: Fields) -> Iterator[tuple[str, Scalar]]:
    for name, ours in _ABOUT.items():
        value = fields.get(name)
        if isinstance(value, str) and value.strip():
            yield ours, value.strip()[:LONGEST]


def _report(report: Fields, group: _Group, where: str) -> None:
    """Adds what a report says to its group.

    Raises:
        Unusable: nobody can tell what it says.
    """
    kind = text(report, "type", f"{where}.")
    exception = text(report, "exception", f"{where}.")
    if kind is None:
        malformed(f"{where}.type", "a sensor report says what it is of")
    measurand = _snake(local(kind))
    if not 0 < len(measurand) <= NAME:
        malformed(f"{where}.type", f"{kind[:40]!r} is no kind of measurement")
    numbers = {
        name: _number(report[name], f"{where}.{name}")
        for name in _NUMBERS
        if name in report and report[name] is not None
    }
    qualifier = _qualifier(report, where)
    noun = _OURS.get(measurand, measurand)
    name = f"{qualifier}_{noun}" if qualifier else noun
    unit = _unit(report, measurand, bool(numbers.keys() - {"percRank"}), where)
    angle = qualifier if measurand == "angle" and qualifier else measurand
    if angle in ("latitude", "longitude") and "value" in numbers and _is_wgs84(report):
        group.position[angle] = numbers.pop("value") * unit.factor
    for key, number in numbers.items():
        how, ending = _NUMBERS[key]
        if how == "bare":
            group.put(f"{name}{ending}", number)
            continue
        converted = number * unit.factor + (0 if how == "difference" else unit.offset)
        if not math.isfinite(converted):
            malformed(f"{where}.{key}", f"{shown(report[key])} is too large a number")
        suffix = f"_{unit.name}" if unit.name else ""
        rounded = converted if unit.factor == 1 and unit.offset == 0 else round(converted, 6)
        group.put(f"{name}{suffix}{ending}", rounded)
        group.climate = group.climate or measurand in CLIMATE
    for key, ending in _OTHERS.items():
        value = report.get(key)
        if isinstance(value, str | bool):
            group.put(f"{name}{ending}", value if isinstance(value, bool) else value[:LONGEST])
    if exception is not None:
        condition = word(exception).upper()
        group.put(f"{name}_exception", condition)
        if condition == "ALARM_CONDITION" and group.alarm is None:
            group.alarm = ALARMS.get(measurand.replace("_", ""))


def _is_wgs84(report: Fields) -> bool:
    system = report.get("coordinateReferenceSystem")
    return system is None or (isinstance(system, str) and _WGS84.fullmatch(system) is not None)


def _qualifier(report: Fields, where: str) -> str:
    """What of the thing was measured: the component, else somebody's `feature` (`setpoint`)."""
    component = text(report, "component", f"{where}.")
    if component is not None:
        return _snake(local(component))[:NAME]
    for name, value in report.items():
        if isinstance(value, str) and local(name).lower() == "feature":
            return _snake(local(value))[:NAME]
    return ""


def _unit(report: Fields, measurand: str, needed: bool, where: str) -> Unit:
    code = text(report, "uom", f"{where}.")
    if code is None:
        if needed and measurand not in WITHOUT_UNIT:
            malformed(f"{where}.uom", f"a number of {measurand} has no unit")
        return Unit("")
    code = code.upper()
    unit = UNITS.get(code, Unit(_snake(code)[:NAME]))
    sensible = MEASURED_IN.get(measurand)
    if sensible is not None and unit.name not in sensible:
        malformed(f"{where}.uom", f"{measurand} in {code[:10]!r} makes no sense")
    return unit


def _number(value: Any, field: str) -> float:
    """A number; some write it as a text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        malformed(field, f"{shown(value)} is no number")
    try:
        number = float(value)
    except (ValueError, OverflowError):
        malformed(field, f"{shown(value)} is no number")
    if not math.isfinite(number):
        malformed(field, f"{shown(value)} is no number")
    return number


def _snake(name: str) -> str:
    """`AbsoluteHumidity` as `absolute_humidity`."""
    return "_".join(_WORDS.findall(name)).lower()
