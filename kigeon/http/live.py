"""The status page as a whole, and its changes since a browser was told last. Pure.

Every change has a version. A browser says which version it has seen, so a browser that reads slowly, or comes back, is
told the changes since then and no others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import orjson

from kigeon.http.events import KEPT, EventRows
from kigeon.http.markup import Markup, escape
from kigeon.http.moments import number
from kigeon.http.parts import PARTS
from kigeon.http.problems import Told
from kigeon.observability.latest import Numbered

# importlib.resources would import modules of half a megabyte.
FILES = Path(__file__).with_name("page")

RETRY = 3000
"""Milliseconds after which a browser connects again."""


class LivePage:
    """The page with the version of each part; *first* is greater than any version that an earlier process gave out."""

    def __init__(self, first: int) -> None:
        self.version = first
        self._parts: dict[str, tuple[int, Markup]] = {}
        self.rows = EventRows()
        """The events that the page shows."""

    def take(self, events: Sequence[Numbered]) -> None:
        """Take the last events; the new ones among them get a new version."""
        if self.rows.take(events, self.version + 1):
            self.version += 1

    def show(self, told: Told) -> None:
        """Write the parts anew from *told*; the parts that have changed get a new version."""
        written = {name: write(told) for name, write in PARTS.items()}
        changed = [name for name, html in written.items() if self._parts.get(name, (0, None))[1] != html]
        if changed:
            self.version += 1
        self._parts |= {name: (self.version, written[name]) for name in changed}

    def html(self, query: str) -> bytes:
        """Return the page, with the events that contain all words of *query*."""
        rows, found = self.rows.matching(query.split())
        values: Mapping[str, object] = {
            **{name: html for name, (_, html) in self._parts.items()},
            "events": rows,
            "query": query,
            "found": f"{number(found)} of {number(len(self.rows))} events",
            # A browser whose query leaves some events out has not seen this version.
            "seen": 0 if query else self.version,
        }
        return "".join(part if index % 2 == 0 else escape(values[part]) for index, part in enumerate(_page())).encode()

    def after(self, seen: int) -> bytes:
        """Return the changes since version *seen*, as a server-sent event."""
        parts = {name: html for name, (changed, html) in self._parts.items() if changed > seen}
        told = {"parts": parts, "events": self.rows.after(seen), "most": KEPT}
        return b"id: %d\nretry: %d\ndata: %b\n\n" % (self.version, RETRY, orjson.dumps(told))


@lru_cache
def _page() -> Sequence[str]:
    """Return the page in pieces; every second piece is the name of the part that stands there."""
    return re.split(r"(?:<!--|\{\{)(\w+)(?:-->|\}\})", page("index.html").decode())


@lru_cache
def page(name: str) -> bytes:
    """Return a file of the status page."""
    return (FILES / name).read_bytes()
