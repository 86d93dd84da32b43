"""Container numbers: the check digit of ISO 6346, worked out by hand, and what it finds."""

import string

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from corridor.containers import check_digit, is_container_number, normalised

prefixes = st.tuples(
    st.text(string.ascii_uppercase, min_size=3, max_size=3), st.sampled_from("UJZ")
).map("".join)
serials = st.text(string.digits, min_size=6, max_size=6)
firsts = st.tuples(prefixes, serials).map("".join)

LETTERS = dict(
    zip(
        string.ascii_uppercase,
        # ISO 6346, table A.1: 11, 22 and 33 are left out
        [10, *range(12, 22), *range(23, 33), *range(34, 39)],
        strict=True,
    )
)


def value(character: str) -> int:
    return LETTERS.get(character) or int(character)


@pytest.mark.parametrize(
    ("first", "digit"),
    [
        # C=13 S=30*2 Q=28*4 U=32*8 3*16 0 5*64 4*128 3*256 8*512: 6185 = 562*11 + 3
        ("CSQU305438", 3),
        # A=10 A=20 A=40 U=256 and no serial: 326 = 29*11 + 7
        ("AAAU000000", 7),
        # the same with 1*16: 342 = 31*11 + 1
        ("AAAU100000", 1),
        # Z=38 Z=76 Z=152 Z=304 and no serial: 570 = 51*11 + 9
        ("ZZZZ000000", 9),
        # A=10 A=20 A=40 J=20*8=160: 230 = 20*11 + 10, which is written 0
        ("AAAJ000000", 0),
        # A=10 B=24 C=52 U=256: 342, and 9*512 more: 4950 = 450*11
        ("ABCU000009", 0),
    ],
)
def test_the_check_digit_is_as_worked_out_by_hand(first: str, digit: int) -> None:
    assert check_digit(first) == digit


@given(firsts)
def test_the_check_digit_is_the_weighted_sum_modulo_11_with_10_as_0(first: str) -> None:
    total = sum(value(character) * 2**place for place, character in enumerate(first))
    assert check_digit(first) == (total % 11) % 10


@given(firsts, st.integers(0, 5), st.sampled_from(string.digits))
def test_one_wrong_digit_is_found_but_for_10_written_as_0(
    first: str, place: int, other: str
) -> None:
    at = 4 + place
    assume(first[at] != other)
    wrong = first[:at] + other + first[at + 1 :]
    assert check_digit(wrong) != check_digit(first) or is_confused_with_ten(first, wrong)


@given(firsts, st.integers(0, 4))
def test_two_neighbours_swapped_are_found_but_for_10_written_as_0(first: str, place: int) -> None:
    at = 4 + place
    assume(first[at] != first[at + 1])
    wrong = first[:at] + first[at + 1] + first[at] + first[at + 2 :]
    assert check_digit(wrong) != check_digit(first) or is_confused_with_ten(first, wrong)


@given(firsts, st.integers(0, 2), st.sampled_from(string.ascii_uppercase))
def test_one_wrong_letter_is_found_but_for_values_11_or_22_apart(
    first: str, place: int, other: str
) -> None:
    assume((value(first[place]) - value(other)) % 11)
    wrong = first[:place] + other + first[place + 1 :]
    assert check_digit(wrong) != check_digit(first) or is_confused_with_ten(first, wrong)


def is_confused_with_ten(one: str, other: str) -> bool:
    """The known weakness of the scheme: remainders 0 and 10 have the same digit."""
    remainders = {
        sum(value(character) << place for place, character in enumerate(text)) % 11
        for text in (one, other)
    }
    return remainders == {0, 10}


@pytest.mark.parametrize(
    "text", ["csqu3054383", "CSQU 305438 3", "CSQU-305438-3", " csqu.305438/3 ", "CSQU3054383"]
)
def test_a_number_is_compared_without_case_and_separators(text: str) -> None:
    assert normalised(text) == "CSQU3054383"


@pytest.mark.parametrize("text", ["CSQU3054383", "CSQJ3054383", "CSQZ3054383"])
def test_a_number_has_an_owner_a_category_six_digits_and_the_check_digit(text: str) -> None:
    assert is_container_number(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "CSQU305438",
        "CSQU30543833",
        "CSQA3054383",
        "CS1U3054383",
        "csqu3054383",
        "CSQU30543\uff183",
    ],
)
def test_anything_else_is_no_number(text: str) -> None:
    assert not is_container_number(text)
