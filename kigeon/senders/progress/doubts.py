"""The events that are booked as sent and that nothing proves yet to be held: durable, since a crash forgets the rest.

There may be tens of thousands, added by the push and ended by the stream, and they lie close together. So they are
bits, :data:`WIDTH` of them to a *chunk*, known by the offset of its first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

WIDTH = 512

MOST_CHUNKS = 4096
"""Of a record: half a megabyte. What is in doubt beyond that, the oldest, is proven by this process or by none."""


class Doubts:
    """A set of offsets, from the *chunks* of a record on."""

    def __init__(self, chunks: Mapping[int, int]) -> None:
        self._chunks = dict(chunks)

    def __contains__(self, offset: int) -> bool:
        return bool(self._chunks.get(offset // WIDTH * WIDTH, 0) >> offset % WIDTH & 1)

    def __len__(self) -> int:
        return sum(bits.bit_count() for bits in self._chunks.values())

    def __iter__(self) -> Iterator[int]:
        for first, bits in sorted(self._chunks.items()):
            yield from (first + index for index in range(bits.bit_length()) if bits >> index & 1)

    def add(self, offsets: Iterable[int]) -> None:
        """Doubt the events with these offsets."""
        for offset in offsets:
            first = offset // WIDTH * WIDTH
            self._chunks[first] = self._chunks.get(first, 0) | 1 << offset - first

    def discard(self, offsets: Iterable[int]) -> None:
        """Doubt them no more."""
        for offset in offsets:
            first = offset // WIDTH * WIDTH
            bits = self._chunks.get(first, 0) & ~(1 << offset - first)
            if bits:
                self._chunks[first] = bits
            else:
                self._chunks.pop(first, None)

    def chunks(self) -> dict[int, int]:
        """Return what a record is to hold: bits by first number."""
        if len(self._chunks) <= MOST_CHUNKS:
            return dict(self._chunks)
        return {first: self._chunks[first] for first in sorted(self._chunks)[-MOST_CHUNKS:]}
