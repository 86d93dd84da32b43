"""HTTP sessions: state that outlives a request when the client names it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from deploy.local.clickhouse.engine import Engine, Session
from deploy.local.clickhouse.errors import Code, ServerError

DEFAULT_TIMEOUT = 60
MAX_TIMEOUT = 3600
MAX_SESSIONS = 1000


@dataclass
class _Kept:
    session: Session
    busy: bool = False
    expires: float = 0.0


class HttpSessions:
    """Lends a request its session, a kept one or one of its own."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._kept: dict[str, _Kept] = {}

    @asynccontextmanager
    async def lend(self, arguments: Mapping[str, str]) -> AsyncIterator[Session]:
        """The session that the arguments name; without a name it ends with the request."""
        self._drop_expired()
        name = arguments.get("session_id", "")
        if not name:
            session = self._engine.session()
            try:
                yield session
            finally:
                await self._end(session)
            return
        timeout = _timeout(arguments.get("session_timeout", str(DEFAULT_TIMEOUT)))
        kept = self._kept.get(name)
        if kept is None:
            if arguments.get("session_check") == "1":
                raise ServerError(Code.SESSION_NOT_FOUND, f"Session {name} not found.")
            if len(self._kept) >= MAX_SESSIONS:
                raise ServerError(Code.TOO_MANY_SIMULTANEOUS_QUERIES, "Too many HTTP sessions.")
            kept = self._kept[name] = _Kept(self._engine.session())
        if kept.busy:
            raise ServerError(
                Code.SESSION_IS_LOCKED, f"Session {name} is locked by a concurrent client."
            )
        kept.busy = True
        try:
            yield kept.session
        finally:
            kept.busy = False
            kept.expires = time.monotonic() + timeout
            if arguments.get("close_session") == "1":
                self._kept.pop(name, None)
                await self._end(kept.session)

    def _drop_expired(self) -> None:
        now = time.monotonic()
        for name in [n for n, k in self._kept.items() if not k.busy and k.expires < now]:
            self._engine.submit(self._kept.pop(name).session.close_now)

    async def _end(self, session: Session) -> None:
        await asyncio.shield(asyncio.wrap_future(self._engine.submit(session.close_now)))

    async def close(self) -> None:
        """Ends every kept session."""
        for kept in self._kept.values():
            await self._end(kept.session)
        self._kept.clear()


def _timeout(text: str) -> int:
    if not text.isdigit() or int(text) > MAX_TIMEOUT:
        raise ServerError(
            Code.INVALID_SESSION_TIMEOUT,
            f"Session timeout {text!r} is not a number of seconds up to {MAX_TIMEOUT}.",
        )
    return int(text)
