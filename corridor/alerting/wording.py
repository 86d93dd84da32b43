"""The sentence that says to people what an incident is."""

from datetime import datetime
from typing import TYPE_CHECKING

from corridor.alerting.alarm import Reading
from corridor.codes import AlertKind, AlertState, Cause, Level, Mode

if TYPE_CHECKING:
    from corridor.alerting.incidents import Gathered

_THING = {
    Cause.RUN: "Run",
    Cause.CONNECTION: "Connection",
    Cause.NODE: "Node",
    Cause.BORDER: "Border",
    Cause.LOCK: "Lock",
    Cause.UNIT: "Unit",
}


_PLENTY = {AlertKind.DELAY: "delays", AlertKind.CANCELLED: "cancellations"}
_RUNS = {
    Mode.AIR: "flights",
    Mode.BARGE: "barges",
    Mode.RAIL: "trains",
    Mode.TRUCK: "trucks",
    Mode.VESSEL: "vessels",
}


def sentence(incident: "Gathered", why: Reading, units: int, level: Level, runs: int) -> str:
    """One sentence: what, how bad, since or until when, how many.

    Args:
        incident: What it is about.
        why: How its worst unit stands.
        units: That it concerns now.
        level: The worst.
        runs: That are late now because of a place.
    """
    who = f"{_THING[incident.cause]} {incident.subject}"
    if incident.place is not None:
        return f"{who}: {_of_place(incident, why, units, level, runs)}."
    if incident.state is AlertState.RESOLVED:
        return f"{who}: {_over(incident.kind, why)}."
    many = "" if units == 1 else f", {units} units"
    return f"{who} {_what(incident.kind, why)} ({level}{many})."


def _of_place(incident: "Gathered", why: Reading, units: int, level: Level, runs: int) -> str:
    if incident.state is AlertState.RESOLVED:
        return f"{_PLENTY[incident.kind]} there are over, or as usual"
    cancelled = incident.kind is AlertKind.CANCELLED
    names = "runs" if incident.mode is None else _RUNS[incident.mode]
    if not runs:
        what = "cancelled" if cancelled else "late"
        return f"more {names} than usual were {what} there lately"
    name = names[:-1] if runs == 1 else names
    how = "cancelled" if cancelled else f"late, most of it gained there, by up to {span(why.value)}"
    many = f"{runs} {name} {how}"
    return f"{many} ({level}, {units} {'unit' if units == 1 else 'units'})"


def _what(kind: AlertKind, why: Reading) -> str:
    place = f" at {why.node_id}" if why.node_id else ""
    match kind:
        case AlertKind.DELAY if why.fact:
            return f"arrived {span(why.value)} late"
        case AlertKind.DELAY:
            sure = "" if why.probability is None else f", {why.probability:.0%} sure"
            return f"is expected {span(why.value)} late, at {_time(why.expected)}{sure}"
        case AlertKind.MISSED_CONNECTION:
            sure = "" if why.probability is None else f", {why.probability:.0%} sure"
            return f"will be missed{place}: it closes at {_time(why.planned)}{sure}"
        case AlertKind.STALLED:
            return f"stands still since {_time(why.since)}"
        case AlertKind.SIGNAL_LOST:
            return f"is not heard of since {_time(why.since)}"
        case AlertKind.DWELL_EXCEEDED:
            return f"holds units{place} since {_time(why.since)}"
        case AlertKind.CUSTOMS_HOLD:
            return f"is held by customs{place} since {_time(why.since)}"
        case AlertKind.SEAL_TAMPERED:
            return f"was opened or cut{place} at {_time(why.since)}"
        case AlertKind.ROUTE_DEVIATION:
            return f"goes elsewhere since {_time(why.since)}"
        case AlertKind.CANCELLED:
            return f"is cancelled since {_time(why.since)}"


def _over(kind: AlertKind, why: Reading) -> str:
    if kind is AlertKind.DELAY and why.final and why.value is not None:
        return f"arrived {span(why.value)} late" if why.value > 0 else "arrived in time"
    return f"{kind} is over"


def span(seconds: float | None) -> str:
    """A duration in two units at most."""
    minutes = round(abs(seconds or 0.0) / 60)
    days, rest = divmod(minutes, 1440)
    hours, minutes = divmod(rest, 60)
    if days:
        return f"{days} d {hours} h" if hours else f"{days} d"
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{minutes} min"


def _time(time: datetime | None) -> str:
    return "an unknown time" if time is None else f"{time:%Y-%m-%d %H:%M} UTC"
