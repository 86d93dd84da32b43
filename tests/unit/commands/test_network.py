"""`corridor network` on the command line."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from commands.main import app
from corridor.network import corridors, gazetteer


def network(*arguments: str, columns: int = 80) -> Result:
    return CliRunner().invoke(
        app, ["network", *arguments], env={"COLUMNS": str(columns), "TERM": "dumb"}
    )


SHOWN = [
    ["list"],
    ["list", "--nodes"],
    *(["show", corridor.corridor_id] for corridor in corridors.corridors()),
    *(["show", route.route_id] for c in corridors.corridors() for route in c.routes[::4]),
    ["show", "CNCQI"],
    ["show", "KZDOS"],
    ["show", "CNQZH-SGSIN.VESSEL"],
]


def test_list_names_every_corridor() -> None:
    shown = network("list").output
    assert all(corridor.corridor_id in shown for corridor in corridors.corridors())


def test_list_nodes_names_every_node() -> None:
    shown = network("list", "--nodes").output
    assert all(node.node_id in shown for node in gazetteer.nodes())


def test_list_as_json_has_the_ids_of_all_parts() -> None:
    (yangtze,) = (
        one
        for one in json.loads(network("list", "--json").output)
        if one["corridor_id"] == "YANGTZE"
    )
    assert "CNYIC-TGL" in yangtze["nodes"]
    assert "CNWZH-CNYIC-TGL.BARGE" in yangtze["legs"]
    assert "GYP-SHA" in yangtze["routes"]


def test_list_nodes_as_json_has_positions() -> None:
    nodes = json.loads(network("list", "--nodes", "--json").output)
    assert {one["node_id"]: one["latitude"] for one in nodes}["CNCKG"] == 29.7192


@pytest.mark.parametrize("arguments", SHOWN, ids=" ".join)
@pytest.mark.parametrize("columns", [80, 120])
def test_what_is_shown_fits_the_screen_and_is_not_cut(arguments: list[str], columns: int) -> None:
    result = network(*arguments, columns=columns)
    assert result.exit_code == 0
    assert max(len(line) for line in result.output.splitlines()) <= columns
    # an ellipsis stands only between a median and a 90th percentile
    assert "…" not in result.output.replace(" … ", "")


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("ILSTC", "corridor_id", "ILSTC"),
        ("ilstc", "corridor_id", "ILSTC"),
        ("TJC-DUI", "route_id", "TJC-DUI"),
        ("CNAKL-KZDOS.RAIL", "leg_id", "CNAKL-KZDOS.RAIL"),
        ("CKG", "node_id", "CNCKG"),
        ("团结村", "node_id", "CNCQI-TJC"),
    ],
)
def test_show_finds_whatever_has_the_id(name: str, key: str, value: str) -> None:
    assert json.loads(network("show", name, "--json").output)[key] == value


def test_show_route_says_where_the_gauge_changes() -> None:
    assert "Dostyk gauge" in network("show", "TJC-DUI").output


def test_show_says_what_it_does_not_know() -> None:
    result = network("show", "nowhere")
    assert (result.exit_code, "no corridor, route, leg or node 'nowhere'" in result.output) == (
        1,
        True,
    )


def test_show_says_that_a_locode_is_not_in_the_gazetteer() -> None:
    result = network("show", "DEMUC")
    assert (result.exit_code, "not in the gazetteer" in result.output) == (1, True)


def test_ours_validates() -> None:
    result = network("validate")
    assert (result.exit_code, "are sound" in result.output) == (0, True)


def test_a_file_with_problems_gives_a_line_each_and_exit_1(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text(
        '[[corridors]]\nid = "new"\ntitle = "New"\n[[legs]]\nfrom = "CNQZH"\n', encoding="utf-8"
    )
    result = network("validate", str(file))
    assert (result.exit_code, result.output.splitlines()) == (
        1,
        [
            "own.toml, leg CNQZH-None.None: Object missing required field `to`",
            "corridor new: its id must be in capitals",
            "corridor new: it has no routes",
        ],
    )


def test_a_sound_file_says_what_is_in_it(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text("", encoding="utf-8")
    assert "0 nodes, 0 legs and 0 corridors are sound" in network("validate", str(file)).output


def test_a_file_that_is_not_there_gives_exit_2(tmp_path: Path) -> None:
    result = network("validate", str(tmp_path / "none.toml"))
    assert (result.exit_code, "cannot be read" in result.output) == (2, True)
