"""What sensor reports come to."""

from datetime import UTC, datetime
from typing import Any

import pytest

from corridor.codes import EventType, Reject
from corridor.decoding import Rejected
from producers.epcis import sensors, vocabulary
from tests.unit.producers.epcis.messages import LOCK, event, events, fault, items, sensed, step

LATITUDE = {"type": "Angle", "component": "latitude", "value": 21.683, "uom": "DD"}
LONGITUDE = {"type": "Angle", "component": "longitude", "value": 108.647, "uom": "DD"}


def only(report: dict[str, Any]) -> dict[str, Any]:
    """The attributes that a report adds."""
    shared = event(sensed({"type": "Count", "value": 1})).attributes.keys() - {"count"}
    return {k: v for k, v in event(sensed(report)).attributes.items() if k not in shared}


@pytest.mark.parametrize(
    ("type", "value", "uom", "name", "expected"),
    [
        ("Temperature", 26.1, "CEL", "temperature_celsius", 26.1),
        ("gs1:Temperature", 26.1, "CEL", "temperature_celsius", 26.1),
        ("gs1:MT-Temperature", 26.1, "CEL", "temperature_celsius", 26.1),
        ("https://gs1.org/voc/Temperature", 26.1, "CEL", "temperature_celsius", 26.1),
        ("Temperature", 14, "FAH", "temperature_celsius", -10),
        ("Temperature", 273.15, "KEL", "temperature_celsius", 0),
        ("Temperature", "4.5", "cel", "temperature_celsius", 4.5),
        ("RelativeHumidity", 85, "P1", "humidity_percent", 85),
        ("AbsoluteHumidity", 12.1, "A93", "absolute_humidity_grams_per_cubic_metre", 12.1),
        ("Speed", 10, "MTS", "speed_kmh", 36),
        ("Speed", 10, "KNT", "speed_kmh", 18.52),
        ("Voltage", 3600, "2Z", "voltage_volts", 3.6),
        ("Illuminance", 800, "LUX", "illuminance_lux", 800),
        ("Acceleration", 2, "K40", "acceleration_metres_per_second_squared", 19.6133),
        ("Pressure", 101325, "PAL", "pressure_hectopascals", 1013.25),
        ("Torque", 3, "NU", "torque_nu", 3),
        ("Count", 7, None, "count", 7),
    ],
)
def test_a_number_is_named_by_what_it_is_of_and_its_unit(
    type: str, value: Any, uom: str | None, name: str, expected: float
) -> None:
    found = only({"type": type, "value": value} | ({"uom": uom} if uom else {}))
    assert found == {name: pytest.approx(expected)}


@pytest.mark.parametrize("code", sorted(sensors.UNITS))
def test_every_unit_of_the_table_converts_a_number(code: str) -> None:
    unit = sensors.UNITS[code]
    [(name, value)] = only({"type": "ex:Thing", "value": 1, "uom": code}).items()
    assert name == "_".join(filter(None, ("thing", unit.name)))
    assert value == pytest.approx(unit.factor + unit.offset, abs=1e-5)


def test_statistics_have_names_of_their_own() -> None:
    report = {
        "type": "Temperature",
        "minValue": 32,
        "maxValue": 50,
        "meanValue": 41,
        "sDev": 1.8,
        "percRank": 50,
        "percValue": 41,
        "uom": "FAH",
    }
    assert only(report) == {
        "temperature_celsius_min": pytest.approx(0),
        "temperature_celsius_max": pytest.approx(10),
        "temperature_celsius_mean": pytest.approx(5),
        "temperature_celsius_standard_deviation": pytest.approx(1),
        "temperature_celsius_percentile": pytest.approx(5),
        "temperature_percentile_rank": 50,
    }


def test_what_is_no_number_is_kept_as_it_is() -> None:
    assert only({"type": "ex:DoorState", "stringValue": "ajar"}) == {"door_state": "ajar"}
    assert only({"type": "ex:Powered", "booleanValue": False}) == {"powered": False}
    assert only({"type": "ex:Raw", "hexBinaryValue": "f0"}) == {"raw_hex": "f0"}
    assert only({"type": "ex:Raw", "uriValue": "urn:x"}) == {"raw_uri": "urn:x"}


def test_a_component_or_feature_tells_measurements_apart() -> None:
    supply = {"type": "Temperature", "value": -18, "uom": "CEL", "ex:feature": "ex:setpoint"}
    air = {"type": "Temperature", "value": -17, "uom": "CEL", "component": "ex:returnAir"}
    found = event(sensed(supply, air)).attributes
    assert found["setpoint_temperature_celsius"] == -18
    assert found["return_air_temperature_celsius"] == -17


def test_two_reports_of_one_kind_are_both_kept() -> None:
    report = {"type": "Temperature", "uom": "CEL"}
    found = event(sensed({**report, "value": 1}, {**report, "value": 2})).attributes
    assert (found["temperature_celsius"], found["temperature_celsius_2"]) == (1, 2)


def test_climate_is_measured_by_a_reefer() -> None:
    found = event(sensed({"type": "Temperature", "value": 4, "uom": "CEL"}))
    assert (found.event_type, found.code) == (EventType.REEFER, "MEASURED")


def test_a_position_is_a_breadcrumb() -> None:
    found = event(sensed(LATITUDE, LONGITUDE))
    assert (found.event_type, found.code) == (EventType.IOT, "BREADCRUMB")
    assert (found.latitude, found.longitude) == (21.683, 108.647)


def test_a_position_may_be_told_by_type() -> None:
    found = event(
        sensed(
            {"type": "gs1:Latitude", "value": 21.683, "uom": "DD"},
            {"type": "gs1:Longitude", "value": 108.647, "uom": "DD"},
        )
    )
    assert (found.latitude, found.longitude) == (21.683, 108.647)


def test_a_measurement_keeps_the_position_that_came_with_it() -> None:
    found = event(sensed({"type": "Temperature", "value": 4, "uom": "CEL"}, LATITUDE, LONGITUDE))
    assert (found.code, found.latitude) == ("MEASURED", 21.683)


def test_an_angle_of_another_reference_system_is_no_position() -> None:
    moon = {"coordinateReferenceSystem": "http://www.opengis.net/def/crs/IAU/2015/30100"}
    found = event(sensed(LATITUDE | moon, LONGITUDE | moon))
    assert (found.code, found.latitude) == ("DEVICE_STATUS", None)
    assert found.attributes["latitude_angle_degrees"] == 21.683


def test_half_a_position_is_none() -> None:
    found = event(sensed(LATITUDE))
    assert (found.code, found.attributes["latitude_degrees"]) == ("DEVICE_STATUS", 21.683)


def test_an_impossible_position_does_not_spoil_a_measurement() -> None:
    temperature = {"type": "Temperature", "value": 4, "uom": "CEL"}
    rejected, found = items(sensed(temperature, LATITUDE | {"value": 99}, LONGITUDE))
    assert rejected.reason is Reject.IMPOSSIBLE_POSITION
    assert (found.code, found.latitude) == ("MEASURED", None)


def test_the_rest_is_the_status_of_a_device() -> None:
    found = event(sensed({"type": "Voltage", "value": 3.6, "uom": "VLT"}))
    assert (found.event_type, found.code) == (EventType.IOT, "DEVICE_STATUS")


@pytest.mark.parametrize(("name", "meaning"), vocabulary.ALARMS.items())
def test_an_alarm_whose_name_says_what_happened_is_that(
    name: str, meaning: vocabulary.Meaning
) -> None:
    found = event(
        sensed({"type": f"https://lock.example/voc/{name}", "exception": "gs1:ALARM_CONDITION"})
    )
    assert (found.event_type, found.code) == meaning


def test_an_alarm_of_anything_else_is_an_attribute() -> None:
    found = event(sensed({"type": "Voltage", "exception": "ALARM_CONDITION"}))
    assert (found.code, found.attributes["voltage_exception"]) == (
        "DEVICE_STATUS",
        "ALARM_CONDITION",
    )


def test_a_sensor_that_fails_is_no_alarm() -> None:
    found = event(sensed({"type": "ex:Tamper", "exception": "ERROR_CONDITION"}))
    assert (found.code, found.attributes["tamper_exception"]) == (
        "DEVICE_STATUS",
        "ERROR_CONDITION",
    )


def test_a_report_has_the_time_of_its_element() -> None:
    found = event(sensed({"type": "Count", "value": 1}))
    assert found.event_time == datetime(2026, 11, 24, 8, 20, tzinfo=UTC)


def test_or_a_time_of_its_own() -> None:
    early = {"type": "Count", "value": 1, "time": "2026-11-24T08:00:00Z"}
    first, second = events(sensed(early, {"type": "Count", "value": 2}))
    assert first.event_time < second.event_time
    assert first.event_id != second.event_id


def test_an_aggregate_is_known_at_the_end_of_its_window() -> None:
    about = {"startTime": "2026-11-24T00:00:00Z", "endTime": "2026-11-24T06:00:00Z"}
    element = {"sensorMetadata": about, "sensorReport": [{"type": "Count", "value": 1}]}
    found = event(step("sensor_reporting", sensorElementList=[element]))
    assert found.event_time == datetime(2026, 11, 24, 6, tzinfo=UTC)
    assert found.attributes["start_time"] == "2026-11-24T00:00:00+00:00"


def test_without_either_the_time_of_the_event() -> None:
    element = {"sensorReport": {"type": "Count", "value": 1}}
    found = event(step("sensor_reporting", sensorElementList=element))
    assert found.event_time == datetime(2026, 11, 24, 8, 30, tzinfo=UTC)


def test_devices_speak_for_themselves() -> None:
    other = {"type": "Temperature", "value": 5, "uom": "CEL", "deviceID": LOCK + "B"}
    first, second = events(sensed({"type": "Temperature", "value": 4, "uom": "CEL"}, other))
    assert first.attributes["device_id"] == LOCK
    assert second.attributes["device_id"] == LOCK + "B"


@pytest.mark.parametrize(
    ("report", "field"),
    [
        ({"value": 4, "uom": "CEL"}, "type"),
        ({"type": "Temperature", "value": 4}, "uom"),
        ({"type": "Temperature", "value": 4, "uom": "KGM"}, "uom"),
        ({"type": "RelativeHumidity", "value": 0.8, "uom": "C62"}, "uom"),
        ({"type": "Temperature", "value": "warm", "uom": "CEL"}, "value"),
        ({"type": "Temperature", "value": True, "uom": "CEL"}, "value"),
        ({"type": "Temperature", "value": "NaN", "uom": "CEL"}, "value"),
        ({"type": "Pressure", "value": 1e308, "uom": "BAR"}, "value"),
        ({"type": "Temperature", "value": 4, "uom": "CEL", "time": "now"}, "time"),
    ],
)
def test_a_report_that_nobody_can_read_is_rejected_by_itself(
    report: dict[str, Any], field: str
) -> None:
    good = {"type": "Voltage", "value": 3.6, "uom": "VLT"}
    rejected, found = items(sensed(report, good))
    assert isinstance(rejected, Rejected)
    assert rejected.field == f"sensorElementList[0].sensorReport[0].{field}"
    assert found.code == "DEVICE_STATUS"


def test_an_element_without_reports_is_malformed() -> None:
    assert fault(sensed()).field == "sensorElementList[0].sensorReport"
