"""Reads the text of a refusal: which stream is refused, which of its lines, and why. Pure; never raises.

The texts are those of Loki 3.7 (pkg/validation/validate.go, pkg/ingester/stream.go). An unreadable text is no error:
the caller then finds the refused lines by smaller pushes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from kigeon.senders.loki.streams import Stream


class Fault(Enum):
    """Why Loki refuses a stream or lines of it."""

    STREAMS = "the tenant has as many streams as it may"
    RATE = "the stream takes no more bytes a second"
    BEHIND = "the line is too far behind its stream"
    OLD = "the line is older than Loki takes"
    NEW = "the line's time is in the future"
    LINE = "the line is too long"
    METADATA = "its structured metadata are too large"


@dataclass(frozen=True, slots=True)
class Refusal:
    """One thing that an answer says.

    ``count`` is how many lines it concerns, ``of`` of how many (0: not said). ``size`` is what identifies the lines:
    for OLD and NEW their time in seconds since the epoch, for LINE the length in bytes, for METADATA the size in bytes
    or the number of fields. ``rate`` is the stream's limit in bytes a second (0: not said).
    """

    fault: Fault
    stream: Stream
    count: int = 0
    of: int = 0
    size: int = 0
    rate: float = 0.0


_LABELS = r'\{(?:[a-zA-Z_]\w*="(?:[^"\\]|\\.)*"(?:, )?)*\}'
_STREAMS = re.compile(rf"maximum active stream limit exceeded when trying to create stream ({_LABELS})", re.IGNORECASE)
_TOTAL = re.compile(rf"total ignored: (\d+) out of (\d+) for stream: ({_LABELS})")
_RATE = re.compile(r"Per stream rate limit exceeded(?: \(limit: ([\d.]+) ?([KMGT]?i?B)/sec\))?")
_BEHIND = re.compile(r"entry too far behind|entry out of order")

_COUNT = r"(?:(?P<count>\d+) errors like: )?"
_OF_STREAM = rf"stream '(?P<stream>{_LABELS})'"
_SIZE = r"'(?P<size>\d+)'"
_INVALID = (
    (
        Fault.OLD,
        rf"entry for {_OF_STREAM} has timestamp too old: (?P<time>\S+), oldest acceptable timestamp is: [^\s;]+",
    ),
    (Fault.NEW, rf"entry for {_OF_STREAM} has timestamp too new: (?P<time>[^\s;]+)"),
    (
        Fault.LINE,
        rf"max entry size '\d+' bytes exceeded for {_OF_STREAM} while adding an entry with length {_SIZE} bytes",
    ),
    (
        Fault.METADATA,
        rf"{_OF_STREAM} has structured metadata too large: {_SIZE} bytes, limit: '\d+' bytes\. [^;]*",
    ),
    (
        Fault.METADATA,
        rf"{_OF_STREAM} has too many structured metadata labels: {_SIZE}, limit: '\d+'\. [^;]*",
    ),
)
_PATTERNS = tuple((fault, re.compile(_COUNT + pattern)) for fault, pattern in _INVALID)
_UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}
_LABEL = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(r"\\(x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8}|.)")
_PLAIN = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def read_stream_refusal(text: str) -> Refusal | None:
    """Return an ingester's refusal of one stream; None where *text* is no such refusal."""
    if found := _STREAMS.search(text):
        return Refusal(Fault.STREAMS, labels_of(found[1]))
    total = _TOTAL.search(text)
    if total is None:
        return None
    count, of, stream = int(total[1]), int(total[2]), labels_of(total[3])
    if rate := _RATE.search(text):
        return Refusal(Fault.RATE, stream, count, of, rate=_bytes(rate[1], rate[2]))
    return Refusal(Fault.BEHIND, stream, count, of) if _BEHIND.search(text) else None


def read_invalid(text: str) -> tuple[Refusal, ...]:
    """Return a distributor's refusals of invalid lines; nothing where a part of *text* can't be read."""
    found: list[Refusal] = []
    rest = text.strip()
    for fault, pattern in _PATTERNS:
        found += (refusal for match in pattern.finditer(rest) if (refusal := _invalid(fault, match)))
        rest = pattern.sub("", rest)
    return tuple(found) if not rest.strip("; \n") else ()


def _invalid(fault: Fault, match: re.Match[str]) -> Refusal | None:
    groups = match.groupdict()
    try:
        size = int(groups["size"]) if "size" in groups else int(datetime.fromisoformat(groups["time"]).timestamp())
    except (ValueError, OverflowError):
        return None
    return Refusal(fault, labels_of(groups["stream"]), int(groups["count"] or 1), size=size)


def labels_of(text: str) -> Stream:
    """Return the labels of ``{name="value", …}`` as Loki prints them, with Go's quotes."""
    return tuple(sorted((name, _ESCAPE.sub(_unescaped, value)) for name, value in _LABEL.findall(text)))


def is_about(refused: Stream, stream: Stream) -> bool:
    """Whether the labels *refused* mean *stream*: Loki adds the service's name, and a number where it shards."""
    ours = dict(stream)
    return {name: value for name, value in refused if name in ours or name not in _ADDED} == ours


_ADDED = ("service_name", "__stream_shard__", "__time_shard__")


def find_stream(refused: Stream, streams: Sequence[Stream]) -> Stream | None:
    """Return which of *streams* an answer is about; None where it is none of them."""
    return next(_matching(refused, streams), None)


def _matching(refused: Stream, streams: Sequence[Stream]) -> Iterator[Stream]:
    # The search begins with the last stream: most answers are about that one.
    return (stream for stream in reversed(streams) if is_about(refused, stream))


def _unescaped(match: re.Match[str]) -> str:
    escape = match[1]
    return chr(int(escape[1:], 16)) if len(escape) > 1 else _PLAIN.get(escape, escape)


def _bytes(number: str | None, unit: str | None) -> float:
    try:
        return float(number or 0) * _UNITS[(unit or "").rstrip("B").rstrip("i")]
    except ValueError:
        return 0.0
