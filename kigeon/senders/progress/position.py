"""A position as the record that makes it durable: JSON, small, with a format version.

::

    {"format": 1, "sequence": 42, "number": 9001, "first": 501,
     "open": [[40, 8500, 3, "5"]],            sequence, first number, count, hexadecimal bits of ended events
     "retrySequence": 9, "retry": {"7": "3f"},  what moved to the retry stream, and what of it has ended
     "counts": {"sent": 8400, "filtered": 99},
     "explained": 8800,                         from this number on no event has a record of how it ended
     "resent": 12,                              how many were sent again on an operator's request
     "doubted": [[8192, "7f"]]}                 first number and hexadecimal bits of what is not proven to be held

A record of an earlier version has none of ``explained``, ``resent`` and ``doubted``: of what was in doubt when it was
written, nothing is known.
"""

from __future__ import annotations

from typing import Any

import orjson

from kigeon.errors import UnreadablePosition, shorten
from kigeon.senders.progress.doubts import WIDTH
from kigeon.senders.progress.envelope import EnvelopeProgress, Position
from kigeon.senders.progress.outcome import Outcome

POSITION_FORMAT = 1
MOST_COUNTED = 10**18 - 1
"""What is larger was never counted: no sequence and no offset has more than 18 digits."""

MOST_EVENTS = 1_000_000
"""Far more than any envelope holds."""


def write_position(position: Position) -> bytes:
    """Return the record of *position*."""
    return orjson.dumps(
        {
            "format": POSITION_FORMAT,
            "sequence": position.next_sequence,
            "number": position.next_offset,
            "first": position.first_offset,
            "open": [[page.sequence, page.first, page.count, f"{page.ended:x}"] for page in position.open],
            "retrySequence": position.retry_sequence,
            "retry": {str(sequence): f"{bits:x}" for sequence, bits in position.retry.items()},
            "counts": {str(outcome): count for outcome, count in position.counts.items()},
            "explained": position.explained,
            **({"resent": position.resent} if position.resent else {}),
            **(
                {"doubted": [[first, f"{bits:x}"] for first, bits in position.doubted.items()]}
                if position.doubted
                else {}
            ),
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
        if found["format"] != POSITION_FORMAT:
            raise UnreadablePosition(
                f"the position has format {found['format']!r}, this kigeon reads {POSITION_FORMAT}"
            )
        return _read(found)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UnreadablePosition(f"the position {shorten(record, 120)} can't be read: {error!r}") from error


def _read(found: dict[str, Any]) -> Position:
    pages = [_read_page(*page) for page in found["open"]]
    if len({page.sequence for page in pages}) < len(pages):
        raise ValueError("an envelope is there twice")
    next_sequence = _number(found["sequence"], 1)
    if any(page.sequence >= next_sequence for page in pages):
        raise ValueError("an envelope is open that was not read yet")
    counts = {Outcome(outcome): _number(count) for outcome, count in found["counts"].items()}
    return Position(
        next_sequence,
        _number(found["number"]),
        # Numbers that went back keep their place before the first.
        _number(found["first"], -MOST_COUNTED),
        pages,
        _number(found["retrySequence"]),
        {_number(int(sequence), 1): _bits(bits) for sequence, bits in found["retry"].items()},
        counts,
        _number(found.get("explained", _all_of(found["number"], counts))),
        _number(found.get("resent", 0)),
        _doubted(found.get("doubted", []), counts.get(Outcome.SENT, 0)),
    )


def _doubted(chunks: list[Any], sent: int) -> dict[int, int]:
    """Read what is in doubt; more than was sent can't be."""
    doubted = {_number(first): _bits(bits, WIDTH) for first, bits in chunks}
    if any(first % WIDTH for first in doubted):
        raise ValueError("what is in doubt begins anywhere")
    return doubted if sum(bits.bit_count() for bits in doubted.values()) <= sent else {}


def _all_of(next_offset: int, counts: dict[Outcome, int]) -> int:
    """Return from which number on nothing is explained where an earlier version, which noted no parkings, wrote."""
    return next_offset if any(count for outcome, count in counts.items() if outcome is not Outcome.SENT) else 0


def _read_page(sequence: Any, first: Any, count: Any, bits: Any) -> EnvelopeProgress:
    page = EnvelopeProgress(_number(sequence, 1), _number(first, 1), _number(count, 1, MOST_EVENTS), _bits(bits))
    if page.ended >> page.count:
        raise ValueError(f"{bits!r} are no bits of an envelope with {count} events")
    return page


def _bits(value: Any, most: int = MOST_EVENTS) -> int:
    bits = int(value, 16)
    if bits < 0 or bits >> most:
        raise ValueError(f"{value!r} are no bits")
    return bits


def _number(value: Any, least: int = 0, most: int = MOST_COUNTED) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ValueError(f"{value!r} is no number from {least} to {most}")
    return value
