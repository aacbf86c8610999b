"""The events in doubt: they are booked as sent, and nothing proves yet that the destination holds them.

They are durable, because a crash forgets what the planner knows. There may be tens of thousands, and their offsets lie
close together. So they are bits in *chunks* of :data:`WIDTH`, each named by its first offset.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

WIDTH = 512

MOST_CHUNKS = 4096
"""Chunks in a record: half a megabyte. The oldest doubts beyond that are proven by this process or not at all."""


class Doubts:
    """A set of offsets; it begins with the *chunks* of a record."""

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
        """End the doubt about the events with these offsets."""
        for offset in offsets:
            first = offset // WIDTH * WIDTH
            bits = self._chunks.get(first, 0) & ~(1 << offset - first)
            if bits:
                self._chunks[first] = bits
            else:
                self._chunks.pop(first, None)

    def chunks(self) -> dict[int, int]:
        """Return the content of a record: bits by the first offset of each chunk."""
        if len(self._chunks) <= MOST_CHUNKS:
            return dict(self._chunks)
        return {first: self._chunks[first] for first in sorted(self._chunks)[-MOST_CHUNKS:]}
