"""Whether Loki holds what was sent, once: each event is prepared again, and looked for where it ought to be.

What it is sent with depends on the hook and on what the hook is shown: where that has changed since (a Pod's labels, a
script), an event is looked for in the wrong place, and said to be missing there. One that Loki took for too late, and
that went to a stream of its hour, is found as well: that stream has all labels of the other, and one more.

An event is 30 bytes in memory while it is looked for; Loki is asked for the hours alone in which there are any, and
what it answers is compared line by line.
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
"""Lines that are compared between two looks at how far it is."""


class InLoki(StrEnum):
    """What Loki holds of an event that was sent."""

    ONCE = "once"
    MISSING = "missing"
    DOUBLED = "doubled"
    NOT_ASKED = "its destination is not known now"

    @classmethod
    def of(cls, code: int) -> InLoki | None:
        """Return what *code*, one of those that :func:`look_into_loki` returns, stands for; None: it was not sent."""
        return list(cls)[code - 1] if code else None

    @property
    def code(self) -> int:
        """What stands for it."""
        return list(InLoki).index(self) + 1


@dataclass(slots=True)
class Way:
    """What is looked for at one destination: the labels that all streams have, and the hours."""

    common: dict[str, str]
    hours: set[int] = field(default_factory=set)

    def add(self, entry: LokiEntry) -> None:
        """Note that *entry* is to be there."""
        stream = dict(entry.stream)
        if self.common.items() - stream.items():
            self.common = {name: value for name, value in self.common.items() if stream.get(name) == value}
        self.hours.add(entry.timestamp // HOUR)

    def spans(self) -> Iterator[tuple[int, int]]:
        """Yield from when to when there are any, nanoseconds, both included, oldest first."""
        start: int | None = None
        for hour in sorted(self.hours):
            start = hour if start is None else start
            if hour + 1 not in self.hours:
                yield start * HOUR, (hour + 1) * HOUR - 1
                start = None


class Sought:
    """The events of one list: for each the key by which it is known, 0 where there is none; how often each is held."""

    def __init__(self) -> None:
        self.ways: dict[LokiDestination, Way] = {}
        self._keys = Keys()
        self._rows = array("I")
        self._held = bytearray()

    def add(self, entry: LokiEntry) -> None:
        """Add one that is to be held."""
        way = self.ways.get(entry.destination)
        if way is None:
            way = self.ways[entry.destination] = Way(dict(entry.stream))
        way.add(entry)
        row = self._keys.add(_key(entry.destination, Held(entry.timestamp, entry.line, {})) or 0)
        if row == len(self._held):
            self._held.append(0)
        self._rows.append(row + 1)

    def add_none(self) -> None:
        """Add one that is not looked for."""
        self._rows.append(0)

    def found(self, destination: LokiDestination, held: Held) -> None:
        """Note that *destination* holds a line."""
        key = _key(destination, held)
        row = self._keys.find(key) if key is not None else -1
        if row >= 0:
            self._held[row] = min(self._held[row] + 1, 2)

    def verdict(self, index: int) -> InLoki:
        """Return what is held of the one at *index*."""
        row = self._rows[index]
        return (InLoki.MISSING, InLoki.ONCE, InLoki.DOUBLED)[self._held[row - 1]] if row else InLoki.NOT_ASKED


async def look_into_loki(
    context: RequestContext, sender: SenderSettings, raw: Spool, asked: bytearray, answer: Answer
) -> bytearray:
    """Return what the *sender*'s destinations hold of the *raw* events: codes, 0 for those that are not *asked* about.

    Raises :class:`~kigeon.errors.SenderError` when one does not answer.
    """
    sink = sink_of(sender)
    sought = Sought()
    loop = asyncio.get_running_loop()
    # One thread for all of it: a hook's worker ends with the thread that started it.
    with ThreadPoolExecutor(1, "audit") as thread:
        preparer = await loop.run_in_executor(thread, preparer_of, sender, context.settings, context.cluster, sink)
        start = 0
        for page in raw:
            wanted = asked[start : start + len(page)]
            await loop.run_in_executor(thread, _prepare, preparer, page, wanted, sought)
            start += len(page)
            await answer.progress(f"{sender.name}: finding out where they ought to be", start, len(asked))
        lines = 0
        for destination, way in sought.ways.items():
            reading = _read(destination, way)
            while found := await loop.run_in_executor(thread, _compare, destination, reading, sought):
                lines += found
                await answer.progress(f"{sender.name}: reading what {destination.label} holds, lines", lines)
    sink.close()
    return bytearray(sought.verdict(index).code if asks else 0 for index, asks in enumerate(asked))


def _prepare(preparer: Preparer, page: Sequence[bytes], wanted: bytearray, sought: Sought) -> None:
    """Add a *page* of events to what is *sought*, those that are *wanted*."""
    steps = iter(preparer.prepare([line for line, asks in zip(page, wanted, strict=True) if asks]))
    for asks in wanted:
        step = next(steps) if asks else None
        sought.add(step) if isinstance(step, LokiEntry) else sought.add_none()


def _read(destination: LokiDestination, way: Way) -> Iterator[Held]:
    selector = selector_of(way.common)
    return (held for start, end in way.spans() for held in read_lines(destination, selector, start, end))


def _compare(destination: LokiDestination, reading: Iterator[Held], sought: Sought) -> int:
    """Compare some of what is held; return how many lines, 0 at the end."""
    lines = 0
    for held in islice(reading, AT_ONCE):
        sought.found(destination, held)
        lines += 1
    return lines


def _key(destination: LokiDestination, held: Held) -> int | None:
    """Return what tells an occurrence's line at a destination apart: by its uid, count and time."""
    try:
        line: Mapping[str, object] = orjson.loads(held.line)
        what = f"{hash(destination)} {line['uid']} {int(str(line['count']))} {held.timestamp}"
    except (ValueError, KeyError, TypeError):
        return None  # A line of somebody else, under the same labels.
    return int.from_bytes(blake2b(what.encode(), digest_size=8).digest(), "big")
