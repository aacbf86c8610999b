"""Brings the Events of a list into the order of time, oldest first.

A list comes in the order of names, but Loki refuses lines that lie more than an hour behind the newest line of their
stream, and an API server may keep Events for longer than an hour. What matters is the order within a stream. Where no
stream holds Events of two namespaces, the Events of a namespace need not wait for the whole list: a list shows one
namespace after the other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from kigeon.events.envelope import Envelope, pack, unpack
from kigeon.events.kind import EventKind
from kigeon.events.occurrence import DIGEST_SIZE
from kigeon.kube.waiting import Received

SLOT = 300 * 10**9
"""Nanoseconds of a slot of time. Within a slot, Events stay in the order in which they were listed."""

CHUNK_BYTES = 64 * 1024
"""Bytes of Events in one slot from which on the slot is compressed."""

LOOSE_BYTES = 4 * 1024 * 1024
"""Bytes of Events in all slots up to which no slot is compressed; most namespaces have fewer."""

MAX_HELD_BYTES = 48 * 1024 * 1024
"""Bytes that are held at most, which is about half a million Events."""

_OVERHEAD = 256
"""Bytes that an Event, or a chunk of Events, takes beside its JSON."""


@dataclass(slots=True)
class _Slot:
    packed: list[tuple[Envelope, tuple[EventKind, ...]]] = field(default_factory=list)
    loose: list[Received] = field(default_factory=list)
    loose_bytes: int = 0


class TimeOrderedBuffer:
    """Holds Events in slots of time. ``count`` is how many are held, ``size`` how many bytes they take."""

    def __init__(self) -> None:
        self._slots: defaultdict[int, _Slot] = defaultdict(_Slot)
        self._loose_bytes = 0
        self.count = 0
        self.size = 0

    def add(self, timestamp: int, received: Received) -> None:
        """Hold an Event that happened at *timestamp*, in nanoseconds since the epoch."""
        slot, size = self._slots[timestamp // SLOT], len(received.raw) + _OVERHEAD
        slot.loose.append(received)
        slot.loose_bytes += size
        self._loose_bytes += size
        self.size += size
        self.count += 1
        if slot.loose_bytes >= CHUNK_BYTES and self._loose_bytes > LOOSE_BYTES:
            envelope = pack([each.raw for each in slot.loose], b"".join(each.digest for each in slot.loose))
            # A copy saves memory: zstandard shrinks a buffer as large as its input, and leaves a hole of that size.
            envelope = replace(envelope, payload=bytes(memoryview(envelope.payload)))
            slot.packed.append((envelope, tuple(each.kind for each in slot.loose)))
            self.size += len(envelope.payload) + len(envelope.digests) + _OVERHEAD - slot.loose_bytes
            self._loose_bytes -= slot.loose_bytes
            slot.loose, slot.loose_bytes = [], 0

    def take(self) -> Iterator[Sequence[Received]]:
        """Give all Events back, oldest first, a few at a time; none is held afterwards."""
        slots, self._slots = self._slots, defaultdict(_Slot)
        self.count = self.size = self._loose_bytes = 0
        for number in sorted(slots):
            slot = slots.pop(number)
            for envelope, kinds in slot.packed:
                yield _unpacked(envelope, kinds)
            if slot.loose:
                yield slot.loose


def _unpacked(envelope: Envelope, kinds: Sequence[EventKind]) -> Sequence[Received]:
    digests = envelope.digests
    return [
        Received(digests[index * DIGEST_SIZE : (index + 1) * DIGEST_SIZE], raw, kind=kinds[index])
        for index, raw in enumerate(unpack(envelope.payload))
    ]


class ListedEvents:
    """Events that a list, and the watch beside it, have shown and that were not handed on yet.

    *by_namespace* says that the order of time matters within each namespace alone. Then a namespace's listed Events may
    go as soon as the list shows the next namespace, and its watched Events may go at once from then on.
    """

    def __init__(self, by_namespace: bool = False) -> None:
        self._by_namespace = by_namespace
        self._held: dict[str, TimeOrderedBuffer] = {}
        self._listing: str | None = None
        self._complete: set[str] = set()
        self._ready: list[Received] = []

    @property
    def is_full(self) -> bool:
        """Whether the held Events have to go although the list goes on."""
        return sum(buffer.size for buffer in self._held.values()) >= MAX_HELD_BYTES

    def add(self, namespace: str, timestamp: int, received: Received) -> None:
        """Hold a listed Event that happened at *timestamp*, in nanoseconds since the epoch."""
        if namespace != self._listing and self._by_namespace:
            if self._listing is not None:
                self._complete.add(self._listing)
            self._listing = namespace
        self._hold(namespace, timestamp, received)

    def add_watched(self, namespace: str, timestamp: int, received: Received) -> None:
        """Hold an Event that the watch showed while the list goes on."""
        if namespace in self._complete:
            self._ready.append(received)
        else:
            self._hold(namespace, timestamp, received)

    def ready(self) -> Iterator[Sequence[Received]]:
        """Give back Events that may go although the list goes on, each namespace's oldest first, a few at a time."""
        yield from self._taken([name for name in self._held if name in self._complete])
        ready, self._ready = self._ready, []
        if ready:
            yield ready

    def take(self) -> Iterator[Sequence[Received]]:
        """Give all Events back, each namespace's oldest first, a few at a time."""
        yield from self.ready()
        yield from self._taken(list(self._held))

    def clear(self) -> None:
        """Begin with another list; no Event may be held."""
        self._listing = None
        self._complete.clear()

    def _hold(self, namespace: str, timestamp: int, received: Received) -> None:
        key = namespace if self._by_namespace else ""
        buffer = self._held.get(key)
        if buffer is None:
            buffer = self._held[key] = TimeOrderedBuffer()
        buffer.add(timestamp, received)

    def _taken(self, names: Iterable[str]) -> Iterator[Sequence[Received]]:
        for name in names:
            yield from self._held.pop(name).take()


def in_batches(chunks: Iterable[Sequence[Received]], size: int) -> Iterator[list[Received]]:
    """Yield the Events of *chunks* in order, at least *size* at a time except in the last batch."""
    batch: list[Received] = []
    for chunk in chunks:
        batch += chunk
        if len(batch) >= size:
            yield batch
            batch = []
    if batch:
        yield batch
