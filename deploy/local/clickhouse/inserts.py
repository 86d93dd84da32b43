"""What an INSERT asks its client for: the columns of the blocks."""

from __future__ import annotations

import re
from functools import partial

from deploy.local.clickhouse.engine import Insertion, Session, columns_of, quote_name
from deploy.local.clickhouse.errors import Code, ServerError
from deploy.local.clickhouse.statements import Insert
from deploy.local.clickhouse.types import split_arguments

_PLAIN = re.compile(r"[A-Za-z_][\w.]*|`[^`\\]+`(?:\.`[^`\\]+`)*|\"[^\"\\]+\"")
_COMPUTED = frozenset(("MATERIALIZED", "ALIAS", "EPHEMERAL"))


def sample_now(session: Session, insert: Insert) -> list[tuple[str, str]]:
    """The columns which the INSERT takes, in its order; runs on the engine's thread."""
    described = session.rows_now(f"DESCRIBE TABLE {insert.target}", "TSV").data
    columns = list(columns_of(described))
    if insert.columns is None:
        return [(name, kind) for name, kind, default in columns if default not in _COMPUTED]
    types = {name: kind for name, kind, _ in columns}
    names = split_arguments(insert.columns)
    if not all(_PLAIN.fullmatch(name) for name in names):
        matched = session.rows_now(
            f"DESCRIBE TABLE (SELECT {insert.columns} FROM {insert.target})", "TSV"
        ).data
        return [(name, kind) for name, kind, _ in columns_of(matched)]
    sample: list[tuple[str, str]] = []
    for name in (re.sub('[`"]', "", name) for name in names):
        if name in types:
            sample.append((name, types[name]))
            continue
        nested = [(full, kind) for full, kind in types.items() if full.startswith(f"{name}.")]
        if not nested:
            raise ServerError(
                Code.NO_SUCH_COLUMN_IN_TABLE, f"No such column {name} in table {insert.target}."
            )
        sample.extend(nested)
    return sample


async def create_external_table(session: Session, name: str, columns: str) -> None:
    """A table that a client sent along with its query: temporary, in memory."""
    create = f"CREATE TEMPORARY TABLE {quote_name(name)} ({columns}) ENGINE = Memory"
    await session.step(partial(session.rows_now, create, "Null"))


async def fill_external_table(session: Session, name: str, form: str, data: bytes) -> None:
    """Puts the rows that were sent into it."""
    target = quote_name(name)
    insert = Insert(target, None, f"INSERT INTO {target}", "", form, 0)
    insertion = Insertion(session)
    try:
        await insertion.append(data)
        await insertion.insert(insert, form, {})
    finally:
        insertion.close()
