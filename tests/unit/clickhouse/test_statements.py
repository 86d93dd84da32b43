"""What a statement is, told without the engine."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.local.clickhouse.errors import ServerError
from deploy.local.clickhouse.statements import Insert, parse, tokens


def insert_of(text: str) -> Insert:
    insert = parse(text).insert
    assert insert is not None
    return insert


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("SELECT 1", "SELECT"),
        ("  /* why */ select 1", "SELECT"),
        ("-- why\nSELECT 1", "SELECT"),
        ("(SELECT 1) UNION ALL (SELECT 2)", "SELECT"),
        ("WITH 1 AS x SELECT x", "WITH"),
        ("WITH 1 AS x INSERT INTO t SELECT x", "INSERT"),
        ("FROM t SELECT a", "FROM"),
        ("SHOW TABLES", "SHOW"),
        ("insert into t values", "INSERT"),
        ("ALTER TABLE t DELETE WHERE a = ';'", "ALTER"),
    ],
)
def test_the_kind_is_the_first_word(text: str, kind: str) -> None:
    assert parse(text).kind == kind


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1; SELECT 2",
        "SELECT 1;; DROP TABLE t",
        "INSERT INTO t SELECT 1; SELECT 2",
        "INSERT INTO t; SELECT 1",
        "INSERT INTO t (SELECT 1); SELECT 2",
    ],
)
def test_several_statements_are_refused(text: str) -> None:
    with pytest.raises(ServerError, match="Multi-statements are not allowed") as caught:
        parse(text)
    assert caught.value.code == 62


@pytest.mark.parametrize(
    "text",
    [
        "SELECT ';'; ",
        "SELECT 1; -- done",
        'SELECT `a;b`, "c;d" FROM t',
        "SELECT 'it''s; fine', 'it\\'s; fine'",
        "SELECT $tag$ ; $tag$",
        "SELECT 1 /* ; */",
        "SELECT (1, ';)')",
        "CREATE FUNCTION f AS (x) -> x;",
    ],
)
def test_a_semicolon_that_separates_nothing_is_fine(text: str) -> None:
    parse(text)


@pytest.mark.parametrize("text", ["", "  ", ";", "-- nothing"])
def test_nothing_is_a_syntax_error(text: str) -> None:
    with pytest.raises(ServerError) as caught:
        parse(text)
    assert caught.value.code == 62


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("SELECT 1 FORMAT JSON", "JSON"),
        ("SELECT 1 format CSV SETTINGS max_threads = 1", "CSV"),
        ("SELECT 1 SETTINGS max_threads = 1 FORMAT CSV;", "CSV"),
        ("SELECT 'FORMAT JSON'", None),
        ("SELECT * FROM (SELECT 1 FORMAT JSON)", None),
        ("SELECT 1 AS format", None),
        ("SHOW TABLES FORMAT Pretty", "Pretty"),
    ],
)
def test_the_format_is_found(text: str, form: str | None) -> None:
    assert parse(text).format == form


def test_the_output_goes_where_it_is_sent() -> None:
    statement = parse("SELECT 1 -- one\nFORMAT JSON SETTINGS max_threads = 1;")
    assert statement.with_output("/x", "TSV").split("\n")[1:] == [
        "INTO OUTFILE '/x' APPEND FORMAT JSON SETTINGS max_threads = 1"
    ]


def test_into_outfile_is_refused() -> None:
    with pytest.raises(ServerError) as caught:
        parse("SELECT 1 INTO OUTFILE 'x' FORMAT CSV")
    assert caught.value.code == 358


@pytest.mark.parametrize(
    ("text", "target", "columns", "form"),
    [
        ("INSERT INTO t VALUES", "t", None, "Values"),
        ("INSERT INTO t", "t", None, "Values"),
        ("INSERT INTO TABLE d.t (a, b) VALUES", "d.t", "a, b", "Values"),
        ("INSERT INTO `d x`.`t.y` (`a`) FORMAT Native", "`d x`.`t.y`", "`a`", "Native"),
        ("INSERT INTO FUNCTION remote('h', d.t) VALUES", "remote('h', d.t)", None, "Values"),
        ("INSERT INTO TABLE FUNCTION null('a Int8') (a) VALUES", "null('a Int8')", "a", "Values"),
        ("INSERT INTO {t:Identifier} (a) FORMAT CSV", "{t:Identifier}", "a", "CSV"),
        ("insert into t (* except(b)) format CSV", "t", "* except(b)", "CSV"),
        ("INSERT INTO t (a) SETTINGS async_insert = 1 FORMAT CSV", "t", "a", "CSV"),
    ],
)
def test_the_head_of_an_insert_is_taken_apart(
    text: str, target: str, columns: str | None, form: str
) -> None:
    insert = insert_of(text)
    assert (insert.target, insert.columns, insert.format) == (target, columns, form)


@pytest.mark.parametrize(
    "text",
    [
        "INSERT INTO t SELECT 1",
        "INSERT INTO t (a) SELECT 1",
        "INSERT INTO t (a) (SELECT 1)",
        "INSERT INTO t (SELECT 1)",
        "INSERT INTO t (a) WITH 1 AS x SELECT x",
        "INSERT INTO t FROM s SELECT a",
    ],
)
def test_an_insert_from_a_select_takes_no_data(text: str) -> None:
    assert not insert_of(text).takes_data


def test_an_insert_from_a_file_of_the_server_is_refused() -> None:
    with pytest.raises(ServerError) as caught:
        parse("INSERT INTO t FROM INFILE 'x' FORMAT CSV")
    assert caught.value.code == 48


def test_an_insert_can_take_its_data_from_a_file() -> None:
    insert = insert_of("INSERT INTO t (a) SETTINGS async_insert = 0 FORMAT CSV\n1")
    assert insert.from_file("/x", "CSV") == (
        "INSERT INTO t (a) FROM INFILE '/x' COMPRESSION 'none' SETTINGS async_insert = 0 FORMAT CSV"
    )


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("INSERT INTO t VALUES (1), ('FORMAT')", "(1), ('FORMAT')"),
        ("INSERT INTO t FORMAT CSV\n1,'x\n2", "1,'x\n2"),
        ("INSERT INTO t FORMAT CSV \n\n1", "\n1"),
        ("INSERT INTO t VALUES -- rows follow", ""),
        ("INSERT INTO t VALUES ;", ""),
    ],
)
def test_inline_data_is_what_stands_behind_the_head(text: str, data: str) -> None:
    assert parse(text).inline_data == data


@given(st.text(max_size=200))
def test_any_text_is_classified_or_refused(text: str) -> None:
    with suppress(ServerError):
        parse(text)


@pytest.mark.parametrize("opening", ["'", '"', "`", "/*", "$$", "(", "'\\", "''"])
def test_what_is_never_closed_takes_no_time(opening: str) -> None:
    started = time.monotonic()
    with suppress(ServerError):
        parse("SELECT " + opening * 20_001 + "; a" * 20_000)
    assert time.monotonic() - started < 2


@given(st.text(alphabet="ab'`\"();-/*$# \n\\", max_size=60))
def test_tokens_never_overlap(text: str) -> None:
    end = 0
    for token in tokens(text):
        assert end <= token.start < token.end <= len(text)
        end = token.end
