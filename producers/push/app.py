"""The gateway as an ASGI application: who, what, how much; then to Kafka; then the answer."""

import asyncio
import re
import sys
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import structlog
from fastapi import FastAPI
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from corridor.metrics import PUSH_SECONDS, PUSHES
from corridor.parties import Parties, Party
from corridor.settings import Settings
from producers import formats
from producers.adapter import Format
from producers.intake import Intake, Taken
from producers.publisher import PublishError
from producers.push import answers, body, reference
from producers.push.answers import Sent, Style
from producers.push.captures import Captures
from producers.push.endpoints import ENDPOINTS, Endpoint
from producers.push.outlet import Outlet, Unavailable
from producers.push.refusals import Refusal, not_now, verdict

log = structlog.get_logger(__name__)

THREADS = 4
"""That decode and publish; more would only wait for each other."""
REQUESTS_AT_ONCE = 256
BODIES_BYTES = 64 * 1024 * 1024
"""What the bodies of all requests may hold; decoding one takes a few times its size."""
BODY_SECONDS = 30.0
TARGET_BYTES = 2_000
"""The longest address."""
RETRY_SECONDS = 2
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_REALM = 'Bearer realm="corridor"'


class Gateway:
    """What the requests share."""

    def __init__(self, settings: Settings, parties: Parties, outlet: Outlet) -> None:
        self.settings = settings
        self.outlet = outlet
        self._parties = parties
        self._room = body.Room(REQUESTS_AT_ONCE, BODIES_BYTES)
        self._threads = ThreadPoolExecutor(THREADS, "intake")
        self._limit = RateLimitItemPerMinute(settings.push_per_minute)
        self._rates = SlidingWindowCounterRateLimiter(MemoryStorage())

    def close(self) -> None:
        """Lets the threads end."""
        self._threads.shutdown()

    def party(self, request: Request) -> Party:
        """Who sends.

        Raises:
            Refusal: 401.
        """
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            detail = "send the header Authorization: Bearer TOKEN"
            raise Refusal(401, detail, headers={"WWW-Authenticate": _REALM})
        party = self._parties.authenticate(token.strip(), datetime.now(UTC))
        if party is None:
            challenge = f'{_REALM}, error="invalid_token"'
            detail = "nobody has this token, or it has expired"
            raise Refusal(401, detail, headers={"WWW-Authenticate": challenge})
        structlog.contextvars.bind_contextvars(party=party.id)
        return party

    async def take(self, request: Request, endpoint: Endpoint) -> Sent:
        """Takes the message of a request; returns once what can be used of it is on Kafka.

        Raises:
            Refusal: nothing of it could be used, or it is not known to be on Kafka.
        """
        began = datetime.now(UTC)
        party = self.party(request)
        choice = _allowed(party, _choice(request, endpoint))
        self._count(request, party)
        _check_media_type(request, choice)
        whole = endpoint.style.whole(request)
        with self._room.entered() as share:
            message = await self._body(request, share)
            format, taken = await self._publish(request, endpoint, party, choice, message, whole)
        refusal = verdict(taken)
        if refusal is not None:
            raise refusal
        return Sent(party, format, taken, began)

    async def _body(self, request: Request, share: body.Share) -> bytes:
        chunks = request.stream()
        try:
            return await body.read(
                chunks,
                length=request.headers.get("Content-Length"),
                encoding=request.headers.get("Content-Encoding"),
                limit=self.settings.push_bytes,
                seconds=BODY_SECONDS,
                share=share,
            )
        except Refusal as refusal:
            if refusal.status == 413 and "Expect" not in request.headers:
                await body.drain(chunks, 2 * self.settings.push_bytes)
            raise

    async def _publish(
        self,
        request: Request,
        endpoint: Endpoint,
        party: Party,
        choice: tuple[Format, ...],
        message: bytes,
        whole: bool,
    ) -> tuple[Format, Taken]:
        def take() -> tuple[Format, Taken]:
            format = formats.recognise(message, choice) if len(choice) > 1 else None
            format = format or choice[0]
            taken = Intake(publisher).take(
                format,
                endpoint.complete(message, str(request.url)),
                sender=party.id,
                channel=request.url.path,
                names=party.names,
                whole=whole,
            )
            return format, taken

        try:
            publisher = self.outlet.publisher()
            try:
                loop = asyncio.get_running_loop()
                async with asyncio.timeout(self.outlet.seconds):
                    done = await loop.run_in_executor(self._threads, take)
            except PublishError as error:
                self.outlet.failed(publisher, error)
                raise Unavailable(str(error)) from error
            except TimeoutError:
                raise Unavailable("Kafka takes no messages") from None
            await self.outlet.confirm(publisher)
        except Unavailable as error:
            log.warning("not confirmed", error=str(error))
            detail = (
                "Kafka does not confirm messages; nothing is promised of this one."
                " Send it again: what is there already does not count twice"
            )
            raise not_now(detail, RETRY_SECONDS) from None
        return done

    def _count(self, request: Request, party: Party) -> None:
        allowed = self._rates.hit(self._limit, party.id)
        window = self._rates.get_window_stats(self._limit, party.id)
        seconds = max(1, int(window.reset_time - time.time() + 0.999))
        headers = {
            "RateLimit-Limit": str(self._limit.amount),
            "RateLimit-Remaining": str(max(0, window.remaining)),
            "RateLimit-Reset": str(seconds),
        }
        request.state.headers = headers
        if not allowed:
            detail = f"{party.id} may send {self._limit.amount:,} messages a minute"
            raise Refusal(429, detail, headers={"Retry-After": str(seconds)})


def _choice(request: Request, endpoint: Endpoint) -> tuple[Format, ...]:
    """The formats that a message can be of."""
    if not endpoint.is_named:
        return endpoint.formats
    name = request.path_params["format"]
    found = tuple(format for format in endpoint.formats if format.name == name)
    if not found:
        names = ", ".join(format.name for format in endpoint.formats)
        raise Refusal(404, f"no format has this name; there are: {names}")
    return found


def _allowed(party: Party, choice: tuple[Format, ...]) -> tuple[Format, ...]:
    allowed = tuple(format for format in choice if party.may_use(format.name))
    if not allowed:
        names = " or ".join(format.name for format in choice)
        raise Refusal(403, f"{party.id} has not been granted the format {names}")
    return allowed


_ANYTHING = frozenset({"", "text/plain", "application/octet-stream"})
_FAMILIES = ("json", "xml")


def _check_media_type(request: Request, choice: tuple[Format, ...]) -> None:
    """Refuses what says that it is something else; senders are seldom exact beyond that."""
    said = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    wanted = {format.content_type.partition(";")[0].strip().lower() for format in choice}
    if said in _ANYTHING or said in wanted:
        return
    kinds = {family for family in _FAMILIES for media in wanted if media.endswith(family)}
    others = wanted - {media for media in wanted if media.endswith(_FAMILIES)}
    if any(said.endswith(kind) for kind in kinds) or (
        others and said.startswith(("text/", "application/edi"))
    ):
        return
    names = " or ".join(sorted(wanted))
    raise Refusal(415, f"Content-Type {said[:60]} is not {names}", headers={"Accept-Post": names})


def create(settings: Settings, parties: Parties, outlet: Outlet) -> FastAPI:
    """The application.

    Args:
        settings: Limits.
        parties: Who may send.
        outlet: The way to Kafka; the application closes it when it ends.
    """
    gateway = Gateway(settings, parties, outlet)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        # a request that comes back from a thread must not wait 5 ms for one that decodes
        sys.setswitchinterval(0.001)
        yield
        gateway.close()
        await asyncio.to_thread(outlet.close)

    app = FastAPI(
        title="corridor push gateway",
        version="1",
        summary="Send tracking messages in the format that you have.",
        description=reference.DESCRIPTION,
        lifespan=lifespan,
        redirect_slashes=False,
    )
    app.state.limit = settings.push_bytes
    app.state.captures = Captures()
    styles: dict[str, Style] = {}
    for endpoint in ENDPOINTS:
        styles[endpoint.path] = endpoint.style
        app.add_api_route(
            endpoint.path,
            _handler(gateway, endpoint),
            methods=["POST"],
            **reference.of_endpoint(endpoint),
        )
    _add_epcis(app, gateway)
    _add_rest(app, gateway)
    app.add_middleware(Around)
    return app


def _handler(gateway: Gateway, endpoint: Endpoint) -> Callable[[Request], Awaitable[Response]]:
    async def push(request: Request) -> Response:
        request.state.endpoint = endpoint.path
        try:
            sent = await gateway.take(request, endpoint)
            response = endpoint.style.done(request, sent)
            structlog.contextvars.bind_contextvars(
                format=sent.format.name,
                accepted=len(sent.taken.accepted),
                rejected=len(sent.taken.rejected),
            )
        except Refusal as refusal:
            response = endpoint.style.refused(request, refusal)
            if refusal.rejected:
                structlog.contextvars.bind_contextvars(rejected=len(refusal.rejected))
        except ClientDisconnect:
            response = Response(status_code=499)  # nobody reads it; it is for the log
        response.headers.update(getattr(request.state, "headers", {}))
        return response

    return push


def _add_epcis(app: FastAPI, gateway: Gateway) -> None:
    """What the capture interface has beside its two addresses for events."""
    if not any(endpoint.family == "epcis" for endpoint in ENDPOINTS):
        return

    def answer(content: Any) -> Response:
        headers = answers.epcis_headers(gateway.settings.push_bytes)
        return answers.json_response(200, content, headers=headers)

    @app.get("/epcis/capture", tags=["epcis"], summary="The capture jobs that are remembered")
    async def jobs(request: Request) -> Response:
        try:
            party = gateway.party(request)
        except Refusal as refusal:
            return answers.epcis_refused(request, refusal)
        captures: Captures = app.state.captures
        return answer([job.to_json() for job in captures.of(party.id)[:30]])

    @app.get("/epcis/capture/{capture}", tags=["epcis"], summary="What became of a capture")
    async def job(request: Request, capture: str) -> Response:
        captures: Captures = app.state.captures
        try:
            found = captures.find(capture, gateway.party(request).id)
            if found is None:
                detail = (
                    "this gateway does not remember the job: jobs are forgotten at a restart and"
                    " after some thousand others. What was answered with 202 is captured"
                )
                raise Refusal(404, detail)
        except Refusal as refusal:
            return answers.epcis_refused(request, refusal)
        return answer(found.to_json())

    async def options(request: Request) -> Response:
        headers = answers.epcis_headers(gateway.settings.push_bytes)
        allow = {"/epcis": "OPTIONS", "/epcis/events": "OPTIONS, POST"}
        headers["Allow"] = allow.get(request.url.path, "GET, OPTIONS, POST")
        return Response(status_code=204, headers=headers)

    for path in ("/epcis", "/epcis/capture", "/epcis/events"):
        app.add_api_route(
            path, options, methods=["OPTIONS"], tags=["epcis"], summary="What the server supports"
        )


def _add_rest(app: FastAPI, gateway: Gateway) -> None:
    @app.get("/health", tags=["operations"], summary="Whether messages are taken now")
    async def health() -> Response:
        trouble = gateway.outlet.trouble
        content = {"status": "unavailable", "detail": trouble} if trouble else {"status": "ok"}
        return answers.json_response(503 if trouble else 200, content)

    @app.head("/dcsa/tnt/v2/events", include_in_schema=False)
    async def callback_exists() -> Response:
        return Response(status_code=204)

    @app.exception_handler(HTTPException)
    async def unknown(request: Request, error: HTTPException) -> Response:
        detail = f"{request.method} {request.url.path}: see /docs"
        headers = dict(error.headers or {})
        return answers.problem(request, Refusal(error.status_code, detail, headers=headers))


class Around:
    """Around every request: its id, its time, its line in the log, and bounds of its address."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1")
        id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=id)
        began = time.perf_counter()
        status = 500
        started = False

        async def answer(message: Message) -> None:
            nonlocal status, started
            if message["type"] == "http.response.start":
                started = True
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", id.encode())]
            await send(message)

        try:
            if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > TARGET_BYTES:
                refusal = Refusal(414, f"an address may have {TARGET_BYTES:,} characters")
                await answers.problem(Request(scope), refusal)(scope, receive, answer)
            else:
                await self._app(scope, receive, answer)
        except Exception:
            log.exception("request failed")
            if not started:
                refusal = Refusal(500, "something is wrong here; nothing is promised of a message")
                await answers.problem(Request(scope), refusal)(scope, receive, answer)
        finally:
            endpoint = scope.get("state", {}).get("endpoint", "other")
            seconds = time.perf_counter() - began
            PUSHES.labels(endpoint, status).inc()
            PUSH_SECONDS.labels(endpoint).observe(seconds)
            log.info(
                "request",
                method=scope["method"],
                endpoint=endpoint,
                status=status,
                seconds=round(seconds, 4),
            )
