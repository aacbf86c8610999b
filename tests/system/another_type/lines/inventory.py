"""Reads the files, for an audit."""

from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path

from lines.sink import File, Line


class LinesInventory:
    """Knows a line by its text, and the file that it is in."""

    def __init__(self) -> None:
        self._files: set[File] = set()

    def expect(self, entry: Line) -> int:
        """Note its file."""
        self._files.add(entry.destination)
        return key_of(entry.destination, entry.text)

    def held(self) -> Iterator[tuple[str, Iterator[int | None]]]:
        """Read each file."""
        return ((file.label, keys_in(file)) for file in self._files)


def keys_in(file: File) -> Iterator[int | None]:
    """Yield the key of each line."""
    with Path(file.path).open() as lines:
        for line in lines:
            yield key_of(file, line.rstrip("\n"))


def key_of(file: File, text: str) -> int:
    """Return 64 bits that stand for a line in a file."""
    return int.from_bytes(blake2b(f"{file.path}\n{text}".encode(), digest_size=8).digest(), "big")
