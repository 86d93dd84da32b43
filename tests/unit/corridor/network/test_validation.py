"""What is wrong with a geography is said in words."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corridor.network import corridors, files, gazetteer, geofence
from corridor.network.validation import BOXES, validate

GOOD = """
[[nodes]]
id = "CNHFE"
name = "Hefei"
kind = "RAIL_TERMINAL"
time_zone = "Asia/Shanghai"
position = [31.86, 117.28]
inside_km = 3
approach_km = 20
gauges = [1435]

[[legs]]
from = "CNHFE"
to = "CNURM"
mode = "RAIL"
km = 3300
hours = [75, 100]
gauge = 1435

[[corridors]]
id = "HEFEI"
title = "Hefei to Central Asia"

[corridors.dwell]
CNURM = [5, 14]
CNHRS = [8, 30]

[[corridors.routes]]
id = "HFE-ALT"
title = "Hefei to Altynkol"
path = "CNHFE RAIL CNURM RAIL CNHRS RAIL KZ-ALTYNKOL"
"""


def problems(text: str) -> list[str]:
    return [str(problem) for problem in validate(files.parse(text.encode(), "own.toml"))]


def test_ours_is_sound() -> None:
    assert validate() == []


def test_a_sound_file_has_no_problems() -> None:
    assert problems(GOOD) == []


def test_the_example_of_the_documentation_is_sound() -> None:
    page = Path(__file__).parents[4] / "docs" / "network.md"
    (example,) = re.findall(r"```toml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    assert problems(example) == []


def test_an_empty_file_has_no_problems() -> None:
    assert problems("") == []


def test_the_countries_of_our_nodes_have_boxes() -> None:
    assert {node.country for node in gazetteer.nodes()} <= BOXES.keys()


NODE = "node CNHFE: "
LEG = "leg CNHFE-CNURM.RAIL: "
BACK = "leg CNURM-CNHFE.RAIL: "
CORRIDOR = "corridor HEFEI: "
ROUTE = "corridor HEFEI, route HFE-ALT: "


@pytest.mark.parametrize(
    ("good", "bad", "said"),
    [
        ('kind = "RAIL_TERMINAL"', 'kind = "STATION"', NODE + "there is no kind 'STATION'"),
        ('"Asia/Shanghai"', '"Asia/Hefei"', NODE + "there is no time zone 'Asia/Hefei'"),
        ("[31.86, 117.28]", "[117.28, 31.86]", NODE + "117.28, 31.86 is not on Earth"),
        ("[31.86, 117.28]", "[31.86, 17.28]", NODE + "31.86, 17.28 is not in CN"),
        (
            "inside_km = 3\n",
            "",
            NODE + "inside_km and approach_km are given together or not at all",
        ),
        ("inside_km = 3\napproach_km = 20\n", "", NODE + "it has no fence"),
        ("inside_km = 3", "inside_km = 0", NODE + "inside_km must be more than 0"),
        ("approach_km = 20", "approach_km = 5", NODE + "approach_km must be more than 5.45"),
        ("gauges = [1435]", "gauges = [1435, 1234]", NODE + "there are no railways with a gauge"),
        (
            "gauges = [1435]",
            "gauges = [1435]\ngauge_change = true",
            NODE + "it changes the gauge, but has only one",
        ),
        (
            'kind = "RAIL_TERMINAL"\n',
            'kind = "BORDER"\nplace = "nowhere"\n',
            NODE + "its place nowhere is neither a node nor a UN/LOCODE",
        ),
        ('name = "Hefei"', 'name = "Qinzhou"', "node CNHFE: 'Qinzhou' is also what CNQZH"),
        (
            'name = "Hefei"',
            'name = "Hefei"\ncodes = ["CKG"]',
            "node CNCKG: 'CKG' is also what CNHFE is called",
        ),
        (
            "[31.86, 117.28]",
            "[21.75, 108.65]",
            "node CNQZH: its fence overlaps that of CNHFE: they are 5.6 km apart",
        ),
        (
            'name = "Hefei"',
            'name = "Hefei"\ncountry = "ZZ"',
            NODE + "there is no country 'ZZ'",
        ),
        (
            'name = "Hefei"',
            'name = "Hefei"\ncountry = "KZ"',
            NODE + "its id does not begin with its country KZ",
        ),
        ('to = "CNURM"', 'to = "CNXXX"', "leg CNHFE-CNXXX.RAIL: there is no node CNXXX"),
        ('to = "CNURM"', 'to = "CNHFE"', "leg CNHFE-CNHFE.RAIL: it goes nowhere"),
        (
            'mode = "RAIL"',
            'id = "HEFEI-URUMQI"\nmode = "RAIL"',
            LEG + "its id is HEFEI-URUMQI, and should be CNHFE-CNURM.RAIL",
        ),
        (
            'mode = "RAIL"',
            'mode = "BARGE"',
            "leg CNHFE-CNURM.BARGE: nobody comes to CNHFE by BARGE: it is a RAIL_TERMINAL",
        ),
        ("gauge = 1435", "", LEG + "the gauge of its track is missing"),
        ("gauge = 1435", "gauge = 1520", LEG + "CNHFE has no track of 1520 mm"),
        (
            'mode = "RAIL"',
            'mode = "TRUCK"',
            "leg CNHFE-CNURM.TRUCK: it goes by TRUCK and has a gauge",
        ),
        ("km = 3300", "km = 900", LEG + "900 km is shorter than the straight line of"),
        ("km = 3300", "km = 0", LEG + "km must be more than 0"),
        ("[75, 100]", "[7, 10]", LEG + "3300 km in 7 h is 471 km/h, where RAIL has 10 to 120"),
        ("[75, 100]", "[750, 1000]", LEG + "3300 km in 750 h is 4 km/h, where RAIL has 10 to 120"),
        ("[75, 100]", "[0, 100]", LEG + "hours must be more than 0"),
        (
            "[75, 100]",
            "[75, 70]",
            LEG + "the 90th percentile of its hours, 70, is less than the median, 75",
        ),
        (
            "gauge = 1435",
            "gauge = 1435\none_way = true\nback_hours = [1, 2]",
            LEG + "it goes one way, but has back_hours",
        ),
        ('id = "HEFEI"', 'id = "Hefei"', "corridor Hefei: its id must be in capitals"),
        (
            "CNURM = [5, 14]",
            "CNURM = [5, 14]\nCNXIA = [1, 2]",
            CORRIDOR + "dwell is given for CNXIA, where no route goes",
        ),
        ("CNURM = [5, 14]", "", ROUTE + "no dwell is given for CNURM"),
        (
            "CNURM = [5, 14]",
            "CNURM = [15, 14]",
            CORRIDOR + "dwell of CNURM: the 90th percentile",
        ),
        (
            'path = "CNHFE RAIL CNURM RAIL',
            'path = "CNHFE RAIL',
            ROUTE + "there is no leg CNHFE-CNHRS.RAIL",
        ),
        ("CNHFE RAIL CNURM", "CNHFE TRAIN CNURM", ROUTE + "TRAIN is no mode; one of RAIL, VESSEL"),
        (
            " KZ-ALTYNKOL",
            "",
            ROUTE + "path must be NODE MODE NODE ..., not 'CNHFE RAIL CNURM RAIL CNHRS RAIL'",
        ),
        (
            " KZ-ALTYNKOL",
            " CNURM",
            CORRIDOR + "route HFE-ALT: it comes to CNURM twice",
        ),
        ('id = "HFE-ALT"', 'id = "TJC-SIN"', "route TJC-SIN: is there twice"),
        ("[[nodes]]", "[[knots]]", "own.toml: has a table 'knots', which is none of nodes, legs"),
        ("[[nodes]]", "[nodes]", "own.toml: nodes must be tables: write [[nodes]]"),
        ("km = 3300", "km = 'far'", "own.toml, leg CNHFE-CNURM.RAIL: Expected `float`, got `str`"),
        ("km = 3300", "miles = 3300", "own.toml, leg CNHFE-CNURM.RAIL: Object contains unknown"),
        ("inside_km = 3", "inside_km = '3'", "own.toml, node CNHFE: Expected `float | null`"),
        ("km = 3300", "km = ", "own.toml: is not TOML: "),
    ],
)
def test_a_fault_is_said_with_where_it_is(good: str, bad: str, said: str) -> None:
    assert good in GOOD
    found = problems(GOOD.replace(good, bad, 1))
    assert any(one.startswith(said) for one in found), found


def test_a_node_that_is_there_twice_is_said() -> None:
    node = GOOD[: GOOD.index("[[legs]]")]
    assert "node CNHFE: is there twice" in problems(node + GOOD)


def test_a_leg_that_is_there_twice_is_said() -> None:
    leg = GOOD[GOOD.index("[[legs]]") : GOOD.index("[[corridors]]")]
    assert LEG + "is there twice" in problems(leg + GOOD)


def test_a_corridor_without_routes_is_said() -> None:
    own = '[[corridors]]\nid = "EMPTY"\ntitle = "Nothing"\n'
    assert problems(own) == ["corridor EMPTY: it has no routes"]


BORDER = """
[[nodes]]
id = "CNAAA"
name = "Here"
kind = "BORDER"
time_zone = "Asia/Shanghai"
position = [40.0, 90.0]
inside_km = 3
approach_km = 20
gauges = [1435, 1520]
"""


def test_a_border_of_two_gauges_without_the_flag_is_said() -> None:
    assert problems(BORDER) == [
        "node CNAAA: it is a border with two gauges: gauge_change = true is missing"
    ]


def test_a_route_that_changes_the_gauge_where_that_cannot_be_is_said() -> None:
    own = (
        BORDER.replace("BORDER", "RAIL_TERMINAL")
        + """
[[legs]]
from = "CNURM"
to = "CNAAA"
mode = "RAIL"
km = 520
hours = [12, 18]
gauge = 1435

[[legs]]
from = "CNAAA"
to = "KZALA"
mode = "RAIL"
km = 1300
hours = [40, 60]
gauge = 1520

[[corridors]]
id = "NEW"
title = "New"
dwell = { CNAAA = [1, 2] }

[[corridors.routes]]
id = "URM-ALA"
title = "Urumqi to Almaty"
path = "CNURM RAIL CNAAA RAIL KZALA"
"""
    )
    assert problems(own) == [
        "corridor NEW: route URM-ALA: it changes the gauge at CNAAA, which does not say"
        " gauge_change = true"
    ]


def test_what_a_user_defines_again_replaces_ours() -> None:
    own = """
[[legs]]
from = "CNCQI-TJC"
to = "CNQZH"
mode = "RAIL"
km = 1400
hours = [40, 50]
gauge = 1435
"""
    assert problems(own) == []


@given(st.binary(max_size=300))
def test_any_bytes_are_a_file_with_problems_or_without(text: bytes) -> None:
    files.parse(text, "own.toml")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["id", "from", "to", "mode", "x"]), inner, max_size=3)
        ),
        max_leaves=10,
    ),
    st.sampled_from(["nodes", "legs", "corridors"]),
)
def test_any_table_is_read_or_a_problem(value: Any, key: str) -> None:
    found: list[files.Problem] = []
    for kind in (files.NodeEntry, files.LegEntry, files.CorridorEntry):
        files._table({key: value}, key, kind, "own.toml", found)


@pytest.fixture
def own_file(tmp_path: Path) -> Iterator[Path]:
    file = tmp_path / "own.toml"
    file.write_text(GOOD, encoding="utf-8")
    yield file
    files.use()


def test_a_user_s_file_can_be_added(own_file: Path) -> None:
    assert gazetteer.resolve("Hefei") is None
    files.use(own_file)
    assert gazetteer.resolve("Hefei") == "CNHFE"
    assert corridors.route("HFE-ALT") is not None
    assert "CNHFE" in geofence._fences()


def test_a_folder_can_be_added(own_file: Path) -> None:
    files.use(own_file.parent)
    assert corridors.corridor("HEFEI") is not None


def test_a_file_that_cannot_be_read_is_not_added(own_file: Path) -> None:
    own_file.write_text("[[nodes]]\nid = 7\n", encoding="utf-8")
    with pytest.raises(ValueError, match="node number 1"):
        files.use(own_file)


def test_a_file_that_is_not_there_is_not_added(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"none\.toml"):
        files.use(tmp_path / "none.toml")
