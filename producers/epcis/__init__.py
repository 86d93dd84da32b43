"""GS1 EPCIS 2.0 (ISO/IEC 19987:2024) in JSON and JSON-LD, with CBV 2.0 (ISO/IEC 19988:2024)."""

from producers.epcis.documents import EPCIS

FORMATS = (EPCIS,)
