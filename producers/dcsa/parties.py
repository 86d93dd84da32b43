"""Who speaks, and through whom."""

from producers.dcsa.blocks import Attributes, Block

_LIST = ("codeListProvider", "carrierCodeListProvider", "DCSAResponsibleAgencyCode")
_CARRIER_LISTS = ("SMDG", "NMFTA")
"""Code lists of carriers and terminals, the better first, where a party has several codes."""


def source(body: Block, sender: str) -> tuple[str, Attributes]:
    """The party that speaks: the originating ones, the publisher by its code, else the sender.

    Raises:
        Unusable: a code is no text.
    """
    routing = body.block("eventRouting")
    attributes: Attributes = {}
    for attribute, names in (
        ("forwarding_parties", ("forwardingParties", "forwardingParty")),
        ("destination_parties", ("destinationParties", "destinationParty")),
    ):
        codes = [_code(party) for party in routing.blocks(*names)]
        if any(codes):
            attributes[attribute] = ", ".join(code for code in codes if code)
    parties = routing.blocks("originatingParties", "originatingParty")
    publisher = body.only("publisher")
    if not parties and publisher:
        attributes |= publisher.take({"publisher_name": ("partyName",)})
        attributes |= body.take({"publisher_role": ("publisherRole",)})
        parties = _publisher(publisher)
    speaking = [(code, party) for party in parties if (code := _code(party))]
    lists = [
        " ".join(part for part in (party.text(*_LIST), party.text("codeListName")) if part)
        for _, party in speaking
    ]
    functions = [str(word) for _, party in speaking if (word := party.scalar("partyFunction"))]
    if functions:
        attributes["source_function"] = ", ".join(functions)
    if any(lists):
        attributes["source_code_list"] = ", ".join(lists)
    return "+".join(code for code, _ in speaking) or sender, attributes


def _code(party: Block) -> str | None:
    return party.text("partyCode", "carrierCode")


def _publisher(publisher: Block) -> list[Block]:
    """The one code that a publisher is known by."""
    if _code(publisher):
        return [publisher]
    known = publisher.blocks("identifyingCodes")
    for provider in _CARRIER_LISTS:
        for code in known:
            if code.text(*_LIST) == provider:
                return [code]
    return known[:1]
