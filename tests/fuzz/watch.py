"""Hostile watches, and the whole way of what they tell: HTTP, informer, collector, outbox, envelope, entry, Loki body.

The API server's side keeps books of what it said, by the second opinion of :mod:`tests.fuzz.oracle`; at the other end
every event that was readable has to come out, unchanged, in order (those of a list: oldest first), and what was skipped
has to be counted.
"""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from random import Random
from threading import Lock
from typing import Any

from kigeon.errors import UnreadableEvent
from kigeon.events.occurrence import timestamp_of
from kigeon.kube.collector import EventCollector
from kigeon.kube.lines import MAX_LINE_BYTES, WatchEvent, parse_line
from kigeon.kube.ordering import SLOT
from kigeon.kube.outbox import Outbox
from tests.fuzz.lines import LineMaker
from tests.fuzz.oracle import Kind, Opinion, opinion_of
from tests.fuzz.server import chunk, head, whole

_HIGHEST = "9" * 40


class HostileApiServer:
    """Answers lists and watches until *lines* lines are told. ``told`` counts them by what they are."""

    def __init__(self, seed: int, lines: int) -> None:
        self._random = Random(seed)
        self._maker = LineMaker(self._random)
        self._left = lines
        self._rest = b""
        self.lock = Lock()
        self.told: Counter[Kind] = Counter()
        self.expected: deque[Opinion] = deque()
        self.watches = 0
        self._latest: dict[str, Any] = {}
        self.is_done = False

    def answer(self, path: str, query: dict[str, str]) -> Iterator[bytes]:
        """Answer a request."""
        if not path.startswith("/api/v1/") or not path.endswith("/events"):
            return iter([whole(b"{}", "404 Not Found")])
        if query.get("watch") == "true":
            return self._watch()
        if query.get("limit") == "1":
            return iter([whole(self._look_up(query.get("fieldSelector", "").partition("=")[2]))])
        return iter([whole(self._list())])

    def _look_up(self, name: str) -> bytes:
        """Return a list of the one object that is asked for, as it was told last."""
        items = [self._latest[name]] if name in self._latest else []
        return json.dumps({"metadata": {"resourceVersion": _HIGHEST}, "items": items}).encode()

    def _list(self) -> bytes:
        items: list[bytes] = []
        events: list[Opinion] = []
        for _ in range(self._random.randrange(50)):
            item = self._maker.item()
            opinion = opinion_of(b'{"type":"ADDED","object":{"metadata":{},"item":%s}}' % item)
            if opinion.kind is Kind.EVENT and opinion.exact:
                items.append(item)
                found = opinion.event["item"]
                if isinstance(found, dict):
                    events.append(Opinion(Kind.EVENT, found, line=item))
                else:
                    self._book(Opinion(Kind.UNREADABLE))
        for opinion in sorted(events, key=lambda opinion: timestamp_of(opinion.event) // SLOT):
            self._book(opinion)
        return b'{"metadata":{"resourceVersion":"5"},"items":[%s]}' % b",".join(items)

    def _watch(self) -> Iterator[bytes]:
        self.watches += 1
        if self._left <= 0 and not self._rest:
            self.is_done = True
        yield head(Transfer_Encoding="chunked")
        data, whole_end = self._stream()
        while data:
            size = self._random.choice((1, 7, 100, 1000, 5000, 65536, 400_000))
            yield chunk(data[:size])
            data = data[size:]
        # An end that is no end: the connection breaks in a chunk, whose beginning does not count.
        yield chunk(b"") if whole_end else b"ffff\r\n" + self._rest[:100]

    def _stream(self) -> tuple[bytes, bool]:
        """Return the bytes of a watch, and whether it ends as it should; what is complete in them is booked."""
        lines = [self._rest] if self._rest else []
        self._rest = b""
        most = self._random.choice((1, 50, 500, 2000, 8000))
        while self._left > 0 and len(lines) < most and not (lines and b"ERROR" in lines[-1]):
            lines.append(self._maker.line())
            self._left -= 1
        # An error has to be the last line: what comes after it nobody reads.
        if lines and b"ERROR" not in lines[-1] and self._random.random() < 0.15:
            lines.append(self._maker.error())
        elif len(lines) > 1 and self._random.random() < 0.3 and len(lines[-1]) < MAX_LINE_BYTES:
            # It is told again, whole, at the beginning of the next watch.
            self._rest = lines.pop()
        for line in lines:
            self._book(self._judge(line))
        cut = self._rest[: self._random.randrange(len(self._rest) + 1)]
        return b"".join(line + b"\n" for line in lines) + cut, self._random.random() < 0.9

    def _judge(self, line: bytes) -> Opinion:
        if len(line) > MAX_LINE_BYTES:
            return Opinion(Kind.UNREADABLE)
        opinion = opinion_of(line)
        if opinion.kind is not Kind.EITHER:
            return opinion
        try:
            kind = parse_line(line).type
        except UnreadableEvent:
            return Opinion(Kind.UNREADABLE)
        return Opinion({"DELETED": Kind.DELETED, "ERROR": Kind.ERROR}.get(kind, Kind.EVENT), None, False, line)

    def _book(self, opinion: Opinion) -> None:
        with self.lock:
            self.told[opinion.kind] += 1
            if opinion.kind is Kind.EVENT:
                self.expected.append(opinion)
        if opinion.event:
            metadata = opinion.event.get("metadata")
            name = metadata.get("name") if isinstance(metadata, dict) else None
            if isinstance(name, str):
                self._latest[name] = {"metadata": metadata}


class CountingIntake(EventCollector):
    """Counts bookmarks as well."""

    def __init__(self, outbox: Outbox) -> None:
        super().__init__(outbox)
        self.bookmarks = 0

    def on_events(self, lines: Sequence[WatchEvent]) -> None:
        self.bookmarks += sum(line.type == "BOOKMARK" for line in lines)
        super().on_events(lines)
