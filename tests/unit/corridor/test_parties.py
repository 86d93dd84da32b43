"""Who parties are, and that nobody else is taken for them."""

import json
import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corridor import parties
from corridor.parties import Parties, PartiesError, add, remove

NOW = datetime(2026, 11, 24, tzinfo=UTC)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "parties.json"


@pytest.fixture(autouse=True)
def _look_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parties, "LOOK_SECONDS", 0)


def test_a_token_tells_whose_it_is(file: Path) -> None:
    token = add(file, "acme", NOW, aliases=("ACMU",))
    add(file, "other", NOW)
    party = Parties(file).authenticate(token, NOW)
    assert party is not None
    assert party.names == {"acme", "ACMU"}


def test_a_token_has_256_random_bits(file: Path) -> None:
    secrets = {add(file, f"p{n}", NOW).split("_", 2)[2] for n in range(20)}
    assert len(secrets) == 20
    assert {len(secret) for secret in secrets} == {43}  # base64 of 32 bytes


def test_the_file_has_only_hashes_and_only_its_owner_reads_it(file: Path) -> None:
    token = add(file, "acme", NOW)
    assert token not in file.read_text()
    assert token.split("_", 2)[2] not in file.read_text()
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o600


@given(st.text())
def test_nothing_else_is_a_token(wrong: str) -> None:
    assert EMPTY.authenticate(wrong, NOW) is None


EMPTY = Parties(Path("/nonexistent/parties.json"))


def test_a_token_with_one_wrong_character_is_nobodys(file: Path) -> None:
    token = add(file, "acme", NOW)
    known = Parties(file)
    for place, character in enumerate(token):
        wrong = token[:place] + ("A" if character != "A" else "B") + token[place + 1 :]
        assert known.authenticate(wrong, NOW) is None


def test_a_token_ends_when_it_expires(file: Path) -> None:
    token = add(file, "acme", NOW, expires=NOW + timedelta(days=1))
    known = Parties(file)
    assert known.authenticate(token, NOW + timedelta(hours=23)) is not None
    assert known.authenticate(token, NOW + timedelta(days=1)) is None


def test_tokens_are_changed_without_a_gap(file: Path) -> None:
    old, new = add(file, "acme", NOW), add(file, "acme", NOW)
    known = Parties(file)
    assert known.authenticate(old, NOW) == known.authenticate(new, NOW) is not None
    assert remove(file, "acme", old.split("_")[1])
    assert known.authenticate(old, NOW) is None
    assert known.authenticate(new, NOW) is not None


def test_a_change_of_the_file_is_noticed(file: Path) -> None:
    known = Parties(file)
    token = add(file, "acme", NOW)
    assert known.authenticate(token, NOW) is not None
    remove(file, "acme")
    assert known.authenticate(token, NOW) is None


def test_a_broken_change_of_the_file_changes_nothing(file: Path) -> None:
    token = add(file, "acme", NOW)
    known = Parties(file)
    file.write_text("{")
    assert known.authenticate(token, NOW) is not None


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"parties": [{"id": "a b"}]}', '{"parties": [{"id": "a"}, {"id": "a"}]}']
)
def test_a_broken_file_is_named_at_the_start(file: Path, text: str) -> None:
    file.parent.mkdir()
    file.write_text(text)
    with pytest.raises(PartiesError, match=r"parties\.json"):
        Parties(file)


def test_a_name_is_one_partys(file: Path) -> None:
    add(file, "acme", NOW, aliases=("ACMU",))
    with pytest.raises(PartiesError, match="ACMU is a name of acme"):
        add(file, "other", NOW, aliases=("ACMU",))


def test_more_names_and_formats_are_added_to_those_there_are(file: Path) -> None:
    add(file, "acme", NOW, aliases=("A",), formats=("event",))
    add(file, "acme", NOW, aliases=("B", "A"), formats=("itinerary",))
    party = Parties(file).get("acme")
    assert party is not None
    assert (party.aliases, party.formats) == (("A", "B"), ("event", "itinerary"))


@pytest.mark.parametrize("id", ["", "a b", "../x", ".x", "a/b"])
def test_a_name_that_is_no_file_name_is_refused(file: Path, id: str) -> None:
    with pytest.raises(PartiesError):
        add(file, id, NOW)
    assert not file.exists()


@pytest.mark.parametrize(
    ("formats", "format", "may"),
    [
        ((), "event", True),
        ((), "itinerary", False),
        (("event",), "event", True),
        (("event",), "codeco", False),
        (("itinerary",), "itinerary", True),
        (("itinerary",), "event", False),
        (("*", "itinerary"), "event", True),
        (("*",), "replay", False),
    ],
)
def test_a_party_may_use(file: Path, formats: tuple[str, ...], format: str, may: bool) -> None:
    add(file, "acme", NOW, formats=formats)
    party = Parties(file).get("acme")
    assert party is not None
    assert party.may_use(format) is may


def test_the_file_can_be_read_by_people(file: Path) -> None:
    add(file, "acme", NOW)
    assert [party["id"] for party in json.loads(file.read_text())["parties"]] == ["acme"]


def test_what_is_not_there_is_not_removed(file: Path) -> None:
    add(file, "acme", NOW)
    assert not remove(file, "other")
    assert not remove(file, "acme", "00000000")
