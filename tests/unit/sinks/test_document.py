"""The page about tables."""

from sinks.clickhouse.document import PAGE, page


def test_the_page_is_what_the_declarations_say() -> None:
    assert PAGE.read_text() == page(), "run python -m sinks.clickhouse.document"
