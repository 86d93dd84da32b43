"""Customs: decisions of single windows, and TIR transports in the eTIR international system."""

from producers.customs.etir import ETIR
from producers.customs.single_window import SINGLE_WINDOW

FORMATS = (SINGLE_WINDOW, ETIR)
