"""Results in any format: the engine writes one document into a pipe, we read it as it grows."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Mapping
from contextlib import suppress

from deploy.local.clickhouse.engine import Rows, Session
from deploy.local.clickhouse.errors import ServerError
from deploy.local.clickhouse.statements import Statement
from deploy.local.clickhouse.wire import Progress

PIPE_BYTES = 1 << 20


class Output:
    """One running statement. The pipe is short: the engine never runs far ahead of the reader."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._reader = asyncio.StreamReader(limit=PIPE_BYTES)
        self._transport: asyncio.ReadTransport | None = None
        self._running: asyncio.Task[Rows] | None = None

    async def start(
        self,
        statement: Statement,
        form: str,
        settings: Mapping[str, str],
        params: Mapping[str, str],
    ) -> None:
        """Begins; what goes wrong is raised by `read`."""
        reading, writing = os.pipe()
        with suppress(OSError, AttributeError):
            fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        protocol = asyncio.StreamReaderProtocol(self._reader)
        self._transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: protocol, os.fdopen(reading, "rb", 0)
        )
        sql = statement.with_output(f"/dev/fd/{writing}", form)

        def work() -> Rows:
            self._session.apply_now(settings)
            try:
                return self._session.rows_now(sql, "Null", params)
            finally:
                self._session.reset_now()

        async def run() -> Rows:
            try:
                return await self._session.step(work, output=True)
            finally:
                os.close(writing)

        self._running = asyncio.create_task(run())

    async def read(self) -> bytes:
        """The next bytes, empty at the end; the query's error when all before it was read."""
        assert self._running is not None
        data = await self._reader.read(PIPE_BYTES)
        if not data:
            await self._running
        return data

    def progress(self) -> Progress:
        """The work done: final when the query has ended."""
        if self._running is not None and self._running.done() and not self._running.cancelled():
            with suppress(ServerError):
                return self._running.result().progress
        return self._session.progress()

    async def close(self) -> None:
        """Ends the query if it runs. The pipe is closed first: a writing query cannot be killed."""
        if self._transport is not None:
            self._transport.close()
        if self._running is not None:
            self._running.cancel()
            await asyncio.shield(asyncio.wait((self._running,)))
            if not self._running.cancelled():
                self._running.exception()
