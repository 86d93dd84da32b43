"""Alerts: few, early, explained and resolved. Pure: no I/O but the packaged rules."""
