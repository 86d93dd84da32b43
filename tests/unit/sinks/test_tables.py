"""Rules that every declaration keeps."""

import typing

import pytest

from corridor import topics
from sinks.clickhouse.rows import hint_of
from sinks.clickhouse.tables import TABLES, Table, routes

EACH = pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)


@EACH
def test_a_column_is_nullable_only_where_a_number_or_time_may_be_missing(table: Table) -> None:
    for column in table.columns:
        optional = type(None) in typing.get_args(hint_of(table.model, column.path or column.name))
        text = "String" in column.type
        assert ("Nullable(" in column.type) == (optional and not text), column.name


@EACH
def test_a_table_is_partitioned_by_what_it_is_sorted_by(table: Table) -> None:
    if table.partition_by:
        assert any(f"({name})" in table.partition_by for name in table.order_by)


@EACH
def test_keys_versions_and_indexes_are_columns_without_nulls(table: Table) -> None:
    types = {column.name: column.type for column in table.all_columns}
    for name in (*table.order_by, table.version, *table.indexes):
        assert not types[name].startswith("Nullable("), name


def test_a_topic_goes_to_the_table_of_its_model() -> None:
    models = {topic.name: topic.model for topic in topics.registry("g")}
    assert {topic: table.model for topic, table in routes().items()} == {
        topic: model for topic, model in models.items() if topic in routes()
    }


def test_every_topic_of_messages_has_a_table_but_copies_and_instructions() -> None:
    names = {topic.name for topic in topics.registry("g") if topic.model is not None}
    # what a command did is in the incident; a subscription holds secrets
    assert names - routes().keys() == {
        topics.FANOUT.name,
        topics.COMMANDS.name,
        topics.SUBSCRIPTIONS.name,
    }
