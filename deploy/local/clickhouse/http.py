"""HTTP as ClickHouse speaks it: the query in the URL or the body, the result in the answer."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import partial
from secrets import token_hex
from typing import Protocol

import structlog
from aiohttp import BodyPartReader, hdrs, web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from deploy.local.clickhouse import metrics, wire
from deploy.local.clickhouse.blocks import split_blocks, with_flags
from deploy.local.clickhouse.encodings import Encoder, decoded, decoder, encoder
from deploy.local.clickhouse.engine import Engine, Insertion, Session, Stream
from deploy.local.clickhouse.errors import Code, ServerError, http_status
from deploy.local.clickhouse.inserts import create_external_table, fill_external_table
from deploy.local.clickhouse.output import Output
from deploy.local.clickhouse.sessions import HttpSessions
from deploy.local.clickhouse.statements import Statement, parse, refuse_data_after_values, tokens
from deploy.local.clickhouse.users import User
from deploy.local.clickhouse.wire import Progress

log = structlog.get_logger("corridor.clickhouse.http")

HEAD_BYTES = 1 << 20
"""As much of a body is looked at to find out what it asks for."""

HELD_BYTES = 1 << 18
"""A result up to this size is held back to its end, so that a late error has its own status."""

_NOT_SETTINGS = frozenset(
    "query database default_format user password quota_key query_id session_id session_timeout "
    "session_check close_session compress decompress wait_end_of_query buffer_size stacktrace "
    "client_protocol_version role enable_http_compression send_progress_in_http_headers "
    "http_headers_progress_interval_ms add_http_cors_header".split()
)

_CONTENT_TYPES = {
    "TabSeparated": "text/tab-separated-values; charset=UTF-8",
    "TSV": "text/tab-separated-values; charset=UTF-8",
    "TabSeparatedWithNames": "text/tab-separated-values; charset=UTF-8; header=present",
    "CSV": "text/csv; charset=UTF-8; header=absent",
    "CSVWithNames": "text/csv; charset=UTF-8; header=present",
    "JSON": "application/json; charset=UTF-8",
    "JSONCompact": "application/json; charset=UTF-8",
    "JSONStrings": "application/json; charset=UTF-8",
    "JSONEachRow": "application/x-ndjson; charset=UTF-8",
    "JSONCompactEachRow": "application/x-ndjson; charset=UTF-8",
    "XML": "application/xml; charset=UTF-8",
    **dict.fromkeys(
        (
            "Native",
            "RowBinary",
            "RowBinaryWithNamesAndTypes",
            "Parquet",
            "Arrow",
            "ArrowStream",
            "ORC",
        ),
        "application/octet-stream",
    ),
}


@dataclass(frozen=True)
class HttpTimeouts:
    """How long a client may take, in seconds."""

    receive: float = 300.0
    send: float = 60.0
    """Shorter than the native one: a result as a document holds a thread while it is read."""


@dataclass
class _Request:
    """One request's arguments, sorted."""

    http: web.Request
    arguments: dict[str, str]
    query_id: str
    files: dict[str, bytes] = field(default_factory=dict)
    kind: str = "OTHER"

    def flag(self, name: str) -> bool:
        """Whether an argument is set and not 0."""
        return self.arguments.get(name, "0").lower() in ("1", "true")

    @property
    def settings(self) -> dict[str, str]:
        """All arguments that mean a setting; GET may not write."""
        about_files = {
            f"{file}_{what}" for file in self.files for what in ("structure", "format", "types")
        }
        settings = {
            name: value
            for name, value in self.arguments.items()
            if name not in _NOT_SETTINGS
            and name not in about_files
            and not name.startswith("param_")
        }
        if self.http.method != hdrs.METH_POST:
            settings.setdefault("readonly", "2")
            settings["readonly"] = settings.pop("readonly")
        return settings

    @property
    def params(self) -> dict[str, str]:
        """Values for the `{name:Type}` placeholders."""
        return {n[6:]: v for n, v in self.arguments.items() if n.startswith("param_")}


class _Source(Protocol):
    """A running result."""

    async def read(self) -> bytes: ...

    def progress(self) -> Progress: ...

    async def close(self) -> None: ...


class HttpInterface:
    """The handlers, and what they share."""

    def __init__(self, engine: Engine, user: User, timeouts: HttpTimeouts) -> None:
        self._engine = engine
        self._user = user
        self._timeouts = timeouts
        self._sessions = HttpSessions(engine)

    def application(self) -> web.Application:
        """The routes."""
        app = web.Application(client_max_size=wire.MAX_QUERY)
        app.router.add_get("/ping", self._ok)
        app.router.add_get("/replicas_status", self._ok)
        app.router.add_get("/healthz", self._ok)
        app.router.add_get("/readyz", self._ready)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_route("*", "/", self._query)
        return app

    async def close(self) -> None:
        """Ends the sessions."""
        await self._sessions.close()

    async def _ok(self, _: web.Request) -> web.Response:
        return web.Response(text="Ok.\n")

    async def _ready(self, _: web.Request) -> web.Response:
        session = self._engine.session()
        try:
            async with asyncio.timeout(2):
                await session.step(partial(session.rows_now, "SELECT 1", "Null"))
        except (TimeoutError, ServerError) as error:
            return web.Response(status=503, text=f"The engine does not answer: {error}\n")
        finally:
            self._engine.submit(session.close_now)
        return web.Response(text="Ok.\n")

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(
            body=generate_latest(metrics.REGISTRY), headers={hdrs.CONTENT_TYPE: CONTENT_TYPE_LATEST}
        )

    async def _query(self, http: web.Request) -> web.StreamResponse:
        started = time.monotonic()
        outcome = "ok"
        request = _Request(http, dict(http.query), http.query.get("query_id") or str(uuid.uuid4()))
        response: web.StreamResponse | None = None
        with metrics.CONNECTIONS.labels("http").track_inprogress():
            try:
                self._authenticate(request)
                response = await self._answer(request)
            except ServerError as error:
                outcome = "error"
                metrics.ERRORS.labels(str(error.code)).inc()
                response = self._error(request, error)
            except asyncio.CancelledError:
                outcome = "cancelled"
                metrics.KILLED.labels("disconnect").inc()
                raise
            except (TimeoutError, ConnectionError):
                outcome = "cancelled"
                metrics.KILLED.labels("slow").inc()
                if http.transport is not None:
                    http.transport.abort()
                raise
            finally:
                metrics.QUERIES.labels("http", request.kind, outcome).inc()
                metrics.QUERY_SECONDS.labels("http").observe(time.monotonic() - started)
        return response

    def _authenticate(self, request: _Request) -> None:
        headers, arguments = request.http.headers, request.arguments
        name, password = arguments.get("user", "default"), arguments.get("password", "")
        authorization = headers.get(hdrs.AUTHORIZATION, "")
        if "X-ClickHouse-User" in headers or "X-ClickHouse-Key" in headers:
            name = headers.get("X-ClickHouse-User", "default")
            password = headers.get("X-ClickHouse-Key", "")
        elif authorization.lower().startswith("basic "):
            try:
                decoded_pair = base64.b64decode(authorization[6:], validate=True).decode()
            except (binascii.Error, UnicodeDecodeError):
                decoded_pair = ":"
            name, _, password = decoded_pair.partition(":")
        self._user.check(name, password)

    async def _answer(self, request: _Request) -> web.StreamResponse:
        if request.http.method not in (hdrs.METH_GET, hdrs.METH_HEAD, hdrs.METH_POST):
            raise web.HTTPMethodNotAllowed(request.http.method, ("GET", "HEAD", "POST"))
        body = await self._body(request)
        head, ended = await _take(body, HEAD_BYTES)
        text = request.arguments.get("query", "")
        if not text and not head:
            return web.Response(text="Ok.\n", headers=self._headers(request))
        statement, data = await self._statement(text, head, ended, body)
        request.kind = statement.kind if statement.kind in _COUNTED else "OTHER"
        async with self._sessions.lend(request.arguments) as session:
            await self._prepare(request, session)
            if statement.insert is not None and statement.insert.takes_data:
                return await self._insert(request, session, statement, data, body)
            return await self._select(request, session, statement)

    async def _body(self, request: _Request) -> AsyncIterator[bytes]:
        http = request.http
        if http.content_type == "multipart/form-data":
            await _read_form(request)
            return _nothing()
        source = _patient(http.content.iter_any(), self._timeouts.receive)
        using = decoder(http.headers.get(hdrs.CONTENT_ENCODING, ""), request.flag("decompress"))
        return decoded(source, using)

    async def _statement(
        self, text: str, head: bytes, ended: bool, body: AsyncIterator[bytes]
    ) -> tuple[Statement, bytes]:
        """The statement, and the first bytes of its data when it is an INSERT."""
        if text.strip():
            # In the URL: the body continues it, or is its data.
            if _starts_with_insert(text):
                statement = parse(text)
                insert = statement.insert
                if insert is not None and insert.takes_data:
                    inline = statement.inline_data
                    if insert.format == "Values":
                        refuse_data_after_values(inline)
                    raw = inline.encode("utf-8", "surrogateescape")
                    return statement, (raw + b"\n" if raw.strip() and head else raw.strip()) + head
            rest = await _all(head, ended, body)
            more = rest.decode("utf-8", "surrogateescape")
            return parse(f"{text}\n{more}" if more.strip() else text), b""
        whole = head.decode("utf-8", "surrogateescape")
        if not _starts_with_insert(whole):
            rest = await _all(head, ended, body)
            return parse(rest.decode("utf-8", "surrogateescape")), b""
        statement = parse(whole)
        insert = statement.insert
        if insert is None or not insert.takes_data:
            rest = await _all(head, ended, body)
            return parse(rest.decode("utf-8", "surrogateescape")), b""
        if ended and insert.format == "Values":
            refuse_data_after_values(whole[insert.data_start :])
        return statement, whole[insert.data_start :].encode("utf-8", "surrogateescape")

    async def _prepare(self, request: _Request, session: Session) -> None:
        """The database and the external tables of this request."""
        database = request.arguments.get("database") or request.http.headers.get(
            "X-ClickHouse-Database"
        )
        if database:
            await session.step(partial(session.use_now, database))
        for name, content in request.files.items():
            structure = request.arguments.get(f"{name}_structure")
            if structure is None and (types := request.arguments.get(f"{name}_types")):
                structure = ", ".join(f"_{n} {t}" for n, t in enumerate(types.split(","), 1))
            if structure is None:
                raise ServerError(
                    Code.BAD_ARGUMENTS, f"The external table {name} needs {name}_structure."
                )
            await create_external_table(session, name, structure)
            form = request.arguments.get(f"{name}_format", "TabSeparated")
            await fill_external_table(session, name, form, content)

    async def _insert(
        self,
        request: _Request,
        session: Session,
        statement: Statement,
        data: bytes,
        body: AsyncIterator[bytes],
    ) -> web.StreamResponse:
        insert = statement.insert
        assert insert is not None
        settings = {**request.settings, **{f"param_{n}": v for n, v in request.params.items()}}
        insertion = Insertion(session)
        try:
            size = len(data)
            await insertion.append(data)
            async for piece in body:
                size += len(piece)
                await insertion.append(piece)
            metrics.INSERTED_BYTES.labels("http").inc(size)
            progress = await insertion.insert(insert, insert.format or "Values", settings)
        finally:
            insertion.close()
        return web.Response(headers=self._headers(request, progress=progress))

    async def _select(
        self, request: _Request, session: Session, statement: Statement
    ) -> web.StreamResponse:
        form = (
            statement.format
            or request.arguments.get("default_format")
            or request.http.headers.get("X-ClickHouse-Format")
            or "TabSeparated"
        )
        revision = _revision(request.arguments.get("client_protocol_version", "0"))
        source: _Source
        pack = _packer(revision) if form == "Native" else None
        if pack is not None and statement.streams:
            source = _NativeSource(Stream(session), statement, request, pack)
        elif statement.reads and pack is None:
            output = Output(session)
            await output.start(statement, form, request.settings, request.params)
            source = output
        else:
            source = _WholeSource(session, statement, form, request, pack)
        try:
            return await self._send_result(request, source, form)
        finally:
            await source.close()

    async def _send_result(
        self, request: _Request, source: _Source, form: str
    ) -> web.StreamResponse:
        """Holds the beginning back, then streams; an error after that goes into the body's end."""
        http = request.http
        encode = encoder(
            http.headers.get(hdrs.ACCEPT_ENCODING, ""),
            request.flag("enable_http_compression"),
            request.flag("compress"),
        )
        if request.flag("wait_end_of_query"):
            return await self._send_waited(request, source, form, encode)
        held = bytearray()
        while len(held) < HELD_BYTES:
            data = await source.read()
            if not data:
                metrics.RESULT_BYTES.labels("http").inc(len(held))
                content = encode.feed(bytes(held)) + encode.flush()
                headers = self._headers(request, form, source.progress(), encode)
                return web.Response(body=content, headers=headers)
            held += data
        tag = token_hex(8)
        headers = self._headers(request, form, source.progress(), encode)
        headers["X-ClickHouse-Exception-Tag"] = tag
        response = web.StreamResponse(headers=headers)
        await response.prepare(http)
        data = bytes(held)
        try:
            while data:
                metrics.RESULT_BYTES.labels("http").inc(len(data))
                await self._write(response, await asyncio.to_thread(encode.feed, data))
                data = await source.read()
        except ServerError as error:
            log.info("a result was cut off by an error", code=error.code, reason=error.message)
            metrics.ERRORS.labels(str(error.code)).inc()
            message = error.text(self._engine.version)
            size = len(message.encode("utf-8", "surrogateescape")) + 1
            note = (
                f"\r\n__exception__\r\n{tag}\r\n{message}\n{size} {tag}\r\n__exception__\r\n"
            ).encode("utf-8", "surrogateescape")
            await self._write(response, encode.feed(note) + encode.flush())
            # Without the last chunk: the client must see that the result is not whole.
            if http.transport is not None:
                http.transport.close()
            return response
        if tail := encode.flush():
            await self._write(response, tail)
        await response.write_eof()
        return response

    async def _send_waited(
        self, request: _Request, source: _Source, form: str, encode: Encoder
    ) -> web.StreamResponse:
        """`wait_end_of_query`: the whole result rests on disk before the first byte is sent."""
        with tempfile.SpooledTemporaryFile(max_size=HELD_BYTES * 16) as spool:
            while data := await source.read():
                metrics.RESULT_BYTES.labels("http").inc(len(data))
                spool.write(await asyncio.to_thread(encode.feed, data))
            spool.write(encode.flush())
            headers = self._headers(request, form, source.progress(), encode)
            response = web.StreamResponse(headers=headers)
            response.content_length = spool.tell()
            spool.seek(0)
            await response.prepare(request.http)
            while data := spool.read(HELD_BYTES):
                await self._write(response, data)
        await response.write_eof()
        return response

    async def _write(self, response: web.StreamResponse, data: bytes) -> None:
        if data:
            async with asyncio.timeout(self._timeouts.send):
                await response.write(data)

    def _headers(
        self,
        request: _Request,
        form: str | None = None,
        progress: Progress | None = None,
        encode: Encoder | None = None,
    ) -> dict[str, str]:
        headers = {
            "X-ClickHouse-Query-Id": request.query_id,
            "X-ClickHouse-Server-Display-Name": self._engine.display_name,
            "X-ClickHouse-Timezone": self._engine.timezone,
        }
        if form is not None:
            headers["X-ClickHouse-Format"] = form
            headers[hdrs.CONTENT_TYPE] = _CONTENT_TYPES.get(form, "text/plain; charset=UTF-8")
        if progress is not None:
            headers["X-ClickHouse-Summary"] = _summary(progress)
        if encode is not None and encode.content_encoding:
            headers[hdrs.CONTENT_ENCODING] = encode.content_encoding
        return headers

    def _error(self, request: _Request, error: ServerError) -> web.Response:
        headers = self._headers(request)
        headers["X-ClickHouse-Exception-Code"] = str(error.code)
        return web.Response(
            status=http_status(error.code),
            body=f"{error.text(self._engine.version)}\n".encode("utf-8", "surrogateescape"),
            headers={hdrs.CONTENT_TYPE: "text/plain; charset=UTF-8", **headers},
        )


_COUNTED = frozenset(("SELECT", "INSERT", "CREATE", "ALTER", "DROP", "SHOW", "DESCRIBE", "SET"))


_Pack = Callable[[bytes], bytes]


class _NativeSource:
    """Native blocks with their info fields, for clients that name a protocol version."""

    def __init__(
        self, stream: Stream, statement: Statement, request: _Request, pack: _Pack
    ) -> None:
        self._stream = stream
        self._pack = pack
        self._statement = statement
        self._request = request
        self._begun = False

    async def read(self) -> bytes:
        """The next blocks."""
        if self._stream.done:
            return b""
        if self._begun:
            piece = await self._stream.fetch(self._pack)
        else:
            self._begun = True
            piece = await self._stream.start(
                self._statement.without_format(),
                self._request.settings,
                self._request.params,
                self._pack,
            )
        return b"".join(piece.blocks)

    def progress(self) -> Progress:
        """The work done so far."""
        return self._stream.session.progress()

    async def close(self) -> None:
        """Ends the query if it has not ended."""
        if self._begun:
            await self._stream.close()


class _WholeSource:
    """Statements that answer with little or nothing."""

    def __init__(
        self,
        session: Session,
        statement: Statement,
        form: str,
        request: _Request,
        pack: _Pack | None,
    ) -> None:
        self._session = session
        self._statement = statement
        self._form = form
        self._request = request
        self._pack = pack
        self._progress: Progress | None = None

    async def read(self) -> bytes:
        """All of it at the first call."""
        if self._progress is not None:
            return b""
        settings, params = self._request.settings, self._request.params

        def work() -> tuple[bytes, Progress]:
            self._session.apply_now(settings)
            try:
                rows = self._session.rows_now(self._statement.text, self._form, params)
                self._session.remember_now(self._statement.kind, self._statement.text)
                if self._pack is not None:
                    blocks = split_blocks(rows.data)
                    return b"".join(map(self._pack, blocks)), rows.progress
                return rows.data, rows.progress
            finally:
                self._session.reset_now()

        data, self._progress = await self._session.step(work)
        return data

    def progress(self) -> Progress:
        """The work done."""
        return self._progress or Progress()

    async def close(self) -> None:
        """Nothing is open."""


def _with_info(block: bytes) -> bytes:
    return wire.BLOCK_INFO + block


def _with_info_and_flags(block: bytes) -> bytes:
    return wire.BLOCK_INFO + with_flags(block)


def _packer(revision: int) -> _Pack | None:
    """How blocks look to a client of this revision."""
    if revision >= wire.REVISION_COLUMN_FLAGS:
        return _with_info_and_flags
    return _with_info if revision >= wire.REVISION_BLOCK_INFO else None


def _revision(text: str) -> int:
    revision = int(text) if text.isdigit() else 0
    if revision >= wire.REVISION_OTHER_BLOCKS:
        raise ServerError(
            Code.BAD_ARGUMENTS,
            f"client_protocol_version is below {wire.REVISION_OTHER_BLOCKS} here, not {revision}.",
        )
    return revision


def _summary(progress: Progress) -> str:
    return json.dumps(
        {
            "read_rows": str(progress.rows),
            "read_bytes": str(progress.bytes),
            "written_rows": str(progress.written_rows),
            "written_bytes": str(progress.written_bytes),
            "total_rows_to_read": str(progress.total_rows),
            "elapsed_ns": str(progress.elapsed_ns),
        },
        separators=(",", ":"),
    )


def _starts_with_insert(text: str) -> bool:
    first = next(tokens(text[:65536]), None)
    return first is not None and first.is_word("INSERT")


async def _read_form(request: _Request) -> None:
    """Form fields are arguments, files are external tables."""
    reader = await request.http.multipart()
    async for part in reader:
        if not isinstance(part, BodyPartReader) or part.name is None:
            continue
        content = bytes(await part.read(decode=True))
        if part.filename is not None:
            request.files[part.name] = content
        else:
            request.arguments[part.name] = content.decode("utf-8", "surrogateescape")


async def _nothing() -> AsyncIterator[bytes]:
    for piece in list[bytes]():
        yield piece


async def _patient(source: AsyncIterator[bytes], seconds: float) -> AsyncIterator[bytes]:
    """Waits so long for each piece, and no longer."""
    while True:
        async with asyncio.timeout(seconds):
            try:
                piece = await anext(source)
            except StopAsyncIteration:
                return
        yield piece


async def _take(body: AsyncIterator[bytes], limit: int) -> tuple[bytes, bool]:
    """The first bytes, and whether they are all."""
    head = bytearray()
    async for piece in body:
        head += piece
        if len(head) >= limit:
            return bytes(head), False
    return bytes(head), True


async def _all(head: bytes, ended: bool, body: AsyncIterator[bytes]) -> bytes:
    if ended:
        return head
    whole = bytearray(head)
    async for piece in body:
        whole += piece
        if len(whole) > wire.MAX_QUERY:
            raise ServerError(
                Code.SYNTAX_ERROR, f"Syntax error: a query of more than {wire.MAX_QUERY} bytes."
            )
    return bytes(whole)
