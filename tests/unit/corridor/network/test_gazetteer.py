"""Places by every code that somebody uses for them."""

import airportsdata
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corridor.network import gazetteer
from corridor.network.gazetteer import NODE_ID, NodeKind, fold, resolve
from corridor.network.geofence import distance_km


@pytest.mark.parametrize("node", gazetteer.nodes(), ids=lambda node: node.node_id)
def test_a_node_is_found_by_its_id_and_all_its_codes(node: gazetteer.Node) -> None:
    assert {resolve(code) for code in (node.node_id, *node.codes)} == {node.node_id}


@pytest.mark.parametrize("node", gazetteer.nodes(), ids=lambda node: node.node_id)
def test_a_node_is_found_by_its_names(node: gazetteer.Node) -> None:
    assert {resolve(name) for name in (node.name, *node.names)} == {node.node_id}


@pytest.mark.parametrize("node", gazetteer.nodes(), ids=lambda node: node.node_id)
def test_a_facility_is_found_together_with_its_place(node: gazetteer.Node) -> None:
    place = node.place or node.node_id
    assert {resolve(place, code) for code in (node.node_id, node.name, *node.facilities)} == {
        node.node_id
    }


@pytest.mark.parametrize(
    ("code", "node_id"),
    [
        ("cnqzh", "CNQZH"),
        (" CN QZH ", "CNQZH"),
        ("CN-QZH", "CNQZH"),
        ("CNCQI-TJC", "CNCQI-TJC"),
        ("cncqitjc", "CNCQI-TJC"),
        ("团结村", "CNCQI-TJC"),
        ("TUANJIECUN", "CNCQI-TJC"),
        ("XI AN", "CNXIA"),
        ("Łódź", "PLLOD"),
        ("lodz", "PLLOD"),
        ("dong dang", "VN-DONGDANG"),
        ("Đồng Đăng", "VN-DONGDANG"),
        ("Khorgos", "CNHRS"),
        (
            "\uff23\uff2e\uff31\uff3a\uff28",
            "CNQZH",
        ),  # full-width letters, as Chinese keyboards write them
    ],
)
def test_case_accents_and_spaces_do_not_matter(code: str, node_id: str) -> None:
    assert resolve(code) == node_id


@pytest.mark.parametrize(
    ("code", "node_id"),
    [
        ("CKG", "CNCKG"),
        ("ckg", "CNCKG"),
        ("SIN", "SGSIN-AIR"),  # the airport; SGSIN is the port
        ("BKK", "THSIA"),
        ("ICN", "KRICN"),  # not ours: its country and its code
    ],
)
def test_three_letters_are_an_airport(code: str, node_id: str) -> None:
    assert resolve(code) == node_id


@pytest.mark.parametrize("code", ["QZH", "TJC", "HRS"])
def test_three_letters_are_never_the_end_of_a_locode(code: str) -> None:
    assert resolve(code) not in ("CNQZH", "CNCQI-TJC", "CNHRS")


def test_four_letters_are_an_icao_code_of_ours() -> None:
    assert resolve("ZUCK") == "CNCKG"


@pytest.mark.parametrize("code", ["DEMUC", "demuc", "DE MUC", "USNYC", "XZIND", "VN2AB"])
def test_a_locode_that_we_do_not_have_stands_for_itself(code: str) -> None:
    assert resolve(code) == code.replace(" ", "").upper()


@pytest.mark.parametrize("code", ["ZZABC", "QQQQQ", "AB1CD", "DE0AB"])
def test_five_letters_of_no_country_are_no_place(code: str) -> None:
    assert resolve(code) is None


@pytest.mark.parametrize("code", ["CHINA", "china", "INDIA", "China", "Genoa"])
def test_a_word_is_not_taken_for_a_locode(code: str) -> None:
    assert resolve(code) is None


def test_a_name_that_looks_like_a_locode_is_one_only_when_written_as_a_name() -> None:
    assert (resolve("Boten"), resolve("BOTEN")) == ("LABTN", "BOTEN")


def test_a_facility_that_nobody_knows_leaves_the_place() -> None:
    assert resolve("CNCQI", "GATE 7") == "CNCQI"


def test_a_facility_of_another_place_leaves_the_place() -> None:
    assert resolve("CNQZH", "TJC") == "CNQZH"


def test_an_alias_of_the_place_serves_for_its_facilities() -> None:
    assert resolve("CNCHQ", "tjc") == "CNCQI-TJC"


def test_a_facility_does_not_make_a_place_of_none() -> None:
    assert resolve("nowhere at all", "TJC") is None


@pytest.mark.parametrize("code", ["", " ", "-", "\ud800", "\x00", "ﬀ", "CN" * 10_000, "É" * 5])
def test_what_is_no_code_is_no_place(code: str) -> None:
    assert resolve(code) is None


@given(st.text(st.characters(), max_size=200), st.none() | st.text(st.characters(), max_size=200))
def test_any_text_gives_a_node_id_or_none(code: str, facility: str | None) -> None:
    found = resolve(code, facility)
    assert found is None or NODE_ID.fullmatch(found)


@given(st.from_regex(r"[A-Za-z]{2}[ -]?[A-Za-z2-9]{3}|[A-Za-z]{3,4}", fullmatch=True))
def test_what_a_code_stands_for_stands_for_itself(code: str) -> None:
    found = resolve(code)
    assert found is None or resolve(found) == found


@given(st.text(st.characters(), max_size=50))
def test_folding_twice_is_folding_once(text: str) -> None:
    assert fold(fold(text)) == fold(text)


def test_there_is_no_node_of_an_unknown_id() -> None:
    assert gazetteer.node("CNXXX") is None


def test_every_kind_of_node_is_there() -> None:
    assert {node.kind for node in gazetteer.nodes()} == set(NodeKind)


@pytest.mark.parametrize(
    "node",
    [node for node in gazetteer.nodes() if node.kind is NodeKind.AIRPORT],
    ids=lambda node: node.node_id,
)
def test_an_airport_is_the_one_of_its_codes(node: gazetteer.Node) -> None:
    (iata,) = (code for code in node.codes if len(code) == 3)
    row = airportsdata.load("IATA")[iata]
    assert (row["country"], row["tz"]) == (node.country, node.time_zone)
    assert row["icao"] in node.codes


MISPLACED = {"BELGG", "LULUX"}
"""Where airportsdata is wrong: it read degrees and minutes as a decimal."""


@pytest.mark.parametrize(
    "node",
    [node for node in gazetteer.nodes() if node.kind is NodeKind.AIRPORT],
    ids=lambda node: node.node_id,
)
def test_an_airport_is_where_others_say_it_is(node: gazetteer.Node) -> None:
    (iata,) = (code for code in node.codes if len(code) == 3)
    row = airportsdata.load("IATA")[iata]
    away = distance_km(node.latitude, node.longitude, row["lat"], row["lon"])
    assert away < (40 if node.node_id in MISPLACED else 3)
