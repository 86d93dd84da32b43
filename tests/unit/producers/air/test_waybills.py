"""Numbers of air cargo."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corridor.codes import Reject
from producers.adapter import Unusable
from producers.air.waybills import flight, run_id, uld, waybill


@pytest.mark.parametrize("text", ["784-12345675", "78412345675", " 784 12345675", "784 - 12345675"])
def test_a_waybill_is_normalised(text: str) -> None:
    assert waybill(text, "waybill") == "784-12345675"


@given(st.integers(0, 9_999_999), st.integers(0, 9))
def test_a_waybill_is_read_exactly_if_its_check_digit_is_right(serial: int, digit: int) -> None:
    number = f"784-{serial:07d}{digit}"
    if digit == serial % 7:
        assert waybill(number, "waybill") == number
    else:
        with pytest.raises(Unusable) as error:
            waybill(number, "waybill")
        assert error.value.rejected.reason is Reject.BAD_CHECK_DIGIT


@pytest.mark.parametrize("text", ["", "784", "784-1234567", "ABC-12345675", "784-123456755"])
def test_what_has_not_eleven_digits_is_no_waybill(text: str) -> None:
    with pytest.raises(Unusable) as error:
        waybill(text, "waybill")
    assert error.value.rejected.reason is Reject.MALFORMED


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CA433", "CA433"),
        ("CA0433", "CA433"),
        ("ca 0433", "CA433"),
        ("3U8633D", "3U8633D"),
        ("O31698", "O31698"),
        ("CCA433", "CCA433"),
        ("24NOV", None),
        ("99123", None),
        ("S72510", "S72510"),
        ("CA433556", None),
        ("", None),
    ],
)
def test_a_flight_designator_is_without_leading_zeros(text: str, expected: str | None) -> None:
    assert flight(text) == expected


def test_a_flight_is_known_by_its_designator_and_day() -> None:
    assert run_id("CA433", date(2030, 11, 4)) == "CA433-20301104"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("PMC72534QR", "PMC72534QR"), ("ake 1234 ca", "AKE1234CA"), ("BULK", None)],
)
def test_a_unit_load_device_has_a_type_serial_and_owner(text: str, expected: str | None) -> None:
    assert uld(text) == expected
