"""UN/EDIFACT of terminals: CODECO at the gate, COARRI at the quay (D.95B, SMDG)."""

from datetime import UTC, datetime

from producers.simulator.formats.places import locode
from producers.simulator.statements import Statement

CODECO, COARRI = "codeco", "coarri"
GATES = {"GATED_IN": "34", "GATED_OUT": "36"}
CALLS = {"LOADED": "46", "DISCHARGED": "44"}
_PLACE_OF = {"LOADED": "9", "DISCHARGED": "11"}
_MODES = {"VESSEL": "1", "BARGE": "8"}
_ORIGINAL, _CANCELLATION = "9", "1"


def codeco(statement: Statement) -> bytes:
    """A gate move of one container."""
    body = [
        f"BGM+{GATES[statement.code]}+{_number(statement)}+{_function(statement)}",
        f"DTM+137:{_time(statement.updated)}:304",
        f"NAD+MS+{_escaped(statement.party)}",
        f"EQD+CN+{statement.unit_id}+45G1:102:5++2+5",
        *_bill(statement),
        f"DTM+7:{_time(statement.time)}:304",
        _loc("165", statement.node_id or ""),
    ]
    return _interchange("CODECO:D:95B:UN:ITG14", statement, body)


def coarri(statement: Statement) -> bytes:
    """A container that was loaded or discharged."""
    facts = statement.facts
    mode = _MODES[statement.mode or "VESSEL"]
    imo = facts.get("imo")
    ship = f"{imo}:146::" if imo else ":::"
    carrier = _escaped(str(facts.get("service", "")).partition("-")[0])
    body = [
        f"BGM+{CALLS[statement.code]}+{_number(statement)}+{_function(statement)}",
        f"DTM+137:{_time(statement.updated)}:304",
        f"TDT+20+{facts.get('voyage', '')}+{mode}++{carrier}:172:20+++{ship}"
        f"{_escaped(str(facts.get('vessel', '')))}",
        _loc(_PLACE_OF[statement.code], statement.node_id or ""),
        f"NAD+MS+{_escaped(statement.party)}",
        f"EQD+CN+{statement.unit_id}+45G1:102:5++2+5",
        *_bill(statement),
        f"DTM+203:{_time(statement.time)}:304",
    ]
    return _interchange("COARRI:D:95B:UN:SMDG16", statement, body)


def _interchange(kind: str, statement: Statement, body: list[str]) -> bytes:
    made = datetime.fromtimestamp(round(statement.updated), UTC)
    segments = [
        f"UNB+UNOC:3+{_escaped(statement.party)}+CORRIDOR+{made:%y%m%d}:{made:%H%M}+1",
        f"UNH+1+{kind}",
        *body,
        "CNT+16:1",
        f"UNT+{len(body) + 3}+1",
        "UNZ+1+1",
    ]
    return ("UNA:+.? '\n" + "'\n".join(segments) + "'\n").encode("latin-1")


def _bill(statement: Statement) -> list[str]:
    return [f"RFF+BM:{_escaped(statement.shipment_id)}"] if statement.shipment_id else []


def _loc(qualifier: str, node_id: str) -> str:
    place, facility = locode(node_id)
    return f"LOC+{qualifier}+{place}:139:6" + (f"+{facility}:TER:ZZZ" if facility else "")


def _function(statement: Statement) -> str:
    return _CANCELLATION if statement.retracted else _ORIGINAL


def _number(statement: Statement) -> str:
    return f"{statement.unit_id}{round(statement.updated) % 10**7:07d}"


def _time(time: float) -> str:
    return f"{datetime.fromtimestamp(round(time), UTC):%Y%m%d%H%M%S}UTC"


def _escaped(text: str) -> str:
    return "".join(f"?{c}" if c in "?:+'" else c for c in text)
