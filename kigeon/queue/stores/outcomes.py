"""The outcomes stream notes how events ended that were not sent: ranges of offsets, each with outcome and reason.

One message notes the events that ended between two positions of a sender, as JSON::

    [["filtered", "the namespace filter", [[17, 25], [31, 31]]], ["parked", "", [[32, 32]]]]

A message is written before the position that counts it: after a crash the same event may be noted twice, and the last
note counts. Dropped dead letters are noted too; a letter that holds no single event, by the letter's name::

    [["dropped", "an operator dropped it", [[32, 32], "e17"]]]

The stream is limited, in bytes and in age, and loses its oldest messages first. So each message says in its header
``Kigeon-Complete-From`` the offset from which on no earlier message of its sender has a note. All notes of these
offsets are in this message and those after it: an event without a note was sent. No clock is needed to tell that.
Messages of earlier versions have no such header, and prove only what they note.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from nats.aio.client import Client

from kigeon.errors import shorten
from kigeon.events.envelope import MOST_OFFSET, natural
from kigeon.queue.broker.connection import names_of, writing
from kigeon.queue.broker.scan import StreamMessage, scan, stream_state
from kigeon.throttle import Limited

few = Limited(logging.getLogger(__name__))

DROPPED = "dropped"
COMPLETE_FROM = "Kigeon-Complete-From"
AT_ONCE = 32
"""Messages that are read at once: each may be as large as a hundred thousand bytes."""

Range = tuple[int, int, str, str]
"""First and last offset, the outcome, the reason."""


@dataclass(slots=True)
class Noted:
    """What the message at ``sequence`` notes: ranges of offsets, and names of letters that hold no single event.

    A letter comes with its name, the outcome and the reason.
    """

    sequence: int
    ranges: list[Range] = field(default_factory=list)
    letters: list[tuple[str, str, str]] = field(default_factory=list)


class OutcomeStore:
    """One sender's part of the outcomes stream. Methods raise :class:`QueueError` when the queue is away."""

    def __init__(self, client: Client, sender: str) -> None:
        self._client = client
        self._names = names_of(client)
        self._js = client.jetstream()
        self._subject = f"{self._names.outcomes_subjects}.{sender}"

    async def write(self, ranges: Sequence[Range], complete_from: int) -> None:
        """Store how events ended; no offset from *complete_from* on was noted before."""
        groups: dict[tuple[str, str], list[Any]] = {}
        for first, last, outcome, reason in ranges:
            groups.setdefault((outcome, shorten(reason)), []).append((first, last))
        await self._write(groups, complete_from)

    async def write_dropped(self, names: Mapping[str, str], complete_from: int) -> None:
        """Store that the letters *names* are to be deleted, each with the reason."""
        groups: dict[tuple[str, str], list[Any]] = {}
        for name, reason in names.items():
            offset = natural(name)
            groups.setdefault((DROPPED, shorten(reason)), []).append((offset, offset) if offset else name)
        await self._write(groups, complete_from)

    async def _write(self, groups: Mapping[tuple[str, str], list[Any]], complete_from: int) -> None:
        payload = orjson.dumps([[outcome, reason, found] for (outcome, reason), found in groups.items()])
        headers = {COMPLETE_FROM: str(complete_from)}
        with writing(self._client, "storing why events were not sent"):
            await self._js.publish(self._subject, payload, stream=self._names.outcomes, headers=headers)

    async def read(self, note: Callable[[Noted], None]) -> int | None:
        """Pass the stored notes to *note*, oldest first, and return the offset from which on no note is missing.

        None where the notes do not tell that; then none is missing from :attr:`Position.explained` on, in a position
        that was read before.
        """
        complete_from: int | None = None
        oldest = 0
        async for message in scan(self._client, self._names.outcomes, self._subject, 1, most=AT_ONCE):
            oldest = oldest or message.sequence
            found = read_noted(message.payload, message.sequence)
            if found is None:
                complete_from = None
            else:
                if complete_from is None:
                    complete_from = _complete_from(message)
                note(found)
        state = await stream_state(self._client, self._names.outcomes)
        # Messages were evicted during the reading, or lost in the middle: some notes may not have been read.
        passed_by = oldest < state.first_seq or state.last_seq - state.first_seq + 1 > state.messages
        return None if oldest and passed_by else complete_from


def read_noted(payload: bytes, sequence: int) -> Noted | None:
    """Return what the *payload* of a message says; None, with a warning in the log, when it can't be read."""
    try:
        return _read(orjson.loads(payload), sequence)
    except (ValueError, TypeError, RecursionError) as error:
        few.warning("an outcome can't be read", extra={"error": str(error), "beginning": shorten(payload, 100)})
        return None


def _read(groups: Any, sequence: int) -> Noted:
    found = Noted(sequence)
    for outcome, reason, of in groups:
        for each in of:
            if isinstance(each, str):
                found.letters.append((each, str(outcome), str(reason)))
                continue
            first, last = each
            if not 0 < first <= last < MOST_OFFSET:
                raise ValueError(f"{first!r} to {last!r} are no offsets")
            found.ranges.append((int(first), int(last), str(outcome), str(reason)))
    return found


def _complete_from(message: StreamMessage) -> int | None:
    return natural(message.headers.get(COMPLETE_FROM, ""))
