"""The gateway's promises, on a publisher without Kafka."""

import gzip
import json
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from corridor.settings import Settings
from producers.publisher import PublishError
from producers.push import app as gateway_app
from producers.push.endpoints import ENDPOINTS
from producers.push.outlet import Outlet
from producers.push.refusals import not_now
from tests.support import wait_until
from tests.unit.producers.push.fakes import World, gateway
from tests.unit.samples import EVENT, ITINERARY

IOT = "tracking.iot"
OWN = EVENT | {"source": "acme"}
BAD = OWN | {"code": "NOPE"}
PACKED = gzip.compress(b"{}", mtime=0)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with gateway(tmp_path) as world:
        yield world


def post(world: World, *events: dict[str, Any]) -> Any:
    return world.post("/events", json=list(events))


# what is promised -----------------------------------------------------------------------------


def test_202_says_that_kafka_has_it(world: World) -> None:
    answer = post(world, OWN)
    assert (answer.status_code, answer.json()) == (202, {"accepted": 1, "rejected": []})
    [(key, value)] = world.kafka.topic(IOT)
    assert key == OWN["unit_id"].encode()
    assert json.loads(value)["event_id"] == OWN["event_id"]


def test_nothing_is_promised_when_kafka_does_not_confirm(world: World) -> None:
    world.kafka.fail()
    answer = post(world, OWN)
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0


def test_a_kafka_that_hangs_is_not_waited_for_longer_than_promised(world: World) -> None:
    world.kafka.open.clear()
    answer = post(world, OWN)
    world.kafka.open.set()
    assert answer.status_code == 503


def test_after_a_failure_the_gateway_recovers_by_itself(world: World) -> None:
    world.kafka.fail()
    post(world, OWN)
    wait_until(lambda: len(world.publishers) == 2 and world.client.get("/health").is_success)
    assert post(world, OWN).status_code == 202
    assert world.publishers[0].closed


def test_health_says_that_kafka_cannot_be_reached(tmp_path: Path) -> None:
    def unreachable() -> Any:
        raise PublishError("no Kafka")

    outlet = Outlet(Settings(), open=unreachable)
    wait_until(lambda: outlet.trouble == "no Kafka", interval=0.001)
    outlet.close()


def test_one_flush_confirms_for_all_who_wait(world: World) -> None:
    world.kafka.open.clear()
    with ThreadPoolExecutor(20) as threads:
        answers = [threads.submit(post, world, OWN | {"event_id": str(n)}) for n in range(20)]
        wait_until(lambda: len(world.kafka.pending) == 20)
        world.kafka.open.set()
        assert {answer.result().status_code for answer in answers} == {202}
    assert world.kafka.flushes < 10
    assert len(world.kafka.topic(IOT)) == 20


# what is wrong --------------------------------------------------------------------------------


def test_what_is_good_is_accepted_and_what_is_bad_is_told_and_kept(world: World) -> None:
    answer = post(world, BAD, OWN)
    assert answer.status_code == 202
    [fault] = answer.json()["rejected"]
    assert (fault["reason"], fault["field"]) == ("UNKNOWN_CODE", "[0].code")
    assert "NOPE" in fault["detail"]
    assert len(world.kafka.topic(IOT)) == len(world.kafka.dead_letters) == 1


def test_a_dead_letter_says_who_sent_it_where_and_as_what(world: World) -> None:
    post(world, BAD)
    letter = json.loads(world.kafka.dead_letters[0])
    assert letter["source"] == "acme"
    assert letter["origin"] == {"format": "event", "channel": "/events"}


def test_a_message_of_which_nothing_can_be_used_is_a_422_and_is_kept(world: World) -> None:
    answer = post(world, BAD, BAD)
    assert answer.status_code == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert [fault["field"] for fault in answer.json()["rejected"]] == ["[0].code", "[1].code"]
    assert len(world.kafka.dead_letters) == 1


def test_what_is_no_message_at_all_is_a_400(world: World) -> None:
    assert world.post("/events", content=b"{").status_code == 400


def test_the_same_push_twice_is_the_same_records_twice(world: World) -> None:
    post(world, OWN, BAD)
    post(world, OWN, BAD)
    assert len(set(world.kafka.topic(IOT))) == 1
    letters = [json.loads(letter)["dead_letter_id"] for letter in world.kafka.dead_letters]
    assert len(letters) == 2
    assert len(set(letters)) == 1


@pytest.mark.parametrize(
    "media", ["image/png", "application/xml", "multipart/form-data; boundary=x"]
)
def test_what_says_that_it_is_something_else_is_a_415(world: World, media: str) -> None:
    answer = world.post("/events", content=b"{}", headers={"Content-Type": media})
    assert answer.status_code == 415


@pytest.mark.parametrize(
    "media", ["application/json; charset=utf-8", "text/plain", "application/vnd.acme+json", ""]
)
def test_media_types_are_not_taken_too_exactly(world: World, media: str) -> None:
    answer = world.post("/events", content=json.dumps(OWN), headers={"Content-Type": media})
    assert answer.status_code == 202


# who ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "authorization",
    ["", "Basic YTpi", "Bearer", "Bearer nonsense", "Bearer corridor_00000000_x", "Bearer ü"],
)
def test_who_does_not_prove_who_they_are_gets_a_401(world: World, authorization: str) -> None:
    headers = {"Authorization": authorization.encode("latin-1")}
    answer = world.client.post("/events", json=OWN, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_party_speaks_by_any_of_its_names(world: World) -> None:
    assert post(world, OWN | {"source": "ACMU"}).status_code == 202


def test_a_party_does_not_speak_in_another_name(world: World) -> None:
    assert post(world, OWN | {"source": "other"}).status_code == 403
    assert not world.kafka.topic(IOT)


def test_an_itinerary_needs_to_be_granted(world: World, tmp_path: Path) -> None:
    assert world.post("/itineraries", json=ITINERARY).status_code == 403
    with gateway(tmp_path / "other", formats=("itinerary",)) as granted:
        assert granted.post("/itineraries", json=ITINERARY).status_code == 202
        assert granted.post("/events", json=OWN).status_code == 403


# how much -------------------------------------------------------------------------------------


def test_a_message_may_be_as_large_as_is_set(tmp_path: Path) -> None:
    size = len(json.dumps(OWN))
    with gateway(tmp_path, push_bytes=1000) as world:
        padded = json.dumps(OWN) + " " * (1000 - size)
        assert world.post("/events", content=padded).status_code == 202
        assert world.post("/events", content=padded + " ").status_code == 413


def test_a_body_without_a_length_is_bounded_too(tmp_path: Path) -> None:
    with gateway(tmp_path, push_bytes=1000) as world:
        chunks = (b" " * 100 for _ in range(11))
        assert world.post("/events", content=chunks).status_code == 413


@pytest.mark.parametrize(
    ("name", "compress"),
    [
        ("gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("deflate", lambda text: zlib.compress(text, wbits=-15)),
        ("identity", lambda text: text),
    ],
)
def test_a_body_may_be_compressed(world: World, name: str, compress: Any) -> None:
    body = compress(json.dumps(OWN).encode())
    answer = world.post("/events", content=body, headers={"Content-Encoding": name})
    assert answer.status_code == 202


def test_what_expands_too_far_is_a_413(tmp_path: Path) -> None:
    with gateway(tmp_path, push_bytes=2000) as world:
        body = gzip.compress(b" " * 1_000_000)
        headers = {"Content-Encoding": "gzip"}
        assert world.post("/events", content=body, headers=headers).status_code == 413


@pytest.mark.parametrize(
    ("body", "name", "status"),
    [
        (PACKED[:-5], "gzip", 400),
        (PACKED + b"more", "gzip", 400),
        (b"{}", "gzip", 400),
        (b"{}", "br", 415),
    ],
)
def test_a_body_that_cannot_be_expanded_is_refused(
    world: World, body: bytes, name: str, status: int
) -> None:
    answer = world.post("/events", content=body, headers={"Content-Encoding": name})
    assert answer.status_code == status


def test_a_party_that_sends_too_much_is_told_when_to_go_on(tmp_path: Path) -> None:
    with gateway(tmp_path, push_per_minute=2) as world:
        assert post(world, OWN).headers["RateLimit-Remaining"] == "1"
        post(world, OWN)
        answer = post(world, OWN)
        assert answer.status_code == 429
        assert 1 <= int(answer.headers["Retry-After"]) <= 60
        assert answer.headers["RateLimit-Limit"] == "2"


def test_more_requests_than_there_is_room_for_are_a_503(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("producers.push.body.Room.entered", full)
    answer = post(world, OWN)
    assert answer.status_code == 503
    assert "Retry-After" in answer.headers


def full(room: Any) -> Any:
    raise not_now("full")


def test_a_long_address_is_a_414(world: World) -> None:
    assert world.post("/events?" + "x" * 2001, json=OWN).status_code == 414


# around ---------------------------------------------------------------------------------------


def test_a_request_keeps_the_id_that_it_came_with(world: World) -> None:
    answer = world.post("/events", json=OWN, headers={"X-Request-Id": "abc-1"})
    assert answer.headers["X-Request-Id"] == "abc-1"


@pytest.mark.parametrize("id", ["", "a b", "x" * 129])
def test_a_request_without_a_usable_id_gets_one(world: World, id: str) -> None:
    answer = world.post("/events", json=OWN, headers={"X-Request-Id": id})
    assert len(answer.headers["X-Request-Id"]) == 32


def test_an_unknown_address_is_a_problem(world: World) -> None:
    answer = world.client.get("/nowhere")
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_an_unknown_format_names_those_that_there_are(world: World) -> None:
    answer = world.post("/messages/telex", json={})
    assert answer.status_code == 404
    assert "event" in answer.json()["detail"]


def test_a_fault_of_ours_in_a_request_is_a_500_that_promises_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway_app, "verdict", lambda taken: 1 / 0)
    assert post(world, OWN).status_code == 500


def test_every_address_is_described_with_its_token(world: World) -> None:
    described = world.client.get("/openapi.json").json()
    for endpoint in ENDPOINTS:
        assert described["paths"][endpoint.path]["post"]["security"] == [{"party": []}]
    assert "party" in described["components"]["securitySchemes"]


def test_the_log_has_neither_token_nor_payload(
    world: World, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level("DEBUG"):
        post(world, OWN | {"attributes": {"secret": "hush"}})
    said = caplog.text + "".join(capsys.readouterr())
    assert "hush" not in said
    assert world.token not in said
