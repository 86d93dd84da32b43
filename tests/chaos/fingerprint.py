"""Tables of two stacks compared row by row: by hashes first, and by ids where those differ."""

from typing import Any, NamedTuple

from bench.fresh_stack import FreshStack
from corridor.alerting.places import KINDS
from corridor.codes import PLACES
from sinks.clickhouse.tables import INCIDENTS, RECORD, TABLES, Table

SHOWN = 10
"""Ids that a difference lists."""


class Fingerprint(NamedTuple):
    """A table's rows, in no order: their number, and two ways to add up their hashes."""

    rows: int
    sum: int
    xor: int


def fingerprints(stack: FreshStack) -> dict[str, Fingerprint]:
    """One for each table: every column but those that say where in Kafka a row was."""
    return {
        table.name: Fingerprint(
            *stack.query(
                f"SELECT count(), sum(hash), groupBitXor(hash) "
                f"FROM (SELECT {_hash(table)} AS hash FROM {_rows(table)})"
            )[0]
        )
        for table in TABLES
    }


def differences(table: Table, ours: FreshStack, theirs: FreshStack) -> list[str]:
    """Rows that only one of two stacks has, or that differ: how many, and the first ones."""
    left, right = _hash_by_id(table, ours), _hash_by_id(table, theirs)
    missing = sorted(right.keys() - left.keys())
    extra = sorted(left.keys() - right.keys())
    changed = sorted(i for i in left.keys() & right.keys() if left[i] != right[i])
    found = [
        f"{table.name}: {len(missing)} missing, {len(extra)} too many, {len(changed)} different",
        *(f"  missing   {_row(table, i, theirs)}" for i in missing[:SHOWN]),
        *(f"  too many  {_row(table, i, ours)}" for i in extra[:SHOWN]),
    ]
    for identity in changed[:SHOWN]:
        mine, other = _row(table, identity, ours), _row(table, identity, theirs)
        columns = {name: (mine[name], other[name]) for name in mine if mine[name] != other[name]}
        found.append(f"  different {identity}: {columns}")
    return found


def _rows(table: Table) -> str:
    if table is not INCIDENTS:
        return f"{table.name} FINAL"
    # Revisions between may be left out: what changes twice within a batch is said once. And when a
    # place is unusual depends on which partition's signals come first, which in a replay is by
    # days: neither of two undisturbed runs is like the other.
    kinds, causes = (", ".join(repr(str(one)) for one in them) for them in (KINDS, PLACES))
    return (
        f"(SELECT * FROM current_incidents WHERE NOT (kind IN ({kinds}) AND cause IN ({causes})))"
    )


def _columns(table: Table) -> list[str]:
    left_out = {"late"} if table is INCIDENTS else set()  # of a batch, not of the incident
    return [f"`{c.name}`" for c in table.all_columns if c not in RECORD and c.name not in left_out]


def _hash(table: Table) -> str:
    # of a tuple: the hash of a NULL alone would be NULL, and not be added up
    return f"sipHash64(tuple({', '.join(_columns(table))}))"


def _identity(table: Table) -> str:
    return f"toString(tuple({', '.join(table.order_by)}))"


def _hash_by_id(table: Table, stack: FreshStack) -> dict[str, int]:
    return dict(stack.query(f"SELECT {_identity(table)}, {_hash(table)} FROM {_rows(table)}"))


def _row(table: Table, identity: str, stack: FreshStack) -> dict[str, Any]:
    quoted = identity.replace("\\", "\\\\").replace("'", "\\'")
    row = stack.query(
        f"SELECT {', '.join(_columns(table))} FROM {_rows(table)} "
        f"WHERE {_identity(table)} = '{quoted}'"
    )[0]
    return dict(zip((name.strip("`") for name in _columns(table)), row, strict=True))
