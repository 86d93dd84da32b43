"""What one EPCIS event comes to."""

from datetime import UTC, datetime
from typing import Any

import pytest

from corridor.codes import CODES, EventType, Mode, Reject
from corridor.decoding import Rejected
from corridor.models import TrackingEvent
from producers.epcis import vocabulary
from tests.unit.producers.epcis.messages import (
    BOX,
    LOCK,
    OTHER_BOX,
    QUAY,
    VESSEL,
    WRONG_BOX,
    event,
    events,
    family,
    fault,
    items,
    sensed,
    step,
)

ALL_STEPS = (
    "accepting arriving assembling collecting commissioning consigning creating_class_instance"
    " cycle_counting decommissioning departing destroying disassembling dispensing encoding"
    " entering_exiting holding inspecting installing killing loading other packing picking"
    " receiving removing repackaging repairing replacing reserving retail_selling sampling"
    " sensor_reporting shipping staging_outbound stock_taking stocking storing transporting"
    " unloading unpacking void_shipping"
).split()


@pytest.mark.parametrize("name", ALL_STEPS)
def test_every_business_step_of_the_standard_is_decided(name: str) -> None:
    decided = [vocabulary.STEPS, vocabulary.NEUTRAL, vocabulary.FOREIGN]
    assert sum(name in words for words in decided) == 1


def test_no_step_is_decided_that_the_standard_does_not_have() -> None:
    words = {*vocabulary.STEPS, *vocabulary.NEUTRAL, *vocabulary.FOREIGN}
    assert words == set(ALL_STEPS)


@pytest.mark.parametrize(
    "table",
    [
        vocabulary.STEPS,
        vocabulary.INTO_PARENT,
        vocabulary.DOORS,
        vocabulary.PAIRINGS,
        vocabulary.PACKED,
        vocabulary.CARRIED,
        vocabulary.ALARMS,
    ],
)
def test_every_meaning_is_in_our_vocabulary(table: dict[str, vocabulary.Meaning]) -> None:
    assert all(code in CODES[kind] for kind, code in table.values())


@pytest.mark.parametrize(
    ("name", "kind", "code"),
    [
        ("arriving", EventType.TRANSPORT, "ARRIVED"),
        ("receiving", EventType.TRANSPORT, "ARRIVED"),
        ("departing", EventType.TRANSPORT, "DEPARTED"),
        ("shipping", EventType.TRANSPORT, "DEPARTED"),
        ("void_shipping", EventType.TRANSPORT, "CANCELLED"),
        ("accepting", EventType.TRANSPORT, "HANDED_OVER"),
        ("consigning", EventType.TRANSPORT, "HANDED_OVER"),
        ("loading", EventType.EQUIPMENT, "LOADED"),
        ("unloading", EventType.EQUIPMENT, "DISCHARGED"),
        ("packing", EventType.EQUIPMENT, "STUFFED"),
        ("unpacking", EventType.EQUIPMENT, "STRIPPED"),
        ("inspecting", EventType.EQUIPMENT, "INSPECTED"),
        ("holding", EventType.SHIPMENT, "ON_HOLD"),
        ("storing", EventType.IOT, "BREADCRUMB"),
        (None, EventType.IOT, "BREADCRUMB"),
    ],
)
def test_a_step_of_a_container_is_an_event_of_ours(
    name: str | None, kind: EventType, code: str
) -> None:
    found = event(step(name))
    assert (found.event_type, found.code) == (kind, code)


@pytest.mark.parametrize(
    "spelling",
    [
        "arriving",
        "Arriving",
        "urn:epcglobal:cbv:bizstep:arriving",
        "https://ref.gs1.org/cbv/BizStep-arriving",
        "https://ns.gs1.org/cbv/BizStep-arriving",
        "cbv:BizStep-arriving",
    ],
)
def test_a_step_may_be_spelt_in_all_ways_of_the_standard(spelling: str) -> None:
    found = event(step(spelling))
    assert (found.code, found.attributes["biz_step"]) == ("ARRIVED", "arriving")


@pytest.mark.parametrize("name", sorted(vocabulary.FOREIGN))
def test_a_step_that_moves_nothing_is_unsupported_and_named(name: str) -> None:
    found = fault(step(name))
    assert (found.reason, found.field) == (Reject.UNSUPPORTED, "bizStep")
    assert name in found.detail


@pytest.mark.parametrize("name", ["teleporting", "https://example.com/voc/arriving"])
def test_a_step_that_the_standard_does_not_have_is_unknown_and_named(name: str) -> None:
    found = fault(step(name))
    assert (found.reason, found.field) == (Reject.UNKNOWN_CODE, "bizStep")
    assert name in found.detail


def test_a_neutral_step_without_place_says_nothing() -> None:
    assert fault(step("storing", readPoint=None)).reason is Reject.UNSUPPORTED


@pytest.mark.parametrize(
    ("disposition", "code"),
    [("container_closed", "DOOR_CLOSED"), ("urn:epcglobal:cbv:disp:container_open", "DOOR_OPENED")],
)
def test_a_disposition_tells_of_the_doors_where_the_step_is_neutral(
    disposition: str, code: str
) -> None:
    assert event(step("other", disposition=disposition)).code == code


def test_a_disposition_does_not_change_a_step() -> None:
    found = event(step("loading", disposition="https://ref.gs1.org/cbv/Disp-container_closed"))
    assert (found.code, found.attributes["disposition"]) == ("LOADED", "container_closed")


def test_an_action_that_the_standard_does_not_have_is_unknown() -> None:
    assert fault(step(action="REPLACE")).field == "action"


# -- who -----------------------------------------------------------------------------------------


def test_each_container_has_its_own_event_with_an_id_of_its_own() -> None:
    first, second = events(step(epcList=[BOX, OTHER_BOX]))
    assert (first.unit_id, second.unit_id) == ("CSQU3054383", "MSCU1234566")
    assert first.event_id != second.event_id


def test_the_ids_do_not_depend_on_the_order_of_the_list() -> None:
    there = {e.unit_id: e.event_id for e in events(step(epcList=[BOX, OTHER_BOX]))}
    back = {e.unit_id: e.event_id for e in events(step(epcList=[OTHER_BOX, BOX]))}
    assert there == back


def test_a_unit_that_is_listed_twice_counts_once() -> None:
    assert len(events(step(epcList=[BOX, BOX]))) == 1


def test_a_single_epc_may_stand_for_a_list() -> None:
    assert event(step(epcList=BOX)).unit_id == "CSQU3054383"


@pytest.mark.parametrize(
    "epc",
    [
        "urn:epc:id:bic:CSQU3054383",
        "URN:EPC:ID:BIC:csqu3054383",
        "urn:epc:id:giai:6901234.CSQU3054383",
        "urn:epc:id:grai:6901234.00001.CSQU3054383",
        "https://id.gs1.org/8004/6901234CSQU/x/CSQU3054383",
        "https://id.gs1.org/8003/06901234000012CSQU?box=CSQU3054383",
        "urn:example:container:CSQU%203054383",
        "https://terminal.example/containers/CSQU3054383",
        "CSQU 305438-3",
    ],
)
def test_a_container_number_is_found_in_an_epc(epc: str) -> None:
    assert event(step(epcList=[epc])).unit_id == "CSQU3054383"


@pytest.mark.parametrize("epc", [WRONG_BOX, "urn:epc:id:giai:6901234.CSQU3054384"])
def test_a_container_number_that_cannot_be_is_rejected(epc: str) -> None:
    found = items(step(epcList=[epc, OTHER_BOX]))
    assert (found[0].reason, found[0].field) == (Reject.BAD_CHECK_DIGIT, "epcList[0]")
    assert found[1].unit_id == "MSCU1234566"


def test_where_no_unit_is_left_the_shipment_does_not_speak_for_it() -> None:
    bill = [{"type": "bol", "bizTransaction": "B7"}]
    assert fault(step(epcList=[WRONG_BOX], bizTransactionList=bill)).reason is (
        Reject.BAD_CHECK_DIGIT
    )


@pytest.mark.parametrize(
    "epc",
    [
        "urn:epc:id:sscc:6901234.0000000017",
        "https://id.gs1.org/00/069012340000000178",
        "urn:epc:id:sgtin:6901234.000001.ABCU1234567",
        LOCK,
    ],
)
def test_another_epc_is_a_unit_as_it_is(epc: str) -> None:
    assert event(step(epcList=[epc])).unit_id == epc


def test_a_lot_is_followed_where_no_unit_is_named() -> None:
    lot = "urn:epc:class:lgtin:6901234.000001.L7"
    found = event(step(epcList=[], quantityList=[{"epcClass": lot, "quantity": 3, "uom": "KGM"}]))
    assert (found.unit_id, found.attributes["quantity"]) == (lot, 3)


def test_a_class_of_goods_is_not() -> None:
    goods = [{"epcClass": "urn:epc:idpat:sgtin:6901234.000001.*", "quantity": 3}]
    assert fault(step(epcList=[], quantityList=goods)).field == "quantityList"


def test_an_event_of_a_bill_of_lading_needs_no_unit() -> None:
    bill = [{"type": "bol", "bizTransaction": "COSU6123456780"}]
    found = event(step(type="TransactionEvent", epcList=[], bizTransactionList=bill))
    assert (found.subject, found.unit_id) == ("COSU6123456780", None)


def test_an_event_of_nothing_is_unsupported() -> None:
    assert fault(step(epcList=[])).field == "epcList"


def test_what_is_loaded_into_a_container_stuffs_the_container() -> None:
    found = event(family("AggregationEvent", "loading", childEPCs=["urn:epc:id:sscc:1.2"]))
    assert (found.unit_id, found.code) == ("CSQU3054383", "STUFFED")
    assert found.attributes["children"] == "urn:epc:id:sscc:1.2"


def test_containers_that_are_loaded_onto_a_vessel_are_the_units() -> None:
    first, second = events(
        family("AggregationEvent", "loading", parentID=VESSEL, childEPCs=[BOX, OTHER_BOX])
    )
    assert (first.unit_id, first.code, first.mode) == ("CSQU3054383", "LOADED", Mode.VESSEL)
    assert first.attributes["vessel_imo_number"] == "9176187"
    assert second.unit_id == "MSCU1234566"


@pytest.mark.parametrize(
    ("parent", "child", "action", "code"),
    [
        (BOX, "urn:epc:id:sscc:1.2", "ADD", "STUFFED"),
        (BOX, "urn:epc:id:sscc:1.2", "DELETE", "STRIPPED"),
        ("urn:epc:id:giai:1.WAGON7", BOX, "ADD", "LOADED"),
        ("urn:epc:id:giai:1.WAGON7", BOX, "DELETE", "DISCHARGED"),
        (BOX, "urn:epc:id:sscc:1.2", "OBSERVE", "BREADCRUMB"),
    ],
)
def test_the_action_of_an_aggregation_speaks_where_its_step_is_neutral(
    parent: str, child: str, action: str, code: str
) -> None:
    found = event(family("AggregationEvent", parentID=parent, childEPCs=[child], action=action))
    assert (found.unit_id, found.code) == ("CSQU3054383", code)


def test_an_aggregation_that_ends_may_leave_its_children_out() -> None:
    assert event(family("AggregationEvent", action="DELETE", childEPCs=None)).code == "STRIPPED"


def test_children_do_not_take_the_place_of_a_container_that_cannot_be() -> None:
    assert fault(family("AssociationEvent", parentID=WRONG_BOX)).field == "parentID"


def test_a_vessel_does_not_take_the_place_of_a_container_that_cannot_be() -> None:
    found = fault(family("AggregationEvent", "loading", parentID=VESSEL, childEPCs=[WRONG_BOX]))
    assert found.field == "childEPCs[0]"


@pytest.mark.parametrize(("action", "code"), [("ADD", "PAIRING"), ("DELETE", "UNPAIRING")])
def test_an_association_pairs_a_lock_with_a_container(action: str, code: str) -> None:
    found = event(family("AssociationEvent", "installing", action=action))
    assert (found.event_type, found.code) == (EventType.IOT, code)
    assert (found.unit_id, found.attributes["device_id"]) == ("CSQU3054383", LOCK)


def test_each_device_is_paired_by_itself() -> None:
    first, second = events(family("AssociationEvent", childEPCs=[LOCK, LOCK + "B"]))
    assert first.unit_id == second.unit_id
    assert first.event_id != second.event_id


def test_a_container_is_the_unit_though_the_lock_be_the_parent() -> None:
    found = event(family("AssociationEvent", parentID=LOCK, childEPCs=[BOX]))
    assert (found.unit_id, found.attributes["device_id"]) == ("CSQU3054383", LOCK)


def test_a_transformation_is_unsupported() -> None:
    found = fault(step("packing", type="TransformationEvent", outputEPCList=[BOX], epcList=None))
    assert found.reason is Reject.UNSUPPORTED


def test_a_vessel_without_imo_number_is_malformed() -> None:
    assert fault(step(epcList=["urn:epc:id:imovn:12"])).reason is Reject.MALFORMED


# -- where ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "place",
    [
        "https://vocabulary.uncefact.org/UNLOCODE#CNQZH",
        "https://example.com/unlocode/CNQZH",
        "urn:un:unlocode:CNQZH",
        "urn:unece:un-locode:cn-qzh",
        "CNQZH",
    ],
)
def test_a_un_locode_is_a_node(place: str) -> None:
    assert event(step(readPoint={"id": place})).node_id == "CNQZH"


@pytest.mark.parametrize("place", ["geo:21.683,108.647", "geo:21.683,108.647,12;crs=wgs84;u=30"])
def test_a_geo_uri_is_a_position(place: str) -> None:
    found = event(step(readPoint={"id": place}))
    assert (found.latitude, found.longitude) == (21.683, 108.647)


def test_a_geo_uri_of_another_reference_system_is_none() -> None:
    assert event(step(readPoint={"id": "geo:1,2;crs=moon"})).latitude is None


def test_a_place_may_be_a_bare_text() -> None:
    assert event(step(readPoint="geo:21.683,108.647")).latitude == 21.683


def test_the_business_location_adds_what_the_read_point_does_not_say() -> None:
    node = {"id": "urn:un:unlocode:CNQZH"}
    found = event(step(readPoint={"id": "geo:21.683,108.647"}, bizLocation=node))
    assert (found.latitude, found.node_id) == (21.683, "CNQZH")


def test_a_place_that_only_its_owner_knows_is_an_attribute() -> None:
    found = event(step())
    assert (found.node_id, found.attributes["read_point"]) == (None, QUAY)


def test_a_un_locode_that_does_not_exist_is_rejected() -> None:
    found = fault(step(readPoint={"id": "urn:un:unlocode:XXYYY"}))
    assert (found.reason, found.field) == (Reject.UNKNOWN_NODE, "readPoint")


def test_unless_another_place_is_known() -> None:
    found = event(
        step(readPoint={"id": "urn:un:unlocode:XXYYY"}, bizLocation={"id": "geo:21.6,108.6"})
    )
    assert found.latitude == 21.6


def test_a_position_that_is_not_on_earth_is_rejected() -> None:
    assert fault(step(readPoint={"id": "geo:121,8"})).reason is Reject.IMPOSSIBLE_POSITION


# -- when, and again -----------------------------------------------------------------------------


def test_the_time_is_kept_in_utc() -> None:
    assert event(step()).event_time == datetime(2026, 11, 24, 8, 30, tzinfo=UTC)


def test_a_time_without_offset_is_read_by_the_events_own() -> None:
    assert event(step(eventTime="2026-11-24T16:30:00")).event_time == event(step()).event_time


def test_without_either_it_is_malformed() -> None:
    found = fault(step(eventTime="2026-11-24T16:30:00", eventTimeZoneOffset=None))
    assert found.field == "eventTime"


def test_the_record_time_says_when_it_was_told() -> None:
    found = event(step(recordTime="2026-11-24T09:00:00Z"))
    assert found.updated_time == datetime(2026, 11, 24, 9, tzinfo=UTC)


@pytest.mark.parametrize("id", [None, "urn:uuid:0b8a4f6e-3c1d-4c27-9b46-3f1f1c6a0001"])
@pytest.mark.parametrize("reason", ["did_not_occur", "incorrect_data", None])
def test_an_error_declaration_retracts_the_event(id: str | None, reason: str | None) -> None:
    told = event(step(eventID=id, recordTime="2026-11-24T09:00:00Z"))
    declaration: dict[str, Any] = {"declarationTime": "2026-11-24T12:00:00Z", "reason": reason}
    error = event(step(eventID=id, errorDeclaration=declaration))
    assert error.retracted
    assert error.event_id == told.event_id
    assert error.updated_time > told.updated_time


def test_an_event_without_id_has_one_of_its_content() -> None:
    first, again = event(step(eventID=None)), event(step(eventID=None, recordTime=None))
    assert first.event_id == again.event_id
    assert event(step("departing", eventID=None)).event_id != first.event_id


# -- the rest ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("transaction", "number"),
    [
        ("urn:epcglobal:cbv:bt:6901234000017:COSU6123456780", "COSU6123456780"),
        ("https://carrier.example/bt/COSU6123456780", "COSU6123456780"),
        ("https://carrier.example/bol/COSU6123456780", "COSU6123456780"),
        ("urn:example:bt:COSU6123456780", "COSU6123456780"),
        ("COSU6123456780", "COSU6123456780"),
        ("urn:epc:id:gdti:6901234.00001.7", "urn:epc:id:gdti:6901234.00001.7"),
    ],
)
def test_the_bill_of_lading_is_the_shipment(transaction: str, number: str) -> None:
    bill = {"type": "https://ref.gs1.org/cbv/BTT-bol", "bizTransaction": transaction}
    order = {"type": "po", "bizTransaction": "urn:epcglobal:cbv:bt:6901234000017:PO1"}
    found = event(step(bizTransactionList=[order, bill]))
    assert found.shipment_id == number
    assert found.attributes["transaction_bol"] == transaction
    assert found.attributes["transaction_po"] == order["bizTransaction"]


def test_a_booking_is_the_shipment_where_there_is_no_bill() -> None:
    booking = {"type": "https://carrier.example/voc/booking", "bizTransaction": "BK7"}
    assert event(step(bizTransactionList=booking)).shipment_id == "BK7"


def test_what_we_have_no_field_for_is_an_attribute() -> None:
    found = event(
        step(
            disposition="in_transit",
            sourceList=[{"type": "owning_party", "source": "urn:epc:id:pgln:1.2"}],
            destinationList=[{"type": "location", "destination": "urn:epc:id:sgln:1.2.3"}],
            persistentDisposition={"set": ["damaged"]},
            certificationInfo=["https://example.com/c1"],
        )
    ).attributes
    assert found["disposition"] == "in_transit"
    assert found["source_owning_party"] == "urn:epc:id:pgln:1.2"
    assert found["destination_location"] == "urn:epc:id:sgln:1.2.3"
    assert found["persistent_disposition_set"] == "damaged"
    assert found["certification"] == "https://example.com/c1"
    assert found["event_time_zone_offset"] == "+08:00"


def test_null_means_absent() -> None:
    nulls = {"disposition": None, "sensorElementList": None, "errorDeclaration": None}
    assert event({**step(), **nulls}).code == "ARRIVED"


def test_sensor_data_of_a_step_that_moves_nothing_are_read_all_the_same() -> None:
    found = event(sensed({"type": "Temperature", "value": 4, "uom": "CEL"}, bizStep="repairing"))
    assert (found.code, found.attributes["biz_step"]) == ("MEASURED", "repairing")


def test_a_step_and_its_sensor_data_are_two_events() -> None:
    report = {"type": "Temperature", "value": 4, "uom": "CEL"}
    found = events(sensed(report, bizStep="inspecting"))
    assert [e.code for e in found] == ["INSPECTED", "MEASURED"]
    assert isinstance(found[0], TrackingEvent)
    assert not isinstance(found[1], Rejected)
