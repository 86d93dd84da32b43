"""The engine's texts become ClickHouse's errors."""

from __future__ import annotations

import pytest

from deploy.local.clickhouse.errors import ServerError, from_engine, http_status
from deploy.local.clickhouse.users import User


@pytest.mark.parametrize(
    ("text", "code", "name", "message"),
    [
        (
            "Code: 60. DB::Exception: Table default.t does not exist. (UNKNOWN_TABLE)",
            *(60, "UNKNOWN_TABLE", "Table default.t does not exist."),
        ),
        (
            "Code: 115. DB::Exception: Code: 115. DB::Exception: Unknown setting 'a'. "
            "(UNKNOWN_SETTING) (version 26.9.2.1). (UNKNOWN_SETTING)",
            *(115, "UNKNOWN_SETTING", "Unknown setting 'a'."),
        ),
        (
            "Code: 27. DB::Exception: Cannot parse: (at row 2)\n: (in file/uri /d/spool/x): While "
            "executing File: data for INSERT was parsed from file. (CANNOT_PARSE)",
            *(27, "CANNOT_PARSE", "Cannot parse: (at row 2)\n."),
        ),
        ("something else broke", 1002, "UNKNOWN_EXCEPTION", "something else broke"),
    ],
)
def test_code_name_and_message_are_read(text: str, code: int, name: str, message: str) -> None:
    error = from_engine(text)
    assert (error.code, error.name, error.message) == (code, name, message)


@pytest.mark.parametrize(
    ("code", "status"), [(62, 400), (60, 404), (516, 403), (159, 408), (48, 501), (999, 500)]
)
def test_a_code_has_its_status(code: int, status: int) -> None:
    assert http_status(code) == status


@pytest.mark.parametrize(
    ("name", "password"), [("a", "x"), ("b", "p"), ("", ""), ("a", "pé\udcff")]
)
def test_only_the_right_pair_comes_in(name: str, password: str) -> None:
    with pytest.raises(ServerError) as caught:
        User("a", "p").check(name, password)
    assert caught.value.code == 516
