"""Who bore a device when: for trackers and ships that know nothing but their own number.

A CSV file, in the order of its lines: `id,unit_id,run_id,shipment_id,mode,from,until`. `id` is what
a decoder calls a bearer that nobody names: `DEVICE:…`, `MMSI:…`; the prefix may be left out. Times
are ISO 8601 with an offset, from inclusive, until exclusive; empty: always. Of several lines that
fit, the last one is right, so that a file can be written by appending to it.
"""

import csv
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from corridor.codes import Classifier, Mode
from corridor.identity import derived_id
from corridor.models import TrackingEvent
from producers.adapter import Format, Item, Unusable, moment

PREFIXES = ("DEVICE:", "MMSI:")
SUBJECTS = ("unit_id", "run_id", "shipment_id")
_ALWAYS = datetime.min.replace(tzinfo=UTC)
_NEVER = datetime.max.replace(tzinfo=UTC)


class AssignmentsError(Exception):
    """The file cannot be used; the text names the line and says why."""


class Assignment(NamedTuple):
    """One line."""

    fields: dict[str, Any]
    begins: datetime
    ends: datetime


class Assignments:
    """The lines of a file, by id."""

    def __init__(self, path: Path | None = None) -> None:
        """Reads a file; without one, nothing is assigned.

        Raises:
            AssignmentsError: it cannot be used.
        """
        self._by_id: dict[str, list[Assignment]] = defaultdict(list)
        if path is None:
            return
        try:
            with path.open(newline="", encoding="utf-8-sig") as file:
                for row in (reader := csv.DictReader(file)):
                    try:
                        self._add(row)
                    except (Unusable, ValueError) as error:
                        raise AssignmentsError(f"{path}:{reader.line_num}: {error}") from None
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise AssignmentsError(f"{path}: {error}") from None

    def _add(self, row: dict[str, Any]) -> None:
        cells = {name: (row.get(name) or "").strip() for name in (*SUBJECTS, "mode", "id")}
        fields: dict[str, Any] = {name: cells[name] or None for name in SUBJECTS}
        if not cells["id"] or not any(fields.values()):
            raise ValueError(f"needs an id, and one of {', '.join(SUBJECTS)}")
        if cells["mode"]:
            fields["mode"] = Mode(cells["mode"].upper())
        begins = row.get("from") or ""
        ends = row.get("until") or row.get("to") or ""
        assignment = Assignment(
            fields,
            moment(begins, "from") if begins else _ALWAYS,
            moment(ends, "until") if ends else _NEVER,
        )
        whole = cells["id"].startswith(PREFIXES)
        for id in [cells["id"]] if whole else [f"{p}{cells['id']}" for p in PREFIXES]:
            self._by_id[id].append(assignment)

    def assign(self, item: Item) -> Item:
        """An event of a bearer that nobody named, of what it is assigned to when it is told.

        An estimate is a statement about the run that it is for: the next run's is another one.
        """
        if not isinstance(item, TrackingEvent) or item.run_id not in self._by_id:
            return item
        estimated = item.classifier is not Classifier.ACTUAL
        told = item.updated_time if estimated else item.event_time
        for fields, begins, ends in reversed(self._by_id[item.run_id]):
            if begins <= told < ends:
                if estimated:
                    of = "/".join(str(fields[name]) for name in SUBJECTS)
                    fields = {**fields, "event_id": derived_id(item.event_id, of)}
                return item.model_copy(update=fields)
        return item

    def of(self, format: Format) -> Format:
        """A format whose events are assigned."""
        if not self._by_id:
            return format
        decode = format.decode
        return replace(
            format, decode=lambda message, sender: list(map(self.assign, decode(message, sender)))
        )
