"""Holds the Events that the cluster lists in little memory: digest and offset take 28 bytes for each, at the end 4."""

from __future__ import annotations

import heapq
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, MutableSequence, Sequence
from pathlib import Path

from kigeon.events.occurrence import DIGEST_SIZE
from kigeon.operator.spool import integers_in_file
from kigeon.queue.dedup.digests import integers
from kigeon.queue.log.end import Run

CHUNK = 65536
"""Numbers that are sorted at once."""

_SPREAD = 0x9E3779B97F4A7C15
_WORD = 2**64 - 1


class Keys:
    """64-bit keys and the order in which they came: linear probing, at most two thirds full."""

    def __init__(self) -> None:
        self._keys = array("Q")
        self._slots = array("I", bytes(4 * 1024))

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, key: int) -> int:
        """Return the index of *key*, from 0; a new key is appended."""
        slot = self._slot(key)
        if not self._slots[slot]:
            self._keys.append(key)
            self._slots[slot] = len(self._keys)
            if len(self._keys) * 3 > len(self._slots) * 2:
                self._grow()
            return len(self._keys) - 1
        return self._slots[slot] - 1

    def find(self, key: int) -> int:
        """Return the index of *key*, -1 where there is none."""
        return self._slots[self._slot(key)] - 1

    def _slot(self, key: int) -> int:
        slots, keys, mask = self._slots, self._keys, len(self._slots) - 1
        slot = (key * _SPREAD & _WORD) >> 32 & mask
        while (found := slots[slot]) and keys[found - 1] != key:
            slot = (slot + 1) & mask
        return slot

    def _grow(self) -> None:
        size = len(self._slots) * 2
        self._slots = array("I")  # Frees the old table before there is a new one.
        self._slots = array("I", bytes(4 * size))
        for index, key in enumerate(self._keys):
            self._slots[self._slot(key)] = index + 1


class Listing:
    """The Events of a list in their order: first their digests, then the offsets found for these (0: none)."""

    def __init__(self) -> None:
        self._keys: Keys | None = Keys()
        self._rows = array("I")
        self._offsets: MutableSequence[int] | memoryview[int] = array("Q")
        self._missing = 0
        self.sorted: Sequence[int] = array("Q")

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, digest: bytes) -> None:
        """Add the Event with *digest* to the end of the list."""
        assert self._keys is not None, "it is listed before it is closed"  # noqa: S101 - for the types
        row = self._keys.add(integers(digest)[0])
        if row == len(self._offsets):
            assert isinstance(self._offsets, array), "it is listed before it is closed"  # noqa: S101 - likewise
            self._offsets.append(0)
            self._missing += 1
        self._rows.append(row)

    def note(self, run: Run) -> None:
        """Note the offsets of the listed Events that are in *run*."""
        assert self._keys is not None, "it is noted before it is closed"  # noqa: S101 - for the types
        find, offsets = self._keys.find, self._offsets
        for offset, digest in enumerate(
            integers(run.digests[: len(run.digests) // DIGEST_SIZE * DIGEST_SIZE]), run.first
        ):
            row = find(digest)
            if row >= 0 and not offsets[row]:
                offsets[row] = offset
                self._missing -= 1

    @property
    def missing(self) -> int:
        """How many Events have no offset yet."""
        return self._missing

    def close(self, folder: Path) -> None:
        """End the list and make ``sorted``. From then on ``sorted`` and the offsets lie in files below *folder*."""
        self._keys = None
        self.sorted = _in_file(folder, in_order(offset for offset in self._offsets if offset))
        self._offsets = _in_file(folder, self._offsets)

    def __iter__(self) -> Iterator[int]:
        """Yield the offset of each Event of the list."""
        return (self._offsets[row] for row in self._rows)


def _in_file(folder: Path, offsets: Sequence[int]) -> memoryview[int]:
    held = integers_in_file(folder, len(offsets))
    for start in range(0, len(offsets), CHUNK):
        held[start : start + CHUNK] = memoryview(array("Q", offsets[start : start + CHUNK]))
    return held[: len(offsets)]


def in_order(offsets: Iterable[int]) -> array[int]:
    """Return *offsets* sorted, in little more memory than they take."""
    chunks: list[array[int]] = []
    chunk = array("Q")
    for offset in offsets:
        chunk.append(offset)
        if len(chunk) == CHUNK:
            chunks.append(array("Q", sorted(chunk)))
            chunk = array("Q")
    chunks.append(array("Q", sorted(chunk)))
    return array("Q", heapq.merge(*chunks))


def place_of(offsets: Sequence[int], offset: int) -> int:
    """Return where *offset* is in *offsets*, which are sorted; -1 where it is not."""
    place = bisect_left(offsets, offset)
    return place if place < len(offsets) and offsets[place] == offset else -1
