"""Why events ended otherwise than sent, for as long as somebody may ask: ranges of running numbers, with a reason.

One message of the outcomes stream holds what ended between two positions of a sender, as JSON::

    [["filtered", "the namespace filter", [[17, 25], [31, 31]]]]

It is written before the position that counts it: after a crash the same may be there twice, which says nothing else.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import orjson
from nats.aio.client import Client

from kigeon.errors import shorten
from kigeon.queue.connection import writing
from kigeon.queue.scan import scan
from kigeon.queue.streams import OUTCOMES, OUTCOMES_SUBJECT
from kigeon.queue.tail import MOST_NUMBER
from kigeon.throttle import Limited

few = Limited(logging.getLogger(__name__))

Range = tuple[int, int, str, str]
"""First and last running number, the outcome, the reason."""


class OutcomeStore:
    """One sender's part of the outcomes stream. Methods raise :class:`QueueError` when the queue is away."""

    def __init__(self, client: Client, sender: str) -> None:
        self._client = client
        self._js = client.jetstream()
        self._subject = f"{OUTCOMES_SUBJECT}.{sender}"

    async def write(self, ranges: Sequence[Range]) -> None:
        """Store how events ended."""
        groups: dict[tuple[str, str], list[tuple[int, int]]] = {}
        for first, last, outcome, reason in ranges:
            groups.setdefault((outcome, shorten(reason)), []).append((first, last))
        payload = orjson.dumps([[outcome, reason, found] for (outcome, reason), found in groups.items()])
        with writing(self._client, "storing why events were not sent"):
            await self._js.publish(self._subject, payload, stream=OUTCOMES)

    async def read(self) -> list[Range]:
        """Return all that is known."""
        messages = scan(self._client, OUTCOMES, self._subject, 1)
        return [found async for message in messages for found in _ranges(message.payload)]


def _ranges(payload: bytes) -> Iterator[Range]:
    try:
        yield from _read(orjson.loads(payload))
    except (ValueError, TypeError, RecursionError) as error:
        few.warning("an outcome can't be read", extra={"error": str(error), "beginning": shorten(payload, 100)})


def _read(groups: Iterable[Any]) -> Iterator[Range]:
    for outcome, reason, ranges in groups:
        for first, last in ranges:
            if not 0 < first <= last < MOST_NUMBER:
                raise ValueError(f"{first!r} to {last!r} are no running numbers")
            yield int(first), int(last), str(outcome), str(reason)
