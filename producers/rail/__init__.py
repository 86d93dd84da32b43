"""Running information of trains: TRUST and TAF/TAP TSI."""

from producers.adapter import Format
from producers.rail.taf_tsi import FORMAT as TAF_TSI
from producers.rail.trust import FORMAT as TRUST

FORMATS: tuple[Format, ...] = (TRUST, TAF_TSI)
