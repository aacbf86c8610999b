"""What Loki holds of the events that were sent, for an audit: each is looked for in its stream.

An event that went to a late stream is found as well: that stream has all labels of the usual one, and one more. Loki is
asked only for hours in which there are events.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b

import orjson

from kigeon.senders.loki.entry import LokiDestination, LokiEntry
from kigeon.senders.loki.reader import Held, read_lines, selector_of

HOUR = 3600 * 10**9


@dataclass(slots=True)
class Way:
    """The query for one destination: the labels that all its streams share, and the hours of its events."""

    common: dict[str, str]
    hours: set[int] = field(default_factory=set)

    def add(self, entry: LokiEntry) -> None:
        """Note that *entry* should be there."""
        stream = dict(entry.stream)
        if self.common.items() - stream.items():
            self.common = {name: value for name, value in self.common.items() if stream.get(name) == value}
        self.hours.add(entry.timestamp // HOUR)

    def spans(self) -> Iterator[tuple[int, int]]:
        """Yield first and last nanosecond of each span of hours with events, oldest first."""
        start: int | None = None
        for hour in sorted(self.hours):
            start = hour if start is None else start
            if hour + 1 not in self.hours:
                yield start * HOUR, (hour + 1) * HOUR - 1
                start = None


class LokiInventory:
    """The :class:`~kigeon.senders.inventory.Inventory` of senders of type ``loki``."""

    def __init__(self) -> None:
        self._ways: dict[LokiDestination, Way] = {}

    def expect(self, entry: LokiEntry) -> int:
        """Note the stream and the hour of *entry*."""
        way = self._ways.get(entry.destination)
        if way is None:
            way = self._ways[entry.destination] = Way(dict(entry.stream))
        way.add(entry)
        return _key(entry.destination, Held(entry.timestamp, entry.line, {})) or 0

    def held(self) -> Iterator[tuple[str, Iterator[int | None]]]:
        """Read the lines of each destination's streams, in the hours of its events."""
        return ((destination.label, _keys(destination, way)) for destination, way in self._ways.items())


def _keys(destination: LokiDestination, way: Way) -> Iterator[int | None]:
    selector = selector_of(way.common)
    for start, end in way.spans():
        for held in read_lines(destination, selector, start, end):
            yield _key(destination, held)


def _key(destination: LokiDestination, held: Held) -> int | None:
    """Return the key of a line at a destination, made from uid, count and time; None for the lines of others."""
    try:
        line: Mapping[str, object] = orjson.loads(held.line)
        what = f"{hash(destination)} {line['uid']} {int(str(line['count']))} {held.timestamp}"
    except (ValueError, KeyError, TypeError):
        return None  # A line of somebody else, under the same labels.
    return int.from_bytes(blake2b(what.encode(), digest_size=8).digest(), "big")
