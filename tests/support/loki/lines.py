"""What is pushed and what is held, and how Loki writes labels, times and sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

Labels = tuple[tuple[str, str], ...]
"""Names and values, sorted by name."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = 10**9
ESCAPES = {
    "\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t",
    "\a": "\\a", "\b": "\\b", "\f": "\\f", "\v": "\\v",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Line:
    """A line that is held. ``labels`` are those of its stream, ``service_name`` among them, as Loki adds it."""

    tenant: str
    labels: Labels
    timestamp: int
    line: str
    metadata: tuple[tuple[str, str], ...]

    @property
    def fields(self) -> dict[str, Any]:
        """The line as the JSON that it is."""
        found: dict[str, Any] = orjson.loads(self.line)
        return found

    @property
    def size(self) -> int:
        """Its bytes, as Loki's limits count them."""
        return len(self.line.encode()) + metadata_size(self.metadata)


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream of a push; ``name`` is its labels as Loki writes them, and the key by which an ingester knows it."""

    labels: Labels
    name: str
    lines: list[Line]


@dataclass(frozen=True, slots=True)
class Push:
    """A push as it came, and the answer that it got."""

    time: float
    tenant: str
    lines: int
    size: int
    headers: Mapping[str, str]
    status: int


class Refused(Exception):
    """A push that gets an answer other than 204."""

    def __init__(self, status: int, reason: str) -> None:
        self.status = status
        super().__init__(reason)


def metadata_size(metadata: tuple[tuple[str, str], ...]) -> int:
    """Return the bytes of structured metadata; what Loki adds itself is not counted."""
    return sum(len(name.encode()) + len(value.encode()) for name, value in metadata if name != "detected_level")


def written_labels(labels: Labels) -> str:
    """Return *labels* as Loki prints them: ``{app="web", type="Normal"}``."""
    return "{" + ", ".join(f"{name}={_quoted(value)}" for name, value in labels) + "}"


def written_day(timestamp: int) -> str:
    """Return nanoseconds as RFC 3339, in whole seconds."""
    return (EPOCH + timedelta(seconds=timestamp // SECOND)).strftime("%Y-%m-%dT%H:%M:%SZ")


def written_time(timestamp: int) -> str:
    """Return nanoseconds as Go prints a time: ``2026-01-02 03:04:05.123 +0000 UTC``."""
    whole, rest = divmod(timestamp, SECOND)
    fraction = f".{rest:09}".rstrip("0") if rest else ""
    return (EPOCH + timedelta(seconds=whole)).strftime("%Y-%m-%d %H:%M:%S") + f"{fraction} +0000 UTC"


def written_size(size: int) -> str:
    """Return bytes in the largest unit of which they are a whole number: ``100KB``, ``904B``."""
    for power, unit in ((4, "TB"), (3, "GB"), (2, "MB"), (1, "KB")):
        if size and size % 1024**power == 0:
            return f"{size // 1024**power}{unit}"
    return f"{size}B"


def _quoted(text: str) -> str:
    if text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return '"' + "".join(ESCAPES.get(sign) or (sign if sign.isprintable() else _escaped(sign)) for sign in text) + '"'


def _escaped(sign: str) -> str:
    code = ord(sign)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
