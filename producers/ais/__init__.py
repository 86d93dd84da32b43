"""Ships by AIS: lines of NMEA 0183 from receivers."""

import re

from corridor import topics
from producers.adapter import Format
from producers.ais.reading import decode

_LINE = re.compile(rb"\A\s*(#[^\n]*\n\s*)*(\\[^\\\n]{1,200}\\)?![A-Z]{2}VD[MO],")

AIS = Format(
    "ais",
    "AIS in lines of NMEA 0183",
    decode,
    topics.IOT.name,
    "text/plain",
    lambda message: _LINE.match(message) is not None,
    by_line=False,
)
"""Not by line: a message may have several. ETAs also go to `tracking.iot`, beside the positions."""

FORMATS = (AIS,)
