"""The generated pages of `docs/`."""

from pathlib import Path

import pytest

from commands.reference import DOCS, pages


@pytest.mark.parametrize("path", pages(), ids=lambda path: str(path.relative_to(DOCS)))
def test_a_generated_page_is_what_the_declarations_say(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == pages()[path], "run make docs"


def test_no_schema_is_left_of_what_is_declared_no_more() -> None:
    assert set((DOCS / "schemas").iterdir()) <= set(pages())
