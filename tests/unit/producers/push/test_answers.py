"""Each standard's API is answered in its own words; the messages are small, one of each."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from producers.push.captures import Captures
from tests.unit.producers.push.fakes import World, gateway

DCSA = {
    "eventID": "e1",
    "eventCreatedDateTime": "2026-11-24T09:00:00Z",
    "eventType": "EQUIPMENT",
    "eventClassifierCode": "ACT",
    "eventDateTime": "2026-11-24T08:30:00+08:00",
    "equipmentEventTypeCode": "GTIN",
    "equipmentReference": "CSQU3054383",
    "eventLocation": {"UNLocationCode": "CNCKG"},
}
NO_DCSA = DCSA | {"equipmentEventTypeCode": "NOPE"}
EPCIS_EVENT = {
    "@context": "https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld",
    "type": "ObjectEvent",
    "eventID": "urn:uuid:0f1d2c3b-0000-4000-8000-000000000001",
    "eventTime": "2026-11-24T08:30:00+08:00",
    "eventTimeZoneOffset": "+08:00",
    "epcList": ["urn:epc:id:bic:CSQU3054383"],
    "action": "OBSERVE",
    "bizStep": "departing",
    "readPoint": {"id": "https://id.corridor.example/node/CNCKG"},
}
NO_EPCIS = EPCIS_EVENT | {"eventTime": "noon"}
ONE_RECORD = {
    "@context": {"@vocab": "https://onerecord.iata.org/ns/cargo#"},
    "@type": "LogisticsEvent",
    "eventCode": {"@type": "CodeListElement", "code": "DEP"},
    "eventDate": "2026-11-24T08:30:00+08:00",
    "eventTimeType": "ACTUAL",
    "eventFor": {
        "@type": "Waybill",
        "waybillPrefix": "784",
        "waybillNumber": "12345675",
    },
    "eventLocation": {"@type": "Location", "locationCode": "CKG"},
}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with gateway(tmp_path) as world:
        yield world


def document(*events: dict[str, Any]) -> dict[str, Any]:
    return {
        "@context": EPCIS_EVENT["@context"],
        "type": "EPCISDocument",
        "schemaVersion": "2.0",
        "creationDate": "2026-11-24T09:00:00Z",
        "epcisBody": {"eventList": [dict(event) for event in events]},
    }


def published(world: World) -> int:
    return len(world.kafka.confirmed) - len(world.kafka.dead_letters)


# DCSA 3.0 ----------------------------------------------------------------------------------------


def test_dcsa_3_is_answered_with_an_empty_response_when_all_is_well(world: World) -> None:
    answer = world.post("/dcsa/tnt/v3/events", json={"events": [DCSA]})
    assert (answer.status_code, answer.json()) == (200, {})
    assert answer.headers["API-Version"] == "3.0.0"
    assert published(world) == 1


def test_dcsa_3_is_told_of_each_event_that_was_not_processed(world: World) -> None:
    answer = world.post("/dcsa/tnt/v3/events", json={"events": [DCSA, NO_DCSA]})
    assert answer.status_code == 200
    [element] = answer.json()["feedbackElements"]
    assert element["severity"] == "ERROR"
    assert element["propertyPath"].startswith("$.events[1]")
    assert "NOPE" in element["message"]


def test_dcsa_3_is_answered_with_an_error_when_nothing_was_processed(world: World) -> None:
    answer = world.post("/dcsa/tnt/v3/events", json={"events": [NO_DCSA]})
    assert answer.status_code == 422
    assert answer.json()["feedbackElements"][0]["severity"] == "ERROR"


def test_dcsa_3_hears_even_of_its_token_in_feedback_elements(world: World) -> None:
    answer = world.client.post("/dcsa/tnt/v3/events", json={})
    assert answer.status_code == 401
    assert "Authorization" in answer.json()["feedbackElements"][0]["message"]


# DCSA 2.2 ----------------------------------------------------------------------------------------


def test_dcsa_2_is_answered_with_204(world: World) -> None:
    assert world.post("/dcsa/tnt/v2/events", json=[DCSA]).status_code == 204


def test_dcsa_2_is_told_what_was_left_out(world: World) -> None:
    answer = world.post("/dcsa/tnt/v2/events", json=[DCSA, NO_DCSA])
    assert answer.status_code == 200
    assert len(answer.json()["rejected"]) == 1


def test_dcsa_2_gets_the_error_of_its_error_domain(world: World) -> None:
    answer = world.post("/dcsa/tnt/v2/events", json=[NO_DCSA])
    error = answer.json()
    assert (error["httpMethod"], error["statusCode"]) == ("POST", answer.status_code)
    assert error["requestUri"].endswith("/dcsa/tnt/v2/events")
    assert "NOPE" in error["errors"][0]["message"]


def test_dcsa_2_can_see_that_the_callback_exists(world: World) -> None:
    assert world.client.head("/dcsa/tnt/v2/events").status_code == 204


# EPCIS -------------------------------------------------------------------------------------------


def capture(world: World, *events: dict[str, Any], behaviour: str | None = None) -> Any:
    headers = {} if behaviour is None else {"GS1-Capture-Error-Behaviour": behaviour}
    return world.post("/epcis/capture", json=document(*events), headers=headers)


def job(world: World, answer: Any) -> Any:
    headers = {"Authorization": f"Bearer {world.token}"}
    return world.client.get(answer.headers["Location"], headers=headers)


def test_a_capture_has_a_job_that_is_done(world: World) -> None:
    answer = capture(world, EPCIS_EVENT)
    assert answer.status_code == 202
    done = job(world, answer).json()
    assert (done["running"], done["success"], done["errors"]) == (False, True, [])
    assert done["captureErrorBehaviour"] == "rollback"
    assert done["createdAt"] <= done["finishedAt"]
    assert published(world) == 1


def test_a_capture_is_rolled_back_by_default(world: World) -> None:
    answer = capture(world, EPCIS_EVENT, NO_EPCIS)
    assert answer.status_code == 400
    assert answer.json()["type"] == "epcisException:ValidationException"
    assert len(answer.json()["errors"]) == 1
    assert published(world) == 0
    assert len(world.kafka.dead_letters) == 1


def test_a_capture_goes_on_after_an_error_where_that_is_asked_for(world: World) -> None:
    answer = capture(world, EPCIS_EVENT, NO_EPCIS, behaviour="proceed")
    assert answer.status_code == 202
    assert answer.headers["GS1-Capture-Error-Behaviour"] == "proceed"
    done = job(world, answer).json()
    assert done["success"] is False
    assert len(done["errors"]) == 1
    assert published(world) == 1


def test_no_other_behaviour_is_known(world: World) -> None:
    assert capture(world, EPCIS_EVENT, behaviour="hope").status_code == 400


def test_a_job_that_is_not_remembered_is_unknown_not_failed(world: World) -> None:
    headers = {"Authorization": f"Bearer {world.token}"}
    answer = world.client.get("/epcis/capture/unknown", headers=headers)
    assert answer.status_code == 404
    assert answer.json()["type"] == "epcisException:NoSuchResourceException"
    assert "202 is captured" in answer.json()["detail"]


def test_a_job_is_shown_only_to_its_party(world: World) -> None:
    answer = capture(world, EPCIS_EVENT)
    assert world.client.get(answer.headers["Location"]).status_code == 401
    id = answer.headers["Location"].rpartition("/")[2]
    captures: Captures = world.client.app.state.captures  # type: ignore[attr-defined]
    assert captures.find(id, "acme") is not None
    assert captures.find(id, "other") is None


def test_jobs_are_listed_newest_first(world: World) -> None:
    ids = [capture(world, EPCIS_EVENT).headers["Location"].rpartition("/")[2] for _ in range(3)]
    headers = {"Authorization": f"Bearer {world.token}"}
    listed = world.client.get("/epcis/capture", headers=headers).json()
    assert [one["captureID"] for one in listed] == ids[::-1]


def test_only_the_latest_jobs_are_remembered() -> None:
    now = datetime.now(UTC)
    captures = Captures(remembered=2)
    first, second, third = (captures.add("acme", "rollback", now, now, []) for _ in range(3))
    assert captures.find(first.id, "acme") is None
    assert captures.of("acme") == [third, second]


def test_one_event_is_created(world: World) -> None:
    answer = world.post("/epcis/events", json=EPCIS_EVENT)
    assert answer.status_code == 201
    assert answer.headers["Location"].startswith("/epcis/events/")


@pytest.mark.parametrize("path", ["/epcis", "/epcis/capture", "/epcis/events"])
def test_what_the_server_supports_can_be_asked(world: World, path: str) -> None:
    answer = world.client.options(path)
    assert answer.status_code == 204
    assert answer.headers["GS1-EPCIS-Version"] == "2.0.0"
    assert answer.headers["GS1-CBV-Version"] == "2.0.0"
    assert answer.headers["GS1-EPCIS-Capture-File-Size-Limit"] == "4000000"
    assert int(answer.headers["GS1-EPCIS-Capture-Limit"]) > 0
    assert answer.headers["GS1-Capture-Error-Behaviour"] == "rollback"


def test_a_document_that_is_too_large_is_a_capture_limit(tmp_path: Path) -> None:
    with gateway(tmp_path, push_bytes=1000) as world:
        answer = capture(world, *[EPCIS_EVENT] * 10)
        assert answer.status_code == 413
        assert answer.json()["type"] == "epcisException:CaptureLimitExceededException"


# ONE Record --------------------------------------------------------------------------------------

OBJECTS = "/onerecord/logistics-objects/784-12345675/logistics-events"
LD = {"Content-Type": "application/ld+json; version=2.2.0"}


def test_a_notification_is_answered_with_204(world: World) -> None:
    body = json.dumps(ONE_RECORD)
    answer = world.post("/onerecord/notifications", content=body, headers=LD)
    assert (answer.status_code, answer.content) == (204, b"")
    assert published(world) == 1


def test_an_event_of_a_logistics_object_is_created(world: World) -> None:
    answer = world.post(OBJECTS, content=json.dumps(ONE_RECORD), headers=LD)
    assert answer.status_code == 201
    assert answer.headers["Location"].startswith(OBJECTS + "/")
    assert answer.headers["Type"] == "https://onerecord.iata.org/ns/cargo#LogisticsEvent"


def test_an_event_that_names_no_object_is_of_the_one_in_its_address(world: World) -> None:
    event = {name: value for name, value in ONE_RECORD.items() if name != "eventFor"}
    assert world.post(OBJECTS, content=json.dumps(event), headers=LD).status_code == 201
    [(_, key, _)] = world.kafka.confirmed
    assert b"784-12345675" in key


def test_one_record_gets_its_own_error(world: World) -> None:
    wrong = ONE_RECORD | {"eventDate": "noon"}
    answer = world.post(OBJECTS, content=json.dumps(wrong), headers=LD)
    assert answer.status_code == 400
    assert answer.headers["Content-Type"].startswith("application/ld+json")
    error = answer.json()
    assert error["@type"] == "api:Error"
    assert "noon" in error["api:hasErrorDetail"][0]["api:hasMessage"]


# the rest ----------------------------------------------------------------------------------------


def test_a_format_is_told_by_its_content_where_several_may_come(world: World) -> None:
    world.post("/air/fsu", content=b"FSU/15\r\n784-12345670CKGFRA/T1K10\r\n")
    world.post("/air/fsu", content=b"<rsm:StatusMessage/>")
    letters = [json.loads(letter) for letter in world.kafka.dead_letters]
    assert [letter["origin"]["format"] for letter in letters] == ["fsu", "xfsu"]
