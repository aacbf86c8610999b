"""The last events as the page shows them, each written to HTML once, searchable by words, bounded in number. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from kigeon.clock import stamp
from kigeon.events.summary import EventSummary
from kigeon.http.markup import Markup, join, tag
from kigeon.http.moments import moment
from kigeon.observability.latest import Numbered

KEPT = 300


@dataclass(frozen=True, slots=True)
class Row:
    """An event with its HTML and its searched ``text``; ``version`` is the page's version with which the event came."""

    number: int
    version: int
    event: EventSummary
    html: Markup
    text: str


class EventRows:
    """The rows that are kept; the newest is the last."""

    def __init__(self) -> None:
        self._rows: deque[Row] = deque(maxlen=KEPT)

    def __len__(self) -> int:
        return len(self._rows)

    def take(self, told: Sequence[Numbered], version: int) -> int:
        """Take the events that came with a *version* of the page, each once; return how many are new."""
        last = self._rows[-1].number if self._rows else 0
        new = [row_of(number, version, event) for number, event in told if number > last]
        self._rows.extend(new)
        return len(new)

    def after(self, version: int) -> Markup:
        """Return the HTML of the events that came after a *version*, the newest first."""
        return join(*(row.html for row in reversed(self._rows) if row.version > version))

    def matching(self, words: Iterable[str]) -> tuple[Markup, int]:
        """Return the HTML of the events that contain all *words*, the newest first, and their number."""
        wanted = [word.lower() for word in words]
        found = [row.html for row in reversed(self._rows) if all(word in row.text for word in wanted)]
        return join(*found), len(found)

    def plain(self) -> list[dict[str, Any]]:
        """Return the events as plain data, the newest first."""
        return [
            {**row.event._asdict(), "time": stamp(row.event.time) if row.event.time else None}
            for row in reversed(self._rows)
        ]


def row_of(number: int, version: int, event: EventSummary) -> Row:
    """Return the row of an *event*."""
    is_warning = event.type == "Warning"
    times = f" (x{event.times})" if event.times > 1 else ""
    where = f"{event.namespace}/" if event.namespace else ""
    html = tag(
        "li",
        moment(event.time),
        tag("span", event.type or "-", class_="type wait" if is_warning else "type"),
        tag("strong", event.reason or "-"),
        tag("span", tag("span", where, class_="faint") if where else "", event.object, class_="object"),
        tag("span", event.message, tag("span", times, class_="faint") if times else "", class_="message"),
    )
    text = " ".join([event.type, event.reason, f"{where}{event.object}", event.message, times]).lower()
    return Row(number, version, event, html, text)
