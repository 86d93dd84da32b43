"""Messages to begin with: those of the simulator, and the examples of the documentation."""

import re
from collections import defaultdict
from datetime import date
from pathlib import Path

from corridor.decoding import Rejected
from producers.adapter import Format
from producers.formats import FORMATS
from producers.simulator.drop import Drop
from producers.simulator.simulate import Parameters, simulate

CORRIDORS = ("ILSTC", "CRE", "YANGTZE", "CKG-AIR", "TIR")
PER_SENDER = 12
MORE = (
    b"UNB+UNOA:2+EXRAIL+CORRIDOR+261124:0830+1'UNH+1+IFTSTA:D:00B:UN'BGM+77+1+9'"
    b"DTM+137:202611240830:203'CNI+1+MTD0000001'STS+1+24'DTM+334:202611240800:203'"
    b"LOC+5+CNQZH'EQD+CN+CSQU3054383'UNT+8+1'UNZ+1+1'",
    b"UNB+UNOA:2+CUSTOMS-CN+CORRIDOR+261124:0830+2'UNH+1+CUSRES:D:96B:UN'BGM+962+1+9'"
    b"DTM+137:202611240830:203'LOC+22+CNQZH'GIS+4'DTM+9:202611240800:203'"
    b"RFF+ABT:DECL-1'EQD+CN+CSQU3054383'UNT+8+1'UNZ+1+2'",
    b'{"@context":{"cargo":"https://onerecord.iata.org/ns/cargo#"},"@type":"cargo:LogisticsEvent",'
    b'"cargo:eventCode":"DEP","cargo:eventDate":"2026-11-24T08:30:00Z","cargo:eventTimeType":'
    b'"ACTUAL","cargo:creationDate":"2026-11-24T08:31:00Z","cargo:eventFor":{"@type":'
    b'"cargo:Waybill","cargo:waybillPrefix":"999","cargo:waybillNumber":"12345675"},'
    b'"cargo:eventLocation":{"@type":"cargo:Location","cargo:locationCodes":[{"cargo:code":'
    b'"CKG","cargo:codeListName":"IATA"}]}}',
    b'{"issued_time":"2026-11-24T08:30:00Z","schedules":[{"carrierServiceName":"ILSTC 1",'
    b'"carrierServiceCode":"IL1","vesselSchedules":[{"vessel":{"vesselIMONumber":"9324215",'
    b'"name":"SILVER BAY"},"transportCalls":[{"transportCallReference":"1","portVisitReference":'
    b'"1","carrierExportVoyageNumber":"001S","location":{"UNLocationCode":"CNQZH"},"timestamps":'
    b'[{"eventTypeCode":"DEPA","eventClassifierCode":"PLN","eventDateTime":'
    b'"2026-12-01T08:00:00+08:00"}]},{"transportCallReference":"2","carrierImportVoyageNumber":'
    b'"001S","location":{"UNLocationCode":"SGSIN"},"timestamps":[{"eventTypeCode":"ARRI",'
    b'"eventClassifierCode":"EST","eventDateTime":"2026-12-07T08:00:00+08:00"}]}]}]}]}',
)
"""For formats of which neither has one."""
_BLOCK = re.compile(r"^```[a-z]*\n(.*?)^```", re.DOTALL | re.MULTILINE)
_DOCS = Path(__file__).parents[2] / "docs"


def corpus(directory: Path) -> dict[str, list[bytes]]:
    """Messages of each format, by its name.

    Args:
        directory: Where the simulator may write.
    """
    messages: dict[str, list[bytes]] = defaultdict(list)
    for corridor in CORRIDORS:
        folder = directory / corridor
        parameters = Parameters(corridor, 12, 7, date(2026, 1, 5), 20, "harsh")
        simulate(parameters, Drop(folder), lambda line: None)
        for sent in sorted(folder.glob("*/*")):
            paths = sorted(sent.iterdir())[:PER_SENDER]
            messages[sent.name] += [path.read_bytes() for path in paths]
    pages = (page.read_text() for page in sorted(_DOCS.glob("formats/*.md")))
    examples = [block.strip().encode() for page in pages for block in _BLOCK.findall(page)]
    for example in (*examples, *MORE):
        for format in FORMATS:
            if _reads(format, example):
                messages[format.name].append(example)
    messages["edifact"] += messages["codeco"] + messages["coarri"]
    messages["replay"] += [b'{"kind":"event",' + sent.strip()[1:] for sent in messages["event"]]
    return {format.name: messages[format.name] for format in FORMATS}


def _reads(format: Format, message: bytes) -> bool:
    return any(not isinstance(item, Rejected) for item in format.decode(message, "sender"))
