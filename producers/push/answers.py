"""How each standard's API says that a message was taken, or not. Policy as data: `Style`."""

import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import quote

import orjson
from starlette.requests import Request
from starlette.responses import Response

from corridor.decoding import Rejected
from corridor.models import TrackingEvent
from corridor.parties import Party
from producers.adapter import Format
from producers.intake import Taken
from producers.push.captures import Behaviour, Captures, epcis_error
from producers.push.refusals import Refusal

PROBLEM = "application/problem+json"
FAULTS_SAID = 1000
"""An answer names no more faults than this."""


class Sent(NamedTuple):
    """A message of which something is on Kafka."""

    party: Party
    format: Format
    taken: Taken
    began: datetime


class Style(NamedTuple):
    """How one API answers."""

    title: str
    status: int
    """When all is well."""
    done: Callable[[Request, Sent], Response]
    refused: Callable[[Request, Refusal], Response]
    whole: Callable[[Request], bool] = lambda request: False
    """Whether the sender asks for all or nothing."""


def json_response(
    status: int,
    content: Any,
    *,
    media: str = "application/json",
    headers: dict[str, str] | None = None,
) -> Response:
    """JSON."""
    return Response(orjson.dumps(content), status, headers, media)


def faults(rejected: Sequence[Rejected]) -> list[dict[str, Any]]:
    """What is wrong, in our own words."""
    return [
        {"reason": reason, "field": field, "detail": detail}
        for reason, field, detail in rejected[:FAULTS_SAID]
    ]


# our own ---------------------------------------------------------------------------------------


def _plain(request: Request, sent: Sent) -> Response:
    content: dict[str, Any] = {"accepted": len(sent.taken.accepted)}
    content["rejected"] = faults(sent.taken.rejected)
    return json_response(202, content)


def problem(request: Request, refusal: Refusal) -> Response:
    """RFC 9457."""
    content: dict[str, Any] = {
        "type": "about:blank",
        "title": refusal.title,
        "status": refusal.status,
        "detail": refusal.detail,
    }
    if refusal.rejected:
        content["rejected"] = faults(refusal.rejected)
    return json_response(refusal.status, content, media=PROBLEM, headers=refusal.headers)


PLAIN = Style("What was accepted, and what was not and why", 202, _plain, problem)

# DCSA Track & Trace 3.0.0, POST /events -----------------------------------------------------------

_DCSA_3 = {"API-Version": "3.0.0"}


def _feedback(rejected: Sequence[Rejected]) -> list[dict[str, str]]:
    elements = []
    for reason, field, detail in rejected[:FAULTS_SAID]:
        element = {"severity": "ERROR", "message": f"{reason}: {detail}"[:5000]}
        if field is not None:
            element["propertyPath"] = f"$.{field}"[:1000]
        elements.append(element)
    return elements


def _dcsa_3(request: Request, sent: Sent) -> Response:
    elements = _feedback(sent.taken.rejected)
    content = {"feedbackElements": elements} if elements else {}
    return json_response(200, content, headers=_DCSA_3)


def _dcsa_3_refused(request: Request, refusal: Refusal) -> Response:
    elements = _feedback(refusal.rejected) or [{"severity": "ERROR", "message": refusal.detail}]
    return json_response(
        refusal.status, {"feedbackElements": elements}, headers=refusal.headers | _DCSA_3
    )


DCSA_3 = Style("PostEventsResponse of DCSA T&T 3.0.0", 200, _dcsa_3, _dcsa_3_refused)

# DCSA Track & Trace 2.2, the callback of a subscription -------------------------------------------

_DCSA_2 = {"API-Version": "2.2.0"}


def _dcsa_2(request: Request, sent: Sent) -> Response:
    if not sent.taken.rejected:
        return Response(status_code=204, headers=_DCSA_2)
    # 204 has no room for what was left out
    response = _plain(request, sent)
    response.status_code = 200
    response.headers.update(_DCSA_2)
    return response


def _dcsa_2_refused(request: Request, refusal: Refusal) -> Response:
    """ERROR_DOMAIN 1.0.0, schema `error`."""
    named = refusal.rejected[:FAULTS_SAID]
    content = {
        "httpMethod": request.method,
        "requestUri": str(request.url),
        "errors": [
            {"reason": fault.reason, "message": f"{fault.field or 'message'}: {fault.detail}"}
            for fault in named
        ]
        or [{"reason": refusal.title, "message": refusal.detail}],
        "statusCode": refusal.status,
        "statusCodeText": HTTPStatus(refusal.status).phrase,
        "errorDateTime": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
    }
    return json_response(refusal.status, content, headers=refusal.headers | _DCSA_2)


DCSA_2 = Style("Callback of DCSA T&T 2.2", 204, _dcsa_2, _dcsa_2_refused)

# GS1 EPCIS 2.0, 12.6 (capture interface) ---------------------------------------------------------

BEHAVIOUR = "GS1-Capture-Error-Behaviour"
_SMALLEST_EVENT = 200
"""Bytes. No event is smaller, so that a document within the size limit is within this one."""

_EPCIS_TYPES = {
    401: "SecurityException",
    403: "SecurityException",
    404: "NoSuchResourceException",
    413: "CaptureLimitExceededException",
    415: "UnsupportedMediaTypeException",
    500: "ImplementationException",
    503: "ImplementationException",
}


def epcis_headers(limit: int, behaviour: Behaviour = "rollback") -> dict[str, str]:
    """What every answer of the capture interface says of the server.

    Args:
        limit: The most bytes of a document.
        behaviour: What is done about an error.
    """
    return {
        "GS1-EPCIS-Version": "2.0.0",
        "GS1-EPCIS-Min": "2.0.0",
        "GS1-EPCIS-Max": "2.0.0",
        "GS1-CBV-Version": "2.0.0",
        "GS1-EPCIS-Capture-Limit": str(limit // _SMALLEST_EVENT),
        "GS1-EPCIS-Capture-File-Size-Limit": str(limit),
        BEHAVIOUR: behaviour,
    }


def _limit(request: Request) -> int:
    return int(request.app.state.limit)


def behaviour(request: Request) -> Behaviour:
    """What a sender asks for: by the standard's default, all or nothing."""
    asked = request.headers.get(BEHAVIOUR, "rollback").strip().lower()
    if asked == "proceed":
        return "proceed"
    if asked == "rollback":
        return "rollback"
    raise Refusal(400, f"{BEHAVIOUR} must be rollback or proceed")


def _asks_for_rollback(request: Request) -> bool:
    return behaviour(request) == "rollback"


def _capture(request: Request, sent: Sent) -> Response:
    captures: Captures = request.app.state.captures
    asked = behaviour(request)
    job = captures.add(sent.party.id, asked, sent.began, datetime.now(UTC), sent.taken.rejected)
    headers = epcis_headers(_limit(request), asked)
    return Response(status_code=202, headers=headers | {"Location": f"/epcis/capture/{job.id}"})


def _captured_one(request: Request, sent: Sent) -> Response:
    item = sent.taken.accepted[0]
    id = quote(item.event_id if isinstance(item, TrackingEvent) else "", safe="")
    headers = epcis_headers(_limit(request)) | {"Location": f"/epcis/events/{id}"}
    return Response(status_code=201, headers=headers)


def epcis_refused(request: Request, refusal: Refusal) -> Response:
    """EPCIS 2.0, 12.5: a problem whose type is one of the standard's exceptions."""
    status = 400 if refusal.status == 422 else refusal.status
    content: dict[str, Any] = {
        "type": f"epcisException:{_EPCIS_TYPES.get(status, 'ValidationException')}",
        "title": refusal.title,
        "status": status,
        "detail": refusal.detail,
    }
    if refusal.rejected:
        content["errors"] = [epcis_error(fault) for fault in refusal.rejected[:FAULTS_SAID]]
    headers = epcis_headers(_limit(request)) | refusal.headers
    return json_response(status, content, media=PROBLEM, headers=headers)


EPCIS_CAPTURE = Style("Capture job of EPCIS 2.0", 202, _capture, epcis_refused, _asks_for_rollback)
EPCIS_EVENT = Style(
    "One captured event of EPCIS 2.0", 201, _captured_one, epcis_refused, lambda request: True
)

# IATA ONE Record API 2.2 --------------------------------------------------------------------------

_LD_JSON = "application/ld+json; version=2.2.0"
_API = "https://onerecord.iata.org/ns/api#"
_EVENT_TYPE = "https://onerecord.iata.org/ns/cargo#LogisticsEvent"


def _notified(request: Request, sent: Sent) -> Response:
    return Response(status_code=204)


def _logistics_event(request: Request, sent: Sent) -> Response:
    item = sent.taken.accepted[0]
    id = quote(item.event_id if isinstance(item, TrackingEvent) else "", safe="")
    headers = {"Location": f"{request.url.path}/{id}", "Type": _EVENT_TYPE}
    return Response(status_code=201, headers=headers, media_type=_LD_JSON)


def _one_record_refused(request: Request, refusal: Refusal) -> Response:
    """`api:Error`; the API knows no 422."""
    status = 400 if refusal.status == 422 else refusal.status
    said = [
        (str(fault.reason), fault.detail, fault.field) for fault in refusal.rejected[:FAULTS_SAID]
    ] or [(str(status), refusal.detail, None)]
    content = {
        "@context": {"api": _API, "@language": "en-US"},
        "@type": "api:Error",
        "@id": f"urn:uuid:{uuid.uuid4()}",
        "api:hasTitle": refusal.title,
        "api:hasErrorDetail": [
            {
                "@type": "api:ErrorDetail",
                "api:hasCode": code,
                "api:hasMessage": message,
                **({"api:hasProperty": field} if field else {}),
            }
            for code, message, field in said
        ],
    }
    headers = {"Content-Language": "en-US"} | refusal.headers
    return json_response(status, content, media=_LD_JSON, headers=headers)


ONE_RECORD_NOTIFICATION = Style("Notification of ONE Record", 204, _notified, _one_record_refused)
ONE_RECORD_EVENT = Style(
    "Logistics event of ONE Record", 201, _logistics_event, _one_record_refused
)
