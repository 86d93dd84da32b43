"""TAF TSI: train running information and forecast."""

from xml.sax.saxutils import escape

from producers.simulator.statements import Statement, text

TAF_TSI = "taf-tsi"
STATUSES = {"ARRIVED": "03", "DEPARTED": "04"}
_CAUSES = {"WEA": "83", "ANA": "81", "STR": "80"}
_ROOTS = {
    "ACTUAL": "TrainRunningInformationMessage",
    "ESTIMATED": "TrainRunningForecastMessage",
}
_DELETION, _CREATION = "3", "1"


def encode(statement: Statement) -> bytes:
    """What a train did, or is expected to do, at one place."""
    root = _ROOTS[statement.classifier]
    number, _, day = (statement.run_id or "").rpartition("-")
    node = (statement.node_id or "").replace("-", "")
    status = _DELETION if statement.retracted else _CREATION
    cause = next((_CAUSES[reason] for reason in statement.reasons if reason in _CAUSES), None)
    delay = f"<TrainDelay><DelayReason>{cause}</DelayReason></TrainDelay>" if cause else ""
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<{root} xmlns="http://taf-jsg.info/schemes">
  <MessageHeader>
    <MessageReference>
      <MessageType>4005</MessageType>
      <MessageIdentifier>{escape(statement.name)}</MessageIdentifier>
      <MessageDateTime>{text(statement.updated)}</MessageDateTime>
    </MessageReference>
    <Sender>{escape(statement.party)}</Sender>
    <Recipient>0000</Recipient>
  </MessageHeader>
  <MessageStatus>{status}</MessageStatus>
  <TrainOperationalIdentification>
    <TransportOperationalIdentifiers>
      <ObjectType>TR</ObjectType>
      <Company>0000</Company>
      <Core>{escape(number)}</Core>
      <Variant>00</Variant>
      <TimetableYear>{day[:4]}</TimetableYear>
      <StartDate>{day[:4]}-{day[4:6]}-{day[6:]}</StartDate>
    </TransportOperationalIdentifiers>
  </TrainOperationalIdentification>
  <OperationalTrainNumberIdentifier>
    <OperationalTrainNumber>{escape(number)}</OperationalTrainNumber>
  </OperationalTrainNumberIdentifier>
  <TrainLocationReport>
    <Location>
      <CountryCodeISO>{node[:2]}</CountryCodeISO>
      <LocationPrimaryCode>{node[2:]}</LocationPrimaryCode>
    </Location>
    <LocationDateTime>{text(statement.time)}</LocationDateTime>
    <TrainLocationStatus>{STATUSES[statement.code]}</TrainLocationStatus>
    {delay}
  </TrainLocationReport>
</{root}>
""".encode()
