"""Writes and reads the durable record of a position: small JSON with a format version.

::

    {"format": 1, "sequence": 42, "number": 9001, "first": 501,
     "open": [[40, 8500, 3, "5"]],            sequence, first offset, count, hexadecimal bits of ended events
     "retrySequence": 9, "retry": {"7": "3f"},  last booked message of the retry stream, bits of ended events there
     "counts": {"sent": 8400, "filtered": 99},
     "explained": 8800,                         from this offset on no event has a note of how it ended
     "resent": 12,                              how many were sent again on an operator's request
     "doubted": [[8192, "7f"]]}                 first offset and hexadecimal bits of the events in doubt
A record of an earlier version may have none of ``explained``, ``resent`` and ``doubted``. Which events were in doubt
when it was written is not known then.
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
"""A larger number is damage: no sequence and no offset has more than 18 digits."""

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
    """Read what :func:`write_position` wrote; None gives the position of a new sender.

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
        # It may be negative: offsets that went back keep their place before the first one.
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
    """Read the events in doubt; there can't be more of them than were sent."""
    doubted = {_number(first): _bits(bits, WIDTH) for first, bits in chunks}
    if any(first % WIDTH for first in doubted):
        raise ValueError("what is in doubt begins anywhere")
    return doubted if sum(bits.bit_count() for bits in doubted.values()) <= sent else {}


def _all_of(next_offset: int, counts: dict[Outcome, int]) -> int:
    """Return ``explained`` for a record of an earlier version, which noted no parked events."""
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
