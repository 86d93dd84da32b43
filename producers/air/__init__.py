"""Air cargo: ONE Record, Cargo-XML XFSU, Cargo-IMP FSU."""

from producers.adapter import Format
from producers.air.fsu import FORMAT as FSU
from producers.air.one_record import FORMAT as ONE_RECORD
from producers.air.xfsu import FORMAT as XFSU

FORMATS: tuple[Format, ...] = (ONE_RECORD, XFSU, FSU)
