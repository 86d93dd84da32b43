"""`corridor network`: the nodes, legs and routes that we know."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from corridor.network import corridors, files, gazetteer
from corridor.network import validation as checks
from corridor.network.corridors import Corridor, Leg, Route
from corridor.network.gazetteer import Node

app = typer.Typer(help="Nodes, legs and routes of the corridors.", no_args_is_help=True)
_out = Console(highlight=False)
_err = Console(stderr=True, highlight=False, soft_wrap=True)

Json = Annotated[bool, typer.Option("--json", help="Write JSON.")]


@app.command("list")
def list_(
    nodes: Annotated[bool, typer.Option("--nodes", help="List the nodes instead.")] = False,
    json: Json = False,
) -> None:
    """List the corridors, or the nodes."""
    if json:
        found: Iterable[Node | Corridor] = gazetteer.nodes() if nodes else corridors.corridors()
        _write([_node(one) if isinstance(one, Node) else _summary(one) for one in found])
    elif nodes:
        _show_nodes()
    else:
        _show_corridors()


@app.command()
def show(
    name: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            help="A corridor, a route, a leg, or a node by any of its codes and names.",
            show_default=False,
        ),
    ],
    json: Json = False,
) -> None:
    """Show a corridor, a route, a leg or a node."""
    found = _find(name)
    if found is None:
        _err.print(
            f"there is no corridor, route, leg or node {name!r}; try `corridor network list`",
            markup=False,
        )
        raise typer.Exit(1)
    if isinstance(found, str):
        _err.print(
            f"{found} has the form of a UN/LOCODE, but is not in the gazetteer", markup=False
        )
        raise typer.Exit(1)
    if json:
        _write(_JSON[type(found)](found))
    else:
        _SHOW[type(found)](found)


@app.command()
def validate(
    file: Annotated[
        Path | None,
        typer.Argument(help="A TOML file, or a folder of them, to be checked with ours."),
    ] = None,
) -> None:
    """Say what is wrong with the geography, a line each; exit with 1 if anything is."""
    try:
        own = None if file is None else files.read(file)
    except OSError as error:
        _err.print(f"{file} cannot be read: {error.strerror or error}", markup=False)
        raise typer.Exit(2) from None
    problems = checks.validate(own)
    for problem in problems:
        print(problem, file=sys.stdout)  # noqa: T201  not wrapped: one line each
    if problems:
        raise typer.Exit(1)
    entries = files.ours() if own is None else own
    _out.print(
        f"[green]✓[/] {len(entries.nodes)} nodes, {len(entries.legs)} legs and"
        f" {len(entries.corridors)} corridors are sound"
    )


def _find(name: str) -> Corridor | Route | Leg | Node | str | None:
    """What an id stands for; a text is a UN/LOCODE that the gazetteer does not have."""
    upper = name.strip().upper()
    found = corridors.corridor(upper) or corridors.route(upper) or corridors.leg(upper)
    if found is not None:
        return found
    node_id = gazetteer.resolve(name)
    return None if node_id is None else gazetteer.node(node_id) or node_id


def _table(*columns: str, right: str = "") -> Table:
    """A table whose last words stay on the screen; `right` names its columns of numbers."""
    table = Table(
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
        header_style="bold",
        show_edge=False,
    )
    for column in columns:
        numbers = column in right.split(",")
        table.add_column(
            column,
            justify="right" if numbers else "left",
            no_wrap=numbers or column in ("id", "node", "mode", "kind", "back"),
            overflow="fold",
        )
    return table


def _show_corridors() -> None:
    table = _table("id", "corridor", "nodes", "legs", "routes", "km", right="nodes,legs,routes,km")
    for corridor in corridors.corridors():
        pairs = _pairs(corridor.legs)
        table.add_row(
            f"[bold]{corridor.corridor_id}[/]",
            f"{escape(corridor.title)}\n[dim]{escape(corridor.note)}[/]",
            str(len(corridor.node_ids)),
            str(len(corridor.legs)),
            str(len(corridor.routes)),
            _km(sum(leg.distance_km for leg, _ in pairs)),
        )
    _out.print(table)
    _out.print("[dim]legs and routes: each way for itself; km: all legs, one way[/]")


def _show_nodes() -> None:
    table = _table("id", "node", "kind", "also")
    for node in gazetteer.nodes():
        also = " ".join((*node.codes, *node.facilities))
        table.add_row(node.node_id, escape(node.name), _word(node.kind), also)
    _out.print(table)


def _show_corridor(corridor: Corridor) -> None:
    _title(corridor.corridor_id, corridor.title, corridor.note)
    table = _table("mode", "from", "to", "km", "hours", "back", right="km,hours,back")
    for leg, back in _pairs(corridor.legs):
        table.add_row(
            _mode(leg),
            _name(leg.from_node),
            _name(leg.to_node),
            _km(leg.distance_km),
            _hours(leg.typical_hours, leg.p90_hours),
            _back(leg, back),
        )
    _out.print(table)
    gauges = "; RAIL: with the track gauge in mm" if any(leg.gauge for leg in corridor.legs) else ""
    _out.print(f"[dim]hours: median … 90th percentile{gauges}[/]\n")
    routes = _table("id", "route", "km", "time", right="km,time")
    for route in corridor.routes:
        routes.add_row(
            route.route_id,
            escape(route.title),
            _km(route.distance_km),
            _long(route.typical_hours),
        )
    _out.print(routes)
    _out.print("[dim]time: the medians under way and at the nodes, added up[/]")


def _show_route(route: Route) -> None:
    _title(
        route.route_id,
        route.title,
        f"{_km(route.distance_km)} km, typically {_long(route.typical_hours)} with the stops",
    )
    table = _table("node", "leg", "km", "hours", "day", right="km,hours,day")
    dwells = {dwell.node_id: dwell for dwell in route.dwells}
    hours, km = 0.0, 0.0
    for before, node_id, after in zip(
        (None, *route.legs), route.node_ids, (*route.legs, None), strict=True
    ):
        if before is not None:
            hours += before.typical_hours
            km += before.distance_km
        dwell = dwells.get(node_id)
        change = " [yellow]gauge[/]" if node_id in route.gauge_changes else ""
        table.add_row(
            f"[bold]{_name(node_id)}[/]{change}",
            "",
            _km(km),
            "" if dwell is None else _hours(dwell.typical_hours, dwell.p90_hours),
            f"{hours / 24:.1f}",
        )
        if dwell is not None:
            hours += dwell.typical_hours
        if after is not None:
            table.add_row(
                "",
                f"[dim]{_mode(after)}[/]",
                f"[dim]+{_km(after.distance_km)}[/]",
                f"[dim]{_hours(after.typical_hours, after.p90_hours)}[/]",
                "",
            )
    _out.print(table)
    _out.print(
        "[dim]hours at a node or on a leg: median … 90th percentile; gauge: changes there[/]"
    )


def _show_leg(leg: Leg) -> None:
    _title(leg.leg_id, f"{_plain(leg.from_node)} to {_plain(leg.to_node)}", leg.note)
    gauge = {} if leg.gauge is None else {"gauge": f"{leg.gauge} mm"}
    _fields(
        {
            "mode": leg.mode,
            "distance": f"{_km(leg.distance_km)} km",
            "hours": f"{_hours(leg.typical_hours, leg.p90_hours)} (median … 90th percentile)",
            **gauge,
            "routes": ", ".join(
                route.route_id
                for corridor in corridors.corridors()
                for route in corridor.routes
                if leg in route.legs
            ),
        }
    )


def _show_node(node: Node) -> None:
    _title(node.node_id, node.name, "")
    fence = (
        "none"
        if node.inside_km is None
        else f"inside {node.inside_km:g} km, approach {node.approach_km:g} km"
    )
    gauges = ", ".join(f"{gauge} mm" for gauge in node.gauges)
    _fields(
        {
            "kind": _word(node.kind),
            "country": node.country,
            "part of": node.place or "",
            "position": f"{node.latitude:.4f}, {node.longitude:.4f}",
            "time zone": node.time_zone,
            "fence": fence,
            "gauges": gauges + (", changed here" if node.gauge_change else ""),
            "codes": ", ".join(node.codes),
            "names": ", ".join(node.names),
            "facilities": ", ".join(node.facilities),
            "terminals": ", ".join(
                f"{other.node_id} {other.name}"
                for other in gazetteer.nodes()
                if other.place == node.node_id
            ),
        }
    )
    touching = [leg for leg in corridors.legs() if node.node_id in (leg.from_node, leg.to_node)]
    if not touching:
        return
    _out.print()
    table = _table("mode", "to and from", "km", "hours", "back", right="km,hours,back")
    backs = {(leg.from_node, leg.mode): leg for leg in touching if leg.to_node == node.node_id}
    for leg in touching:
        if leg.from_node == node.node_id:
            back = backs.get((leg.to_node, leg.mode))
            table.add_row(
                _mode(leg),
                _name(leg.to_node),
                _km(leg.distance_km),
                _hours(leg.typical_hours, leg.p90_hours),
                _back(leg, back),
            )
    _out.print(table)


_SHOW: dict[type, Any] = {
    Corridor: _show_corridor,
    Route: _show_route,
    Leg: _show_leg,
    Node: _show_node,
}


def _summary(corridor: Corridor) -> dict[str, Any]:
    return {
        "corridor_id": corridor.corridor_id,
        "title": corridor.title,
        "note": corridor.note,
        "nodes": list(corridor.node_ids),
        "legs": [leg.leg_id for leg in corridor.legs],
        "routes": [route.route_id for route in corridor.routes],
    }


def _corridor(corridor: Corridor) -> dict[str, Any]:
    return _summary(corridor) | {
        "legs": list(corridor.legs),
        "routes": [_route(route) for route in corridor.routes],
    }


def _route(route: Route) -> dict[str, Any]:
    return {
        "route_id": route.route_id,
        "title": route.title,
        "origin": route.origin,
        "destination": route.destination,
        "distance_km": route.distance_km,
        "typical_hours": round(route.typical_hours, 2),
        "legs": [leg.leg_id for leg in route.legs],
        "dwells": list(route.dwells),
        "gauge_changes": list(route.gauge_changes),
    }


def _node(node: Node) -> Node:
    return node


def _leg(leg: Leg) -> Leg:
    return leg


_JSON: dict[type, Any] = {Corridor: _corridor, Route: _route, Leg: _leg, Node: _node}


def _write(value: Any) -> None:
    sys.stdout.buffer.write(orjson.dumps(value, option=orjson.OPT_INDENT_2) + b"\n")
    sys.stdout.buffer.flush()


def _pairs(legs: Iterable[Leg]) -> list[tuple[Leg, Leg | None]]:
    """Each leg with the one that goes back, once."""
    by_id = {leg.leg_id: leg for leg in legs}
    pairs = []
    while by_id:
        leg = by_id.pop(next(iter(by_id)))
        back = by_id.pop(corridors.leg_id(leg.to_node, leg.from_node, leg.mode), None)
        pairs.append((leg, back))
    return pairs


def _title(one: str, title: str, note: str) -> None:
    _out.print(f"[bold]{escape(one)}[/]  {escape(title)}")
    if note:
        _out.print(f"[dim]{escape(note)}[/]")
    _out.print()


def _fields(fields: dict[str, str]) -> None:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in fields.items():
        if value:
            grid.add_row(name, escape(value))
    _out.print(grid)


def _plain(node_id: str) -> str:
    node = gazetteer.node(node_id)
    return node_id if node is None else node.name


def _name(node_id: str) -> str:
    return escape(_plain(node_id))


def _word(kind: str) -> str:
    return kind.lower().replace("_", " ")


def _km(km: float) -> str:
    return f"{km:,.0f}"


def _hours(median: float, p90: float) -> str:
    return f"{median:g} … {p90:g}"


def _back(leg: Leg, back: Leg | None) -> str:
    """The hours of the way back, where they differ."""
    if back is None:
        return "-"
    there, again = (leg.typical_hours, leg.p90_hours), (back.typical_hours, back.p90_hours)
    return "same" if again == there else _hours(*again)


def _mode(leg: Leg) -> str:
    return f"{leg.mode} {leg.gauge}" if leg.gauge else str(leg.mode)


def _long(hours: float) -> str:
    return f"{hours:.3g} h" if hours < 48 else f"{hours / 24:.1f} d"
