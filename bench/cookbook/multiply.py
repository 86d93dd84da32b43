"""Ten million events out of some thousands: copies with ids and times of their own."""

from clickhouse_driver import Client

from sinks.clickhouse.tables import TABLES, Table

WEEKS = 100
"""Copies are spread over so many weeks that end where the original does."""

_IDS = {
    *("unit_id", "run_id", "shipment_id", "event_id", "outcome_id", "estimate_id"),
    *("dead_letter_id", "caused_by"),
}


def multiply(client: Client, source: str, target: str, copies: int) -> None:
    """Fills the tables of one database with copies of what holds in another's.

    Args:
        client: Of the server that has both.
        source: Database of the original.
        target: Database with empty tables.
        copies: How many; the first is the original.
    """
    for table in TABLES:
        names = ", ".join(f"`{column.name}`" for column in table.all_columns)
        client.execute(
            f"INSERT INTO {target}.{table.name} ({names}) "
            f"SELECT {', '.join(_values(table, copies))} "
            f"FROM numbers({copies}) AS copy CROSS JOIN {source}.{table.name} AS t FINAL",
            settings={"max_partitions_per_insert_block": 0, "send_progress_in_http_headers": 0},
        )


def _values(table: Table, copies: int) -> list[str]:
    # neighbours in time are neighbours among the copies, as they would come
    earlier = f"toIntervalDay(7 * intDiv(({copies} - 1 - copy.number) * {WEEKS}, {copies}))"
    values = []
    for column in table.all_columns:
        name = f"t.`{column.name}`"
        if column.name in _IDS:
            suffix = "if(copy.number = 0, '', concat('~', toString(copy.number)))"
            values.append(f"if({name} = '', '', concat({name}, {suffix}))")
        elif column.type.startswith("Array(DateTime"):
            values.append(f"arrayMap(time -> time - {earlier}, {name})")
        elif "DateTime" in column.type:
            values.append(f"{name} - {earlier}")
        elif column.name == "_offset":
            values.append(f"{name} + copy.number * 1000000")
        else:
            values.append(name)
    return values
