"""The parties that may send us messages and hear of alerts, and how they prove who they are.

A party has names: its own, and the codes that messages call it by (SCAC, SMDG code, GLN, airline
code). It may speak in these names only. It proves itself with a bearer token of 256 random bits,
of which the file keeps a SHA-256 hash alone; several may be valid at a time, so that they can be
changed without a gap. The file is small, read by gateways, written by `corridor parties`.

Not part of the pure kernel; it is here because producers and sinks both need it.
"""

import fcntl
import hashlib
import hmac
import os
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated

import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from corridor.models import Time
from corridor.settings import Settings

log = structlog.get_logger(__name__)

PREFIX = "corridor"
LOOK_SECONDS = 1.0
"""How often a gateway looks whether the file has changed."""
GRANTED = frozenset({"itinerary", "replay"})
"""Formats that a party may use only if they are named: what they say is in nobody's name."""
ALL = "*"
"""Names all formats but those."""

Name = Annotated[str, Field(min_length=1, max_length=500)]
PartyId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")]


class PartiesError(Exception):
    """The file cannot be used; the text names it and says why."""


def parties_file(settings: Settings) -> Path:
    """Where the parties are."""
    return settings.parties or settings.data / "parties.json"


class Token(BaseModel):
    """What is kept of a token."""

    model_config = ConfigDict(frozen=True)

    id: str = Field(description="The public part, by which it is found and removed.")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="Of the whole token.")
    created: Time
    expires: Time | None = None


class Party(BaseModel):
    """One party."""

    model_config = ConfigDict(frozen=True)

    id: PartyId
    aliases: tuple[Name, ...] = ()
    formats: tuple[str, ...] = Field((), description="What it may use; nothing said means `*`.")
    tokens: tuple[Token, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        """The sources that it may speak as."""
        return frozenset((self.id, *self.aliases))

    def may_use(self, format: str) -> bool:
        """Whether it may send a format."""
        most = not self.formats or ALL in self.formats
        return format in self.formats or (most and format not in GRANTED)


class _File(BaseModel):
    parties: tuple[Party, ...] = ()


class Parties:
    """Those in a file, which may change at any time."""

    def __init__(self, path: Path) -> None:
        """Reads the file; where there is none, there are no parties.

        Raises:
            PartiesError: the file cannot be used.
        """
        self.path = path
        self._lock = threading.Lock()
        self._looked = time.monotonic()
        self._state = _state(path)
        self._index(_load(path))

    def authenticate(self, token: str, now: datetime) -> Party | None:
        """The party whose token this is, unless it has expired."""
        self._look()
        found = self._tokens.get(_public_part(token))
        known, party = found if found is not None else (_NOBODY, None)
        hashed = hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
        right = hmac.compare_digest(hashed, known.sha256)
        if not right or (known.expires is not None and known.expires <= now):
            return None
        return party

    def get(self, id: str) -> Party | None:
        """A party by its id."""
        self._look()
        return self._parties.get(id)

    def all(self) -> list[Party]:
        """Everyone, by id."""
        self._look()
        return sorted(self._parties.values(), key=lambda party: party.id)

    def _index(self, parties: tuple[Party, ...]) -> None:
        self._tokens = {token.id: (token, party) for party in parties for token in party.tokens}
        self._parties = {party.id: party for party in parties}

    def _look(self) -> None:
        """Reads the file again when it has changed; one that is broken changes nothing."""
        with self._lock:
            if time.monotonic() - self._looked < LOOK_SECONDS:
                return
            self._looked = time.monotonic()
            state = _state(self.path)
            if state == self._state:
                return
            self._state = state
            try:
                self._index(_load(self.path))
                log.info("parties read", parties=len(self._parties))
            except PartiesError as error:
                log.error("parties not read, the former ones stay", error=str(error))


def add(
    path: Path,
    id: str,
    now: datetime,
    *,
    aliases: tuple[str, ...] = (),
    formats: tuple[str, ...] = (),
    expires: datetime | None = None,
) -> str:
    """Adds a party, or another token, further names and formats to one; returns the token.

    The token is not kept: nobody can ask for it again.

    Raises:
        PartiesError: the file or a name cannot be used, or somebody else has that name.
    """
    public = secrets.token_hex(4)
    token = f"{PREFIX}_{public}_{secrets.token_urlsafe(32)}"
    hashed = hashlib.sha256(token.encode()).hexdigest()
    with _changed(path) as parties:
        taken = {name: party.id for party in parties.values() for name in party.names}
        for name in (id, *aliases):
            if taken.get(name, id) != id:
                raise PartiesError(f"{name} is a name of {taken[name]} already")
        old = parties.get(id)
        try:
            parties[id] = Party(
                id=id,
                aliases=_joined(old.aliases if old else (), aliases),
                formats=_joined(old.formats if old else (), formats),
                tokens=(
                    *(old.tokens if old else ()),
                    Token(id=public, sha256=hashed, created=now, expires=expires),
                ),
            )
        except ValidationError as error:
            raise PartiesError(_first(error)) from None
    return token


def remove(path: Path, id: str, token_id: str | None = None) -> bool:
    """Removes a party, or one of its tokens; False if there is none.

    Raises:
        PartiesError: the file cannot be used.
    """
    with _changed(path) as parties:
        party = parties.get(id)
        if party is None:
            return False
        if token_id is None:
            del parties[id]
            return True
        left = tuple(token for token in party.tokens if token.id != token_id)
        parties[id] = party.model_copy(update={"tokens": left})
        return len(left) < len(party.tokens)


@contextmanager
def _changed(path: Path) -> Iterator[dict[str, Party]]:
    """The parties, to be changed; one process at a time, and the file is whole at any moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        parties = {party.id: party for party in _load(path)}
        yield parties
        text = _File(parties=tuple(parties.values())).model_dump_json(indent=2, exclude_none=True)
        new = path.with_name(path.name + ".new")
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, path)
    finally:
        os.close(lock)


def _load(path: Path) -> tuple[Party, ...]:
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise PartiesError(f"{path}: {error.strerror}") from None
    try:
        parties = _File.model_validate_json(text).parties
    except ValidationError as error:
        raise PartiesError(f"{path}: {_first(error)}") from None
    names = [name for party in parties for name in party.names]
    tokens = [token.id for party in parties for token in party.tokens]
    for these in (names, tokens):
        if twice := next((one for one in these if these.count(one) > 1), None):
            raise PartiesError(f"{path}: {twice} is there twice")
    return parties


def _state(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _public_part(token: str) -> str:
    parts = token.split("_", 2)
    return parts[1] if len(parts) == 3 and parts[0] == PREFIX else ""


def _joined(old: tuple[str, ...], new: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*old, *new)))


def _first(error: ValidationError) -> str:
    fault = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(map(str, fault["loc"]))
    return f"{where}: {fault['msg']}" if where else fault["msg"]


# compared with where there is no such token, so that it takes as long as a wrong one
_NOBODY = Token(id="", sha256="0" * 64, created=datetime.fromisoformat("1970-01-01T00:00:00Z"))
