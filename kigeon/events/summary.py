"""Summarizes an event for the status page: bounded in length, without the credentials of any URL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import orjson

from kigeon.events.fields import integer, mapping, text
from kigeon.events.kind import LONGEST
from kigeon.events.occurrence import timestamp_of
from kigeon.redaction import redact

LONGEST_MESSAGE = 300
"""Characters of a message."""

LONGEST_OBJECT = 2 * LONGEST
"""Characters of an object's kind and name."""

NANOSECONDS = 1e9


class EventSummary(NamedTuple):
    """``time`` is when the event happened, in seconds since the epoch, 0 where the event has no time.

    ``object`` is kind/name, ``times`` how often it happened.
    """

    time: float = 0.0
    type: str = ""
    reason: str = ""
    namespace: str = ""
    object: str = ""
    message: str = ""
    times: int = 1


NOTHING = EventSummary()


def summaries(raws: Sequence[bytes]) -> tuple[EventSummary, ...]:
    """Return the summary of each raw Event, :data:`NOTHING` for one that can't be read; never raises."""
    return tuple(_summary_of(raw) for raw in raws)


def _summary_of(raw: bytes) -> EventSummary:
    try:
        event = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return NOTHING
    if not isinstance(event, dict):
        return NOTHING
    involved = mapping(event, "involvedObject")
    kind, name = text(involved, "kind"), text(involved, "name")
    return EventSummary(
        timestamp_of(event) / NANOSECONDS,
        text(event, "type")[:LONGEST],
        text(event, "reason")[:LONGEST],
        (text(involved, "namespace") or text(mapping(event, "metadata"), "namespace"))[:LONGEST],
        (f"{kind.lower()}/{name}" if kind else name)[:LONGEST_OBJECT],
        _shown(text(event, "message")[: 4 * LONGEST_MESSAGE].strip()),
        max(integer(event.get("count")) or 0, integer(mapping(event, "series").get("count")) or 0, 1),
    )


def _shown(message: str) -> str:
    # The message is redacted before it is cut: half an address may not be recognized as one.
    told = redact(message) if "://" in message else message
    return told if len(told) <= LONGEST_MESSAGE else f"{told[: LONGEST_MESSAGE - 1]}…"
