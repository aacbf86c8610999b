"""Holds data that is too large for memory in unnamed files, which end with the process."""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

import orjson
import zstandard

from kigeon.errors import OperatorError

SHARE = 4
"""A file may take the free space divided by this number: the queue needs room too."""

REMEMBERED = 1024
"""Texts whose place in the file is remembered."""

MOST_TEXT = 64 * 1024 * 1024
"""Bytes of texts; further reasons are left out."""


class _File:
    """A context manager around a file below *folder* that has no name."""

    def __init__(self, folder: Path) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed as it is left

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()


class Spool(_File):
    """Pages of lines, compressed, in a file below *folder*; written once, read from the start any number of times."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._lengths: list[int] = []
        room = os.statvfs(folder)
        self._room = room.f_bavail * room.f_frsize // SHARE
        self._pack = zstandard.ZstdCompressor(level=1).compress
        self._unpack = zstandard.ZstdDecompressor().decompress

    def add(self, lines: Sequence[bytes]) -> None:
        """Write a page. None of *lines* holds a newline."""
        packed = self._pack(b"\n".join(lines))
        self._room -= len(packed)
        if self._room < 0:
            raise OperatorError("there is not enough room below global.dataDir for this answer")
        self._file.write(packed)
        self._lengths.append(len(packed))

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[list[bytes]]:
        self._file.flush()
        start = 0
        for length in self._lengths:
            page = self._unpack(os.pread(self._file.fileno(), length, start))
            yield page.split(b"\n")
            start += length


class Texts(_File):
    """Outcomes and reasons, each pair written (nearly) once; a number below 2^48 stands for each."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._size = 1
        self._known: dict[tuple[str, str], int] = {}
        self._file.write(b"\n")

    def put(self, outcome: str, reason: str) -> int:
        """Return the number that stands for *outcome* and *reason*."""
        key = (outcome, reason)
        place = self._known.get(key)
        if place is None:
            if self._size > MOST_TEXT and reason:
                return self.put(outcome, "")
            line = orjson.dumps(key) + b"\n"
            place, self._size = self._size, self._size + len(line)
            self._file.seek(place)
            self._file.write(line)
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[key] = place
        return place

    def get(self, place: int) -> tuple[str, str]:
        """Return the outcome and the reason that the number *place* stands for."""
        self._file.seek(place)
        outcome, reason = orjson.loads(self._file.readline())
        return outcome, reason


def integers_in_file(folder: Path, count: int) -> memoryview:
    """Return *count* 64-bit numbers, all of them 0, that the kernel may write out instead of keeping them in memory."""
    with tempfile.TemporaryFile(dir=folder) as file:
        file.truncate(max(count, 1) * 8)
        return memoryview(mmap.mmap(file.fileno(), max(count, 1) * 8)).cast("Q")
