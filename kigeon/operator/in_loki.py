"""Whether Loki holds each event that was sent exactly once: events are prepared again and looked for in their streams.

An event's stream depends on the hook and on what the hook sees. Where that has changed since (a Pod's labels, a
script), the event is looked for in the wrong stream, and reported as missing. An event that went to a late stream is
found as well: that stream has all labels of the usual one, and one more.
An event takes 30 bytes of memory while it is looked for. Loki is asked only for hours in which there are events, and
its answers are compared line by line.
"""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b
from itertools import islice

import orjson

from kigeon.config.settings import SenderSettings
from kigeon.operator.admin_socket import RequestContext
from kigeon.operator.answer import Answer
from kigeon.operator.listing import Keys
from kigeon.operator.spool import Spool
from kigeon.senders.assembly import preparer_of, sink_of
from kigeon.senders.loki.entry import LokiDestination, LokiEntry
from kigeon.senders.loki.reader import Held, read_lines, selector_of
from kigeon.senders.steps import Preparer

HOUR = 3600 * 10**9
AT_ONCE = 1000
"""Lines that are compared between two reports of progress."""


class InLoki(StrEnum):
    """What Loki holds of an event that was sent."""

    ONCE = "once"
    MISSING = "missing"
    DOUBLED = "doubled"
    NOT_ASKED = "its destination is not known now"

    @classmethod
    def of(cls, code: int) -> InLoki | None:
        """Return what a *code* from :func:`look_into_loki` stands for; None where the event was not sent."""
        return list(cls)[code - 1] if code else None

    @property
    def code(self) -> int:
        """The code that stands for this value."""
        return list(InLoki).index(self) + 1


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


class Sought:
    """The events that are looked for, by key, and how often Loki holds each."""

    def __init__(self) -> None:
        self.ways: dict[LokiDestination, Way] = {}
        self._keys = Keys()
        self._rows = array("I")
        self._held = bytearray()

    def add(self, entry: LokiEntry) -> None:
        """Add an event that Loki should hold."""
        way = self.ways.get(entry.destination)
        if way is None:
            way = self.ways[entry.destination] = Way(dict(entry.stream))
        way.add(entry)
        row = self._keys.add(_key(entry.destination, Held(entry.timestamp, entry.line, {})) or 0)
        if row == len(self._held):
            self._held.append(0)
        self._rows.append(row + 1)

    def add_none(self) -> None:
        """Add an event that is not looked for."""
        self._rows.append(0)

    def found(self, destination: LokiDestination, held: Held) -> None:
        """Note that *destination* holds a line."""
        key = _key(destination, held)
        row = self._keys.find(key) if key is not None else -1
        if row >= 0:
            self._held[row] = min(self._held[row] + 1, 2)

    def verdict(self, index: int) -> InLoki:
        """Return what Loki holds of the event at *index*."""
        row = self._rows[index]
        return (InLoki.MISSING, InLoki.ONCE, InLoki.DOUBLED)[self._held[row - 1]] if row else InLoki.NOT_ASKED


async def look_into_loki(
    context: RequestContext, sender: SenderSettings, raw: Spool, asked: bytearray, answer: Answer
) -> bytearray:
    """Return what the *sender*'s destinations hold of the *raw* events: codes, 0 for those that are not *asked* about.

    Raises :class:`~kigeon.errors.SenderError` when a destination does not answer.
    """
    sink = sink_of(sender)
    sought = Sought()
    loop = asyncio.get_running_loop()
    # One thread does all the work: a hook's worker ends with the thread that started it.
    with ThreadPoolExecutor(1, "audit") as thread:
        preparer = await loop.run_in_executor(thread, preparer_of, sender, context.settings, context.cluster, sink)
        start = 0
        for page in raw:
            wanted = asked[start : start + len(page)]
            await loop.run_in_executor(thread, _prepare, preparer, page, wanted, sought)
            start += len(page)
            await answer.progress(f"{sender.name}: finding the streams of events", start, len(asked))
        lines = 0
        for destination, way in sought.ways.items():
            reading = _read(destination, way)
            while found := await loop.run_in_executor(thread, _compare, destination, reading, sought):
                lines += found
                await answer.progress(f"{sender.name}: reading what {destination.label} holds, lines", lines)
    sink.close()
    return bytearray(sought.verdict(index).code if asks else 0 for index, asks in enumerate(asked))


def _prepare(preparer: Preparer, page: Sequence[bytes], wanted: bytearray, sought: Sought) -> None:
    """Add the *wanted* events of a *page* to *sought*."""
    steps = iter(preparer.prepare([line for line, asks in zip(page, wanted, strict=True) if asks]))
    for asks in wanted:
        step = next(steps) if asks else None
        sought.add(step) if isinstance(step, LokiEntry) else sought.add_none()


def _read(destination: LokiDestination, way: Way) -> Iterator[Held]:
    selector = selector_of(way.common)
    return (held for start, end in way.spans() for held in read_lines(destination, selector, start, end))


def _compare(destination: LokiDestination, reading: Iterator[Held], sought: Sought) -> int:
    """Compare the next lines that the destination holds; return how many, 0 at the end."""
    lines = 0
    for held in islice(reading, AT_ONCE):
        sought.found(destination, held)
        lines += 1
    return lines


def _key(destination: LokiDestination, held: Held) -> int | None:
    """Return the key of a line at a destination, made from uid, count and time; None for the lines of others."""
    try:
        line: Mapping[str, object] = orjson.loads(held.line)
        what = f"{hash(destination)} {line['uid']} {int(str(line['count']))} {held.timestamp}"
    except (ValueError, KeyError, TypeError):
        return None  # A line of somebody else, under the same labels.
    return int.from_bytes(blake2b(what.encode(), digest_size=8).digest(), "big")
