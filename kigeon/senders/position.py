"""A position as the record that makes it durable: JSON, small, with a format version.

::

    {"format": 1, "sequence": 42, "number": 9001, "first": 501,
     "open": [[40, 8500, 3, "5"]],            sequence, first number, count, hexadecimal bits of ended events
     "retrySequence": 9, "retry": {"7": "3f"},  what moved to the retry stream, and what of it has ended
     "counts": {"sent": 8400, "filtered": 99}}
"""

from __future__ import annotations

from typing import Any

import orjson

from kigeon.errors import UnreadablePosition, shorten
from kigeon.senders.ledger import Outcome, Page, Position

FORMAT = 1


def write_position(position: Position) -> bytes:
    """Return the record of *position*."""
    return orjson.dumps(
        {
            "format": FORMAT,
            "sequence": position.next_sequence,
            "number": position.next_number,
            "first": position.first_number,
            "open": [[page.sequence, page.first, page.count, f"{page.ended:x}"] for page in position.open],
            "retrySequence": position.retry_sequence,
            "retry": {str(sequence): f"{bits:x}" for sequence, bits in position.retry.items()},
            "counts": {str(outcome): count for outcome, count in position.counts.items()},
        }
    )


def read_position(record: bytes | None) -> Position:
    """Read what :func:`write_position` wrote; None is where a new sender begins.

    Raises :class:`UnreadablePosition` with the reason.
    """
    if record is None:
        return Position()
    try:
        found = orjson.loads(record)
        if found["format"] != FORMAT:
            raise UnreadablePosition(f"the position has format {found['format']!r}, this kigeon reads {FORMAT}")
        return _read(found)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnreadablePosition(f"the position {shorten(record, 120)} can't be read: {error!r}") from error


def _read(found: dict[str, Any]) -> Position:
    return Position(
        _natural(found["sequence"]),
        int(found["number"]),
        int(found["first"]),
        [_read_page(*page) for page in found["open"]],
        int(found["retrySequence"]),
        {int(sequence): int(bits, 16) for sequence, bits in found["retry"].items()},
        {Outcome(outcome): int(count) for outcome, count in found["counts"].items()},
    )


def _read_page(sequence: Any, first: Any, count: Any, bits: str) -> Page:
    return Page(_natural(sequence), _natural(first), _natural(count), int(bits, 16))


def _natural(value: Any) -> int:
    if not isinstance(value, int) or value < 1:
        raise ValueError(f"{value!r} is no positive number")
    return value
