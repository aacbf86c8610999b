"""Summarizes an event for the status page: bounded in length, without the credentials of any URL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import orjson

from kigeon.events.fields import fields_of
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
    fields = fields_of(event)
    name = f"{fields.involved_kind.lower()}/{fields.involved_name}" if fields.involved_kind else fields.involved_name
    return EventSummary(
        timestamp_of(event) / NANOSECONDS,
        fields.type[:LONGEST],
        fields.reason[:LONGEST],
        (fields.involved_namespace or fields.namespace)[:LONGEST],
        name[:LONGEST_OBJECT],
        # The message is redacted before it is cut: half an address may not be recognized as one.
        _cut(redact(fields.message[: 4 * LONGEST_MESSAGE].strip())),
        fields.count,
    )


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_MESSAGE else f"{text[: LONGEST_MESSAGE - 1]}…"
