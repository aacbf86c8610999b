"""The memory of occurrences that were seen: sets of 64-bit digests in slices of time, 16 to 24 bytes for each.

A Python set of a million integers takes close to 100 MB. An open-addressing table in one array takes a
fifth of that, and a slice of time is forgotten by dropping its table.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable

from kigeon.events.occurrence import DIGEST_SIZE

SLICES = 4
"""Slices in the memory's time span: a digest is remembered for up to one slice longer."""


def integers(digests: bytes) -> array[int]:
    """Return concatenated digests as 64-bit integers; 0, which marks an empty slot, becomes 1."""
    values = array("Q")
    values.frombytes(digests)
    if 0 in values:
        values = array("Q", (value or 1 for value in values))
    return values


def as_bytes(values: Iterable[int]) -> bytes:
    """Return what :func:`integers` read (0 excepted) as concatenated digests."""
    return array("Q", values).tobytes()


class DigestTable:
    """A set of non-zero 64-bit hashes: linear probing, at most two thirds full."""

    def __init__(self, capacity: int = 1024) -> None:
        self._slots = array("Q", bytes(DIGEST_SIZE * capacity))
        self._mask = capacity - 1
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def missing(self, values: Iterable[int]) -> list[int]:
        """Return those of *values* that are not in it, in order; in one go, for a call takes longer than a look."""
        slots, mask = self._slots, self._mask
        missing = []
        for value in values:
            slot = value & mask
            while (found := slots[slot]) and found != value:
                slot = (slot + 1) & mask
            if not found:
                missing.append(value)
        return missing

    def add(self, value: int) -> None:
        """Add *value*; adding it again changes nothing."""
        slots, mask = self._slots, self._mask
        slot = value & mask
        while found := slots[slot]:
            if found == value:
                return
            slot = (slot + 1) & mask
        slots[slot] = value
        self._count += 1
        if self._count * 3 > len(slots) * 2:
            self._grow()

    def _grow(self) -> None:
        old = self._slots
        capacity = len(old) * 2
        self._slots = array("Q", bytes(DIGEST_SIZE * capacity))
        self._mask = capacity - 1
        self._count = 0
        for value in old:
            if value:
                self.add(value)


class DigestMemory:
    """Digests that were stored within the last *seconds*, and at most a quarter longer ago.

    Times are seconds on one clock of the caller's; they need not come in order.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = self._least = seconds
        self._slice = max(seconds / SLICES, 1.0)
        self._tables: dict[int, DigestTable] = {}

    def __len__(self) -> int:
        return sum(len(table) for table in list(self._tables.values()))

    def missing(self, values: Iterable[int]) -> list[int]:
        """Return those of *values* that are not remembered, in order."""
        missing = list(values)
        for table in self._tables.values():
            missing = table.missing(missing)
        return missing

    def add(self, values: Iterable[int], at: float) -> None:
        """Remember *values* as stored at time *at*."""
        table = self._tables.setdefault(int(at // self._slice), DigestTable())
        for value in values:
            table.add(value)

    @property
    def seconds(self) -> float:
        """For how many seconds a digest is remembered at least."""
        return self._seconds

    def extend_ttl(self, seconds: float) -> None:
        """Remember digests for *seconds* from now on, never shorter than at first."""
        self._seconds = max(self._least, seconds)

    def forget(self, now: float) -> int:
        """Drop the slices that are older than :attr:`seconds`; return how many digests were dropped."""
        oldest = (now - self._seconds) // self._slice
        gone = [key for key in list(self._tables) if key < oldest]
        return sum(len(self._tables.pop(key)) for key in gone)
