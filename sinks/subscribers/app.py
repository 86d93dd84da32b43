"""The gateway as an ASGI application: who, what of it is theirs, and what they want of it."""

import asyncio
import base64
import binascii
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, NamedTuple

import orjson
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from fastapi import Depends, FastAPI, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from corridor.codes import AlertKind, AlertState, Level, Order
from corridor.codes import Channel as ChannelType
from corridor.metrics import SUBSCRIBER_REQUESTS
from corridor.models import Filters, Id, Incident, SseSettings, Subscription, WebhookSettings
from corridor.parties import Parties, Party
from sinks.subscribers import orders, requests, signing
from sinks.subscribers.attempt import Channel
from sinks.subscribers.board import Board, Names, Standing
from sinks.subscribers.feed import Feed
from sinks.subscribers.guard import ForbiddenTargetError, check_url
from sinks.subscribers.matching import fits
from sinks.subscribers.sample import trial
from sinks.subscribers.stream import CLIENTS, Client, Hub
from sinks.subscribers.subscriptions import Subscriptions, new_id

BODY_BYTES = 256 * 1024
SUBSCRIPTIONS_EACH = 100
"""A party may have so many."""
REVISIONS_SHOWN = 500
READ_BACK_SECONDS = 5.0
_PROBLEM = "application/problem+json"

_log = structlog.get_logger("sinks.subscribers")

DESCRIPTION = """
What is wrong on the way of your shipments, and who wants to hear of it.

- **Who**: `Authorization: Bearer TOKEN`; `corridor parties add` makes tokens. You see what touches
  your own units, counted for you alone.
- **Live**: `/stream` is a stream of server-sent events; come back with `Last-Event-ID`.
- **Webhooks**: CloudEvents 1.0, signed by Standard Webhooks; answer 2xx, or hear of it again.
"""


class Reader(NamedTuple):
    """Who asks."""

    party: Party

    @property
    def id(self) -> str:
        """The party's."""
        return self.party.id

    @property
    def names(self) -> Names:
        """The party's."""
        return self.party.names


class Services(NamedTuple):
    """What the requests share."""

    board: Board
    subscriptions: Subscriptions
    feed: Feed
    producer: AIOKafkaProducer
    parties: Parties
    channels: Mapping[ChannelType, Channel]
    hub: Hub
    url: str
    private: bool
    trouble: Callable[[], str | None]


_BEARER = HTTPBearer(scheme_name="party", auto_error=False)
IncidentId = Annotated[str, Path(max_length=500)]
SubscriptionId = Annotated[str, Path(max_length=500)]
Ids = Annotated[list[Id] | None, Query(max_length=100)]
_REFUSED: dict[int | str, dict[str, Any]] = {
    status: {"model": requests.Problem, "content": {_PROBLEM: {}}, "description": text}
    for status, text in (
        (400, "Not a request that can be read"),
        (401, "Who are you?"),
        (404, "Nothing of yours has this id"),
        (413, "Too large"),
        (422, "Something in the request is wrong"),
        (503, "Not now"),
    )
}


def create(services: Services, lifespan: Callable[[], Any]) -> FastAPI:
    """The application.

    Args:
        services: What the requests share.
        lifespan: Makes what runs beside the requests, as an asynchronous context.
    """

    @asynccontextmanager
    async def around(app: FastAPI) -> AsyncIterator[None]:
        async with lifespan():
            yield

    app = FastAPI(
        title="corridor subscriber gateway",
        version="1",
        summary="Incidents, and who wants to hear of them.",
        description=DESCRIPTION,
        lifespan=around,
        redirect_slashes=False,
        responses=_REFUSED,
    )

    def reader(
        request: Request,
        bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)],
    ) -> Reader:
        if bearer is None or not bearer.credentials:
            raise _refusal(401, "send the header Authorization: Bearer TOKEN")
        party = services.parties.authenticate(bearer.credentials, datetime.now(UTC))
        if party is None:
            raise _refusal(401, "nobody has this token, or it has expired")
        structlog.contextvars.bind_contextvars(party=party.id)
        request.state.token = bearer.credentials
        return Reader(party)

    _add_incidents(app, services, reader)
    _add_subscriptions(app, services, reader)
    _add_stream(app, services, reader)
    _add_rest(app, services)
    app.add_middleware(Around)
    return app


# incidents ---------------------------------------------------------------------------------------


def _add_incidents(app: FastAPI, services: Services, reader: Callable[..., Reader]) -> None:
    board = services.board
    Who = Annotated[Reader, Depends(reader)]

    def find(id: str, who: Reader) -> tuple[Standing, Incident]:
        standing = board.standing(id)
        seen = None if standing is None else board.view(standing, who.id, who.names)
        if standing is None or seen is None:
            raise _refusal(404, "you have no incident with this id")
        return standing, seen

    @app.get("/incidents", tags=["incidents"])
    async def list_incidents(
        who: Who,
        state: Annotated[list[AlertState] | None, Query()] = None,
        kind: Annotated[list[AlertKind] | None, Query()] = None,
        level: Level = Level.MINOR,
        corridor_id: Ids = None,
        leg_id: Ids = None,
        node_id: Ids = None,
        unit_id: Ids = None,
        shipment_id: Ids = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
        cursor: Annotated[str | None, Query(max_length=1000)] = None,
    ) -> requests.IncidentPage:
        """What concerns you, the newest first; by default what stands."""
        states = set(state or (AlertState.OPEN, AlertState.CLEARING))
        filters = Filters(
            corridor_ids=tuple(corridor_id or ()),
            leg_ids=tuple(leg_id or ()),
            node_ids=tuple(node_id or ()),
            kinds=tuple(kind or ()),
            level=level,
            unit_ids=tuple(unit_id or ()),
            shipment_ids=tuple(shipment_id or ()),
        )
        before = None if cursor is None else _cursor(cursor)
        found = [
            seen
            for id in board.ids(who.names)
            if (standing := board.standing(id)) is not None
            and (seen := board.view(standing, who.id, who.names)) is not None
            and seen.state in states
            and fits(filters, seen)
            and (before is None or _place(seen) < before)
        ]
        found.sort(key=_place, reverse=True)
        page = found[:limit]
        more = _cursor_of(page[-1]) if len(found) > limit else None
        return requests.IncidentPage(incidents=tuple(page), next=more)

    @app.get("/incidents/{incident_id}", tags=["incidents"])
    async def get_incident(who: Who, incident_id: IncidentId) -> Incident:
        """What it is now, as far as it concerns you."""
        return find(incident_id, who)[1]

    @app.get("/incidents/{incident_id}/history", tags=["incidents"])
    async def get_history(who: Who, incident_id: IncidentId) -> requests.History:
        """What it was before."""
        find(incident_id, who)
        entries = board.revisions(incident_id)[-REVISIONS_SHOWN:]
        revisions = [
            _revision(seen)
            for entry in entries
            if (seen := board.see(entry.incident, who.id, who.names)) is not None
        ]
        return requests.History(
            incident_id=incident_id,
            complete=bool(entries) and entries[0].incident.revision == 1,
            revisions=tuple({one.revision: one for one in revisions}.values()),
        )

    async def give(
        who: Reader, id: str, what: Order, asked: requests.Ack, until: datetime | None = None
    ) -> requests.Ordered:
        standing, _ = find(id, who)
        command = orders.order(
            standing.incident,
            what,
            party=who.id,
            by=asked.by or who.id,
            until=until,
            comment=asked.comment,
        )
        await _kafka(orders.give(services.producer, command))
        return requests.Ordered(command_id=command.command_id)

    @app.post("/incidents/{incident_id}/ack", status_code=202, tags=["incidents"])
    async def acknowledge(
        who: Who, incident_id: IncidentId, asked: requests.Ack | None = None
    ) -> requests.Ordered:
        """Somebody of yours sees to it: no reminders."""
        return await give(who, incident_id, Order.ACK, asked or requests.Ack())

    @app.delete("/incidents/{incident_id}/ack", status_code=202, tags=["incidents"])
    async def take_back_acknowledgement(who: Who, incident_id: IncidentId) -> requests.Ordered:
        """Nobody sees to it."""
        return await give(who, incident_id, Order.UNACK, requests.Ack())

    @app.post("/incidents/{incident_id}/silence", status_code=202, tags=["incidents"])
    async def silence(
        who: Who, incident_id: IncidentId, asked: requests.Silence | None = None
    ) -> requests.Ordered:
        """No messages of it to you, until a time."""
        asked = asked or requests.Silence()
        return await give(who, incident_id, Order.SILENCE, asked, asked.until)

    @app.delete("/incidents/{incident_id}/silence", status_code=202, tags=["incidents"])
    async def end_silence(who: Who, incident_id: IncidentId) -> requests.Ordered:
        """Messages again."""
        return await give(who, incident_id, Order.UNSILENCE, requests.Ack())


def _place(incident: Incident) -> tuple[str, str]:
    return incident.changed_time.isoformat(), incident.incident_id


def _cursor_of(incident: Incident) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(_place(incident))).decode()


def _cursor(text: str) -> tuple[str, str]:
    try:
        time, id = orjson.loads(base64.urlsafe_b64decode(text))
    except (binascii.Error, ValueError, TypeError):
        raise _refusal(422, "cursor: not one that was given") from None
    if not isinstance(time, str) or not isinstance(id, str):
        raise _refusal(422, "cursor: not one that was given")
    return time, id


def _revision(seen: Incident) -> requests.Revision:
    return requests.Revision(
        revision=seen.revision,
        as_of=seen.as_of,
        state=seen.state,
        level=seen.level,
        late=seen.late,
        reason=seen.reason,
        unit_count=seen.unit_count,
        shipment_count=seen.shipment_count,
    )


# subscriptions -----------------------------------------------------------------------------------


def _add_subscriptions(app: FastAPI, services: Services, reader: Callable[..., Reader]) -> None:
    subscriptions = services.subscriptions
    Who = Annotated[Reader, Depends(reader)]

    def find(id: str, who: Reader) -> Subscription:
        found = subscriptions.get(id)
        if found is None or found.party != who.id:
            raise _refusal(404, "you have no subscription with this id")
        return found

    async def write(id: str, subscription: Subscription | None) -> None:
        offset = await _kafka(subscriptions.write(id, subscription))
        if not await services.feed.reached(offset, READ_BACK_SECONDS):
            raise _refusal(503, "it is kept, but it is not read back yet")

    def check(asked: requests.SubscriptionAsked) -> None:
        if isinstance(asked.channel, requests.WebhookAsked):
            try:
                check_url(asked.channel.url, private=services.private)
            except ForbiddenTargetError as error:
                raise _refusal(422, f"channel.url: {error}") from None

    @app.get("/subscriptions", tags=["subscriptions"])
    async def list_subscriptions(who: Who) -> list[requests.SubscriptionShown]:
        """Yours."""
        return [requests.shown(one) for one in subscriptions.of(who.id)]

    @app.post("/subscriptions", status_code=201, tags=["subscriptions"])
    async def subscribe(who: Who, asked: requests.SubscriptionAsked) -> requests.SubscriptionMade:
        """Hear of what stands and of what comes. A webhook's secret is shown this once."""
        check(asked)
        if len(subscriptions.of(who.id)) >= SUBSCRIPTIONS_EACH:
            raise _refusal(422, f"a party may have {SUBSCRIPTIONS_EACH} subscriptions")
        made = requests.build(asked, id=new_id(), party=who.id, now=datetime.now(UTC))
        await write(made.subscription_id, made)
        secret = made.channel.secrets[0] if isinstance(made.channel, WebhookSettings) else None
        return requests.SubscriptionMade(**dict(requests.shown(made)), secret=secret)

    @app.get("/subscriptions/{subscription_id}", tags=["subscriptions"])
    async def get_subscription(
        who: Who, subscription_id: SubscriptionId
    ) -> requests.SubscriptionShown:
        """One of yours."""
        return requests.shown(find(subscription_id, who))

    @app.put("/subscriptions/{subscription_id}", tags=["subscriptions"])
    async def change_subscription(
        who: Who, subscription_id: SubscriptionId, asked: requests.SubscriptionAsked
    ) -> requests.SubscriptionShown:
        """Changes one; what could not be delivered is tried again at once."""
        old = find(subscription_id, who)
        check(asked)
        new = requests.build(
            asked, id=subscription_id, party=who.id, now=datetime.now(UTC), old=old
        )
        await write(subscription_id, new)
        return requests.shown(new)

    @app.delete("/subscriptions/{subscription_id}", status_code=204, tags=["subscriptions"])
    async def unsubscribe(who: Who, subscription_id: SubscriptionId) -> Response:
        """Hear no more."""
        find(subscription_id, who)
        await write(subscription_id, None)
        return Response(status_code=204)

    @app.post("/subscriptions/{subscription_id}/replay", status_code=202, tags=["subscriptions"])
    async def replay(who: Who, subscription_id: SubscriptionId) -> requests.SubscriptionShown:
        """Tries again, now, whatever has failed or been given up, and switches it on."""
        again = find(subscription_id, who).model_copy(
            update={"enabled": True, "disabled_reason": None, "updated_time": datetime.now(UTC)}
        )
        await write(subscription_id, again)
        return requests.shown(again)

    @app.post("/subscriptions/{subscription_id}/test", tags=["subscriptions"])
    async def test(who: Who, subscription_id: SubscriptionId) -> requests.Tested:
        """Sends a message that says that it is a test, and tells what became of it."""
        found = find(subscription_id, who)
        channel = services.channels.get(found.channel.type)
        if channel is None:
            raise _refusal(422, "a stream is tested by opening it: GET /stream")
        attempt = await channel.send(found, trial(found, services.url))
        return requests.Tested(
            outcome=str(attempt.outcome), status_code=attempt.status_code, detail=attempt.detail
        )

    async def with_secrets(
        who: Reader, id: str, change: Callable[[tuple[str, ...]], tuple[str, ...]]
    ) -> WebhookSettings:
        old = find(id, who)
        if not isinstance(old.channel, WebhookSettings):
            raise _refusal(422, "only webhooks are signed")
        secrets = change(old.channel.secrets)
        channel = old.channel.model_copy(update={"secrets": secrets})
        await write(
            id, old.model_copy(update={"channel": channel, "updated_time": datetime.now(UTC)})
        )
        return channel

    @app.post("/subscriptions/{subscription_id}/secret", status_code=201, tags=["subscriptions"])
    async def rotate_secret(who: Who, subscription_id: SubscriptionId) -> requests.Secret:
        """A new secret; messages are signed with it and with the one before."""
        channel = await with_secrets(
            who, subscription_id, lambda secrets: (signing.new_secret(), secrets[0])
        )
        return requests.Secret(secret=channel.secrets[0])

    @app.delete("/subscriptions/{subscription_id}/secret", status_code=204, tags=["subscriptions"])
    async def drop_former_secret(who: Who, subscription_id: SubscriptionId) -> Response:
        """Ends a rotation: messages are signed with the newest secret alone."""
        await with_secrets(who, subscription_id, lambda secrets: secrets[:1])
        return Response(status_code=204)


# the stream --------------------------------------------------------------------------------------


def _add_stream(app: FastAPI, services: Services, reader: Callable[..., Reader]) -> None:
    Who = Annotated[Reader, Depends(reader)]

    @app.get(
        "/stream",
        tags=["incidents"],
        response_class=Response,
        responses={200: {"content": {"text/event-stream": {}}, "description": "Events"}},
    )
    async def stream(
        request: Request,
        who: Who,
        subscription: Annotated[str | None, Query(max_length=500)] = None,
    ) -> Response:
        """What stands, then each revision as it comes; by a subscription, only what that is about.

        Events: `incident` (a CloudEvent), `position` (no news, only a place to come back to), `gap`
        (something was missed; what stands follows). Come back with `Last-Event-ID`.
        """
        wanted = _everything(who.id)
        if subscription is not None:
            found = services.subscriptions.get(subscription)
            if found is None or found.party != who.id:
                raise _refusal(404, "you have no subscription with this id")
            wanted = found
        if len(services.hub.clients) >= CLIENTS:
            raise _refusal(503, "there are too many streams", {"Retry-After": "10"})
        token = request.state.token

        def allowed() -> bool:
            return services.parties.authenticate(token, datetime.now(UTC)) == who.party

        return Client(
            services.hub,
            party=who.id,
            names=who.names,
            subscription=wanted,
            last_event_id=request.headers.get("Last-Event-ID"),
            allowed=allowed,
        )


def _everything(party: str) -> Subscription:
    now = datetime.now(UTC)
    return Subscription(
        subscription_id="stream",
        party=party,
        channel=SseSettings(),
        created_time=now,
        updated_time=now,
    )


# around ------------------------------------------------------------------------------------------


def _add_rest(app: FastAPI, services: Services) -> None:
    @app.get("/health", tags=["operations"])
    async def health() -> Response:
        """Whether subscribers are told now."""
        trouble = services.trouble()
        content = {"status": "unavailable", "detail": trouble} if trouble else {"status": "ok"}
        return JSONResponse(content, 503 if trouble else 200)

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> Response:
        return _problem(error.status_code, str(error.detail), dict(error.headers or {}))

    @app.exception_handler(RequestValidationError)
    async def wrong(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return _problem(422, f"{where}: {first['msg']}"[:500], {})

    @app.exception_handler(Exception)
    async def fault(request: Request, error: Exception) -> Response:
        return _problem(500, "something is wrong here", {})


def _refusal(status: int, detail: str, headers: dict[str, str] | None = None) -> HTTPException:
    if status == 401:
        headers = {"WWW-Authenticate": 'Bearer realm="corridor"'}
    return HTTPException(status, detail, headers)


def _problem(status: int, detail: str, headers: Mapping[str, str]) -> Response:
    titles = {status: str(one["description"]) for status, one in _REFUSED.items()}
    content = {
        "type": "about:blank",
        "title": titles.get(status, "Refused"),
        "status": status,
        "detail": detail,
    }
    body = orjson.dumps(content, default=str, option=orjson.OPT_NON_STR_KEYS)
    return Response(body, status, headers, _PROBLEM)


async def _kafka(work: Any) -> Any:
    """Waits for Kafka, for as long as somebody waits for an answer.

    Raises:
        HTTPException: 503; it may be there or not.
    """
    try:
        async with asyncio.timeout(10):
            return await work
    except (KafkaError, TimeoutError) as error:
        _log.warning("not confirmed", error=repr(error))
        raise _refusal(503, "Kafka does not confirm; try again", {"Retry-After": "2"}) from None


class _TooLargeError(Exception):
    """A request's body is larger than any that makes sense."""


class Around:
    """Around every request: a bound of its body, and a count of what became of it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        structlog.contextvars.clear_contextvars()
        read = 0
        status = 500
        started = False

        async def bounded() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > BODY_BYTES:
                raise _TooLargeError
            return message

        async def counted(message: Message) -> None:
            nonlocal status, started
            if message["type"] == "http.response.start":
                status, started = message["status"], True
            await send(message)

        try:
            await self._app(scope, bounded, counted)
        except _TooLargeError:
            if not started:
                answer = _problem(413, f"at most {BODY_BYTES:,} bytes", {"Connection": "close"})
                await answer(scope, receive, counted)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            SUBSCRIBER_REQUESTS.labels(route, status).inc()
