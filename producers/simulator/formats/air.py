"""Air cargo: Cargo-IMP FSU, a telex with local times to the minute; Cargo-XML XFSU after it."""

from datetime import UTC, datetime
from xml.sax.saxutils import escape
from zoneinfo import ZoneInfo

from producers.simulator.formats.places import airport, zone
from producers.simulator.statements import Statement, text

FSU, XFSU = "fsu", "xfsu"
MODERN = frozenset({"LH"})
"""Airlines that send XML."""
STATUSES = {
    "DEPARTED": "DEP",
    "ARRIVED": "ARR",
    "GATED_IN": "RCS",
    "DISCHARGED": "RCF",
    "AVAILABLE_FOR_PICKUP": "NFD",
    "GATED_OUT": "DLV",
}
_MONTHS = "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split()
_CHANGES = {-1: "-P", 0: "", 1: "-N", 2: "-S", 3: "-T"}


def telex(statement: Statement) -> bytes:
    """One status, as FSU."""
    made = datetime.fromtimestamp(round(statement.updated), UTC)
    facts = statement.facts
    line = {"DEPARTED": _departure, "ARRIVED": _arrival}.get(statement.code, _other)(statement)
    airports = airport(str(facts["origin"])) + airport(str(facts["destination"]))
    return (
        f"UNB+UNOA:1+{statement.party}+CORRIDOR+{made:%y%m%d}:{made:%H%M}+1'\n"
        f"FSU/15\n{statement.unit_id}{airports}/T1K120\n{line}\n"
    ).encode()


def message(statement: Statement) -> bytes:
    """A departure or arrival, as XFSU."""
    facts = statement.facts
    end = "Departure" if statement.code == "DEPARTED" else "Arrival"
    due = text(float(facts["scheduled"]))
    departure = f"<ScheduledOccurrenceDateTime>{due}</ScheduledOccurrenceDateTime>"
    actual = (
        f"<{end}OccurrenceDateTime>{text(statement.time)}</{end}OccurrenceDateTime>"
        f"<{end}DateTimeTypeCode>A</{end}DateTimeTypeCode>"
    )
    here, there = str(facts["from"]), str(facts["to"])
    if end == "Departure":
        departure, here = actual + departure, statement.node_id or ""
    else:
        there = statement.node_id or ""
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<StatusMessage xmlns="iata:statusmessage:1">
  <MessageHeaderDocument>
    <ID>{escape(statement.name)}</ID>
    <TypeCode>785</TypeCode>
    <IssueDateTime>{text(statement.updated)}</IssueDateTime>
    <PurposeCode>{"Deletion" if statement.retracted else "Creation"}</PurposeCode>
    <VersionID>6.00</VersionID>
    <SenderParty><PrimaryID schemeID="C">{statement.party}</PrimaryID></SenderParty>
  </MessageHeaderDocument>
  <BusinessHeaderDocument><ID>{statement.unit_id}</ID></BusinessHeaderDocument>
  <MasterConsignment>
    <TotalPieceQuantity>1</TotalPieceQuantity>
    <TransportContractDocument><ID>{statement.unit_id}</ID></TransportContractDocument>
    <OriginLocation><ID>{airport(str(facts["origin"]))}</ID></OriginLocation>
    <FinalDestinationLocation>
      <ID>{airport(str(facts["destination"]))}</ID>
    </FinalDestinationLocation>
    <ReportedStatus>
      <ReasonCode>{STATUSES[statement.code]}</ReasonCode>
      <AssociatedStatusConsignment>
        <PieceQuantity>1</PieceQuantity>
        <TransportSplitDescription>T</TransportSplitDescription>
        <SpecifiedLogisticsTransportMovement>
          <ID>{facts["flight"]}</ID>
          <DepartureEvent>
            {departure}
            <OccurrenceDepartureLocation><ID>{airport(here)}</ID></OccurrenceDepartureLocation>
          </DepartureEvent>
          <ArrivalEvent>
            {"" if end == "Departure" else actual}
            <OccurrenceArrivalLocation><ID>{airport(there)}</ID></OccurrenceArrivalLocation>
          </ArrivalEvent>
        </SpecifiedLogisticsTransportMovement>
      </AssociatedStatusConsignment>
    </ReportedStatus>
  </MasterConsignment>
</StatusMessage>
""".encode()


def _departure(statement: Statement) -> str:
    facts = statement.facts
    here = zone(str(facts["from"]))
    due = _local(float(facts["scheduled"]), here)
    left = _local(statement.time, here)
    change = _CHANGES.get((left.date() - due.date()).days, "")
    route = f"{airport(statement.node_id or '')}{airport(str(facts['to']))}"
    return f"DEP/{facts['flight']}/{_day(due)}/{route}/T1K120/A{left:%H%M}{change}"


def _arrival(statement: Statement) -> str:
    facts = statement.facts
    came = _local(statement.time, zone(str(facts["to"])))
    due = _local(float(facts["scheduled"]), zone(str(facts["from"])))
    change = _CHANGES.get((due.date() - came.date()).days)
    there = airport(statement.node_id or "")
    # the first time is the departure's, by whose day the flight is known
    times = "" if change is None else f"/S{due:%H%M}{change}/A{came:%H%M}"
    return f"ARR/{facts['flight']}/{_day(came)}{came:%H%M}/{there}/T1K120{times}"


def _other(statement: Statement) -> str:
    code = STATUSES[statement.code]
    place = statement.node_id or ""
    time = _local(statement.time, zone(place))
    flight = (
        f"{statement.facts['flight']}/" if code == "RCF" and "flight" in statement.facts else ""
    )
    name = "/CONSIGNEE" if code in ("NFD", "DLV") else ""
    return f"{code}/{flight}{_day(time)}{time:%H%M}/{airport(place)}/T1K120{name}"


def _local(time: float, zone: str) -> datetime:
    return datetime.fromtimestamp(round(time), ZoneInfo(zone))


def _day(time: datetime) -> str:
    return f"{time.day:02d}{_MONTHS[time.month - 1]}"
