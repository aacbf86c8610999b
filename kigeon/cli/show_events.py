"""Events as ``kubectl get events`` shows them: its columns, followed line by line."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kigeon.cli.table import clean, cut, fit, paragraph, span, width_of
from kigeon.cli.terminal import Look
from kigeon.events.fields import fields_of, mapping, text
from kigeon.events.occurrence import parse_time, timestamp_of

BROAD = 110
"""From this terminal width on all columns fit side by side; below it namespace and message are under the rest."""

INDENT = 2
UNKNOWN = "<unknown>"
NANOSECONDS = 1e9

_LEAST = {"NAMESPACE": 9, "LAST SEEN": 9, "TYPE": 7, "REASON": 16, "OBJECT": 40, "SUBOBJECT": 20, "SOURCE": 20}
_LEAST |= {"FIRST SEEN": 10, "COUNT": 5}
_MOST = {"NAMESPACE": 12, "REASON": 18}
"""Fixed widths on a terminal, so that the columns behind these keep their place."""


@dataclass(frozen=True, slots=True)
class EventRow:
    """What a table shows of an event; times are seconds since the epoch, 0 where there is none."""

    namespace: str
    name: str
    type: str
    reason: str
    object: str
    message: str
    last: float = 0.0
    first: float = 0.0
    count: int = 1
    subobject: str = ""
    source: str = ""


def row_of(event: Mapping[str, Any]) -> EventRow:
    """Return the row of an *event* of the API."""
    fields = fields_of(event)
    created = parse_time(text(mapping(event, "metadata"), "creationTimestamp"))
    first = parse_time(fields.first_timestamp) or parse_time(text(event, "eventTime")) or created
    return EventRow(
        fields.namespace,
        fields.name,
        fields.type,
        fields.reason,
        f"{fields.involved_kind.lower()}/{fields.involved_name}",
        fields.message.strip(),
        timestamp_of(event) / NANOSECONDS,
        first / NANOSECONDS,
        fields.count,
        fields.field_path,
        ", ".join(filter(None, (fields.source_component or fields.reporting_component, fields.source_host))),
    )


class EventTable:
    """A table that grows row by row. The header comes with the first row, and columns only become wider."""

    def __init__(self, look: Look, wide: bool = False, namespaces: bool = True, headers: bool = True) -> None:
        self._look = look
        self._wide = wide
        self._namespaces = namespaces
        self._headers = headers
        self._broad = wide or not look.width or look.width >= BROAD
        self._names = self._columns()
        fixed = _MOST if look.width and not wide else {}
        self._widths = [fixed.get(name, _LEAST.get(name, 0)) for name in self._names]

    def _columns(self) -> list[str]:
        middle = ["SUBOBJECT", "SOURCE", "MESSAGE", "FIRST SEEN", "COUNT", "NAME"] if self._wide else []
        message = [] if self._wide or not self._broad else ["MESSAGE"]
        first = ["NAMESPACE"] if self._namespaces and self._broad else []
        return [*first, "LAST SEEN", "TYPE", "REASON", "OBJECT", *middle, *message]

    def lines(self, rows: Iterable[EventRow], now: float | None = None) -> Iterator[str]:
        """Yield the lines of *rows*; *now* is in seconds since the epoch."""
        for row in rows:
            cells = self._cells(row, time.time() if now is None else now)
            self._widen(cells)
            if self._headers:
                self._headers = False
                self._widen(self._names)
                yield self._look.paint(self._fit(self._names), "bold")
            style = "yellow" if row.type == "Warning" else ""
            yield self._look.paint(self._fit(cells), style)
            if not self._broad:
                title = f"{clean(row.namespace)}: " if self._namespaces and row.namespace else ""
                below = paragraph(title, row.message, self._look, INDENT)
                yield from (self._look.paint(line, "dim") for line in below)

    def _cells(self, row: EventRow, now: float) -> list[str]:
        found = {
            "NAMESPACE": row.namespace,
            "LAST SEEN": _age(row.last, now),
            "TYPE": row.type,
            "REASON": row.reason,
            "OBJECT": row.object,
            "SUBOBJECT": row.subobject,
            "SOURCE": row.source,
            "MESSAGE": row.message,
            "FIRST SEEN": _age(row.first, now),
            "COUNT": str(row.count),
            "NAME": row.name,
        }
        cells = [clean(found[name]) for name in self._names]
        if self._look.width and not self._wide:
            cells = [cut(cell, _MOST.get(name, 1000)) for name, cell in zip(self._names, cells, strict=True)]
        return cells

    def _widen(self, cells: list[str]) -> None:
        # The last column takes no room from others.
        for index, cell in enumerate(cells[:-1]):
            self._widths[index] = max(self._widths[index], width_of(cell))

    def _fit(self, cells: list[str]) -> str:
        return fit(cells, self._widths, 0 if self._wide else self._look.width)


def _age(moment: float, now: float) -> str:
    return span(now - moment) if moment else UNKNOWN
