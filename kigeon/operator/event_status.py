"""What became of each event for one sender, as records prove it; an event without proof is ``unknown``.

The records may change while they are read, so the order matters: the position; what waits in the retry stream; the
dead letters; the notes of events that ended without being sent. An event that ends after the position was read is open
in that position, so it is ``waiting``. The letter or note of an event that ended before was written before the
position, and is read after it.
``sent`` is the status of an event that has ended, has no letter and no note, and whose note would still be there. Notes
are complete from some offset on (see :mod:`kigeon.queue.stores.outcomes`); where no note is left, they are complete
from the offset on that the position names. ``sent`` is also the status of an event that was replayed and has no later
letter or note. An event older than the notes is ``unknown``: it may have been filtered, or parked and lost.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

from nats.aio.client import Client

from kigeon.events.envelope import natural
from kigeon.operator.answer import Answer
from kigeon.operator.listing import place_of
from kigeon.operator.sender_accounts import open_offsets, read
from kigeon.operator.spool import Texts, integers_in_file
from kigeon.queue.broker.connection import names_of
from kigeon.queue.broker.scan import last_sequence
from kigeon.queue.broker.streams import POSITION_KEY
from kigeon.queue.stores.dead_letter import DeadLetterStore
from kigeon.queue.stores.outcomes import Noted, OutcomeStore
from kigeon.queue.stores.retry import RetryStore
from kigeon.queue.stores.state import StateRecord
from kigeon.senders.progress.envelope import Position
from kigeon.senders.progress.outcome import DROPPED, REPLAYED, UNKNOWN, Outcome

NOT_COME = "the sender has not reached it"
EARLIER = "it was stored before this sender began"
BEING_SENT = "it is being sent"
TRIED_AGAIN = "it is sent again on an operator's request"
LETTER_GONE = "it was parked, and is not in the dead-letter stream any more"
NOTES_GONE = "it has ended, and the records of such old events are gone: it may not have been sent"
UNREADABLE = "the sender's position can't be read"


class EventStatus(NamedTuple):
    """What became of an event; ``outcome`` is an outcome, ``waiting``, ``dropped``, ``earlier`` or ``unknown``."""

    outcome: str
    reason: str = ""


class Kind(IntEnum):
    """What the records say of an event."""

    NOTHING = 0
    ENDED = 1
    """It was filtered, skipped or evicted."""
    PARKED = 2
    """The note says that it was parked; the text names the letters that may hold it."""
    DROPPED = 3
    REPLAYED = 4
    LETTER = 5
    """It is in the dead-letter stream."""
    WAITING = 6


_KINDS = {str(Outcome.PARKED): Kind.PARKED, DROPPED: Kind.DROPPED, REPLAYED: Kind.REPLAYED}


@dataclass(slots=True)
class Letters:
    """Names of letters that hold no single event: those that are there, and those that were dropped, with reasons."""

    held: set[str] = field(default_factory=set)
    dropped: dict[str, str] = field(default_factory=dict)


class EventStatuses:
    """What the records say of each of *offsets* (sorted) for one sender; 8 bytes for each, in a file."""

    def __init__(self, position: Position, problem: str, offsets: Sequence[int], texts: Texts, folder: Path) -> None:
        self.position = position
        self._problem = problem
        self._open = open_offsets(position)
        self._offsets = offsets
        self._texts = texts
        self._marks = integers_in_file(folder, len(offsets))
        self._letters = Letters()
        self._doubtful: tuple[int, int] | None = None
        self._complete_from = position.explained
        self._replayed_after = 0

    def begin(self, last_note: int) -> None:
        """Say that the note at *last_note* of the outcomes stream was the last when the position was read."""
        self._replayed_after = last_note

    def waits(self, offset: int, key: str) -> None:
        """Note that *offset* waits in the retry stream for *key*."""
        self._mark(offset, Kind.WAITING, str(Kind.WAITING), f"for {key}")

    def is_parked(self, name: str, reason: str) -> None:
        """Note that there is a letter with this *name*."""
        offset = natural(name)
        if offset is None:
            self._letters.held.add(name)
        else:
            self._mark(offset, Kind.LETTER, Outcome.PARKED, reason)

    def note(self, noted: Noted) -> None:
        """Note how events ended that were not sent; the last note of an event counts."""
        for name, _, reason in noted.letters:
            self._letters.dropped[name] = reason
        for first, last, outcome, reason in noted.ranges:
            if outcome == UNKNOWN:
                low, high = self._doubtful or (first, last)
                self._doubtful = (min(low, first), max(high, last))
                continue
            kind = _KINDS.get(outcome, Kind.ENDED)
            if kind is Kind.REPLAYED and noted.sequence > self._replayed_after:
                kind, reason = Kind.WAITING, TRIED_AGAIN
            for place in range(bisect_left(self._offsets, first), bisect_right(self._offsets, last)):
                held = self._kind(place)
                # An event that was dropped as soon as it was parked may have its notes in the other order.
                if held < Kind.LETTER and (held, kind) != (Kind.DROPPED, Kind.PARKED):
                    self._marks[place] = self._texts.put(outcome, reason) << 3 | kind

    def complete(self, complete_from: int | None) -> None:
        """Say from which offset on all notes are held; None where the notes do not tell."""
        if complete_from is not None:
            self._complete_from = min(self._complete_from, complete_from)

    def status(self, offset: int) -> EventStatus:
        """Return what became of the event with *offset*, which is one of *offsets*."""
        position = self.position
        if self._problem:
            return EventStatus(UNKNOWN, UNREADABLE)
        if not position.next_offset or offset >= position.next_offset:
            return EventStatus("waiting", NOT_COME)
        if offset < position.first_offset:
            return EventStatus("earlier", EARLIER)
        place = place_of(self._offsets, offset)
        kind = self._kind(place)
        if kind is not Kind.WAITING and place_of(self._open, offset) >= 0:
            return EventStatus("waiting", BEING_SENT)
        return self._written(place, kind) or self._unwritten(offset)

    def _written(self, place: int, kind: Kind) -> EventStatus | None:
        if kind is Kind.NOTHING:
            return None
        outcome, reason = self._texts.get(self._marks[place] >> 3)
        if kind is Kind.WAITING:
            return EventStatus("waiting", reason)
        if kind is Kind.REPLAYED:
            return EventStatus(str(Outcome.SENT))
        return self._noted_as_parked(reason) if kind is Kind.PARKED else EventStatus(outcome, reason)

    def _noted_as_parked(self, names: str) -> EventStatus:
        """Return what became of a parked event without a letter of its own; the letters *names* may hold it."""
        wanted = [name for name in names.split(",") if name]
        gone = [name for name in wanted if name not in self._letters.held]
        if wanted and not gone:
            return EventStatus(str(Outcome.PARKED), f"its whole envelope is parked: {names}")
        if wanted and all(name in self._letters.dropped for name in gone):
            return EventStatus(DROPPED, self._letters.dropped[gone[0]])
        return EventStatus(UNKNOWN, LETTER_GONE)

    def _unwritten(self, offset: int) -> EventStatus:
        if self._doubtful is not None and self._doubtful[0] <= offset <= self._doubtful[1]:
            return EventStatus(UNKNOWN, "some events of the retry stream are gone, it may be one of them")
        return EventStatus(str(Outcome.SENT)) if offset >= self._complete_from else EventStatus(UNKNOWN, NOTES_GONE)

    def _mark(self, offset: int, kind: Kind, outcome: str, reason: str) -> None:
        place = place_of(self._offsets, offset)
        if place >= 0 and kind > self._kind(place):
            self._marks[place] = self._texts.put(outcome, reason) << 3 | kind

    def _kind(self, place: int) -> Kind:
        return Kind(self._marks[place] & 7)


MakeEventStatuses = Callable[[Position, str], EventStatuses]


async def read_event_statuses(client: Client, sender: str, make: MakeEventStatuses, answer: Answer) -> EventStatuses:
    """Read what the records say of the events of a *sender*. Raises :class:`QueueError`."""
    statuses = make(*read(await StateRecord(client, f"{POSITION_KEY}.{sender}").read()))
    statuses.begin(await last_sequence(client, names_of(client).outcomes))
    await _read_waiting(client, sender, statuses, answer)
    letters = 0
    async for letter in DeadLetterStore(client, sender).summaries():
        statuses.is_parked(letter.name, letter.reason)
        letters += 1
        await answer.progress(f"{sender}: reading what is parked", letters)
    statuses.complete(await OutcomeStore(client, sender).read(statuses.note))
    return statuses


async def _read_waiting(client: Client, sender: str, statuses: EventStatuses, answer: Answer) -> None:
    position, waiting = statuses.position, 0
    async for message in RetryStore(client, sender).booked(position.retry_sequence):
        bits = position.retry.get(message.sequence, 0)
        for index, offset in enumerate(message.offsets):
            if not bits >> index & 1:
                statuses.waits(offset, message.key)
        waiting += len(message.offsets)
        await answer.progress(f"{sender}: reading what waits", waiting)
