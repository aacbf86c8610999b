"""What became of each event for one sender, told from records: what no record proves is ``unknown``.

Read in this order, everything of it may change meanwhile: the position; what waits in the retry stream; the letters;
how events ended otherwise than sent. What ends after the position was read is open in it, so it is ``waiting``. What
ended before has its letter or its note before the position, and these are read after it.

``sent`` is said of an event that has ended, has no letter and no note, and whose note would still be there: notes are
complete from some offset on (see :mod:`kigeon.queue.stores.outcomes`); where none is left, from the offset on from
which the position says that none was ever written. It is said too of one that was replayed, and has no letter or note
after that. Whatever is older than the notes is ``unknown``: it may have been filtered, or parked and lost.
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

NOT_COME = "the sender has not come to it"
EARLIER = "it was stored before this sender began"
BEING_SENT = "it is being sent"
TRIED_AGAIN = "an operator has it tried again"
LETTER_GONE = "it was parked, and is not in the dead-letter stream any more"
NOTES_GONE = "it has ended, and what was noted of such old events is gone: it may not have been sent"
UNREADABLE = "the sender's position can't be read"


class EventStatus(NamedTuple):
    """What became of an event; ``outcome`` is an outcome, ``waiting``, ``dropped``, ``earlier`` or ``unknown``."""

    outcome: str
    reason: str = ""


class Kind(IntEnum):
    """What is written of an event."""

    NOTHING = 0
    ENDED = 1
    """It was filtered, skipped or evicted."""
    PARKED = 2
    """So it was noted; the text is where."""
    DROPPED = 3
    REPLAYED = 4
    LETTER = 5
    """It lies in the dead-letter stream."""
    WAITING = 6


_KINDS = {str(Outcome.PARKED): Kind.PARKED, DROPPED: Kind.DROPPED, REPLAYED: Kind.REPLAYED}


@dataclass(slots=True)
class Letters:
    """Letters that hold no single event, by name: those that are there, and why others are not."""

    held: set[str] = field(default_factory=set)
    dropped: dict[str, str] = field(default_factory=dict)


class EventStatuses:
    """What is written of each of *offsets* (sorted) for one sender; 8 bytes for each, in a file."""

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
        """Note that there is a letter of that *name*."""
        offset = natural(name)
        if offset is None:
            self._letters.held.add(name)
        else:
            self._mark(offset, Kind.LETTER, Outcome.PARKED, reason)

    def note(self, noted: Noted) -> None:
        """Note how events ended otherwise than sent; the last note of an event is the one that holds."""
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
                # What was dropped as soon as it was parked may be noted in the other order.
                if held < Kind.LETTER and (held, kind) != (Kind.DROPPED, Kind.PARKED):
                    self._marks[place] = self._texts.put(outcome, reason) << 3 | kind

    def complete(self, complete_from: int | None) -> None:
        """Say from which offset on all notes are held, None where that is so only where there never was one."""
        if complete_from is not None:
            self._complete_from = min(self._complete_from, complete_from)

    def status(self, offset: int) -> EventStatus:
        """Return what became of the event with *offset*, one of those that it was made with."""
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
        """Return what became of an event that was parked and has no letter of its own, but may be in those *names*."""
        wanted = [name for name in names.split(",") if name]
        gone = [name for name in wanted if name not in self._letters.held]
        if wanted and not gone:
            return EventStatus(str(Outcome.PARKED), f"the whole envelope is: {names}")
        if wanted and all(name in self._letters.dropped for name in gone):
            return EventStatus(DROPPED, self._letters.dropped[gone[0]])
        return EventStatus(UNKNOWN, LETTER_GONE)

    def _unwritten(self, offset: int) -> EventStatus:
        if self._doubtful is not None and self._doubtful[0] <= offset <= self._doubtful[1]:
            return EventStatus(UNKNOWN, "some of those that waited in the retry stream are gone, it may be one of them")
        return EventStatus(str(Outcome.SENT)) if offset >= self._complete_from else EventStatus(UNKNOWN, NOTES_GONE)

    def _mark(self, offset: int, kind: Kind, outcome: str, reason: str) -> None:
        place = place_of(self._offsets, offset)
        if place >= 0 and kind > self._kind(place):
            self._marks[place] = self._texts.put(outcome, reason) << 3 | kind

    def _kind(self, place: int) -> Kind:
        return Kind(self._marks[place] & 7)


MakeEventStatuses = Callable[[Position, str], EventStatuses]


async def read_event_statuses(client: Client, sender: str, make: MakeEventStatuses, answer: Answer) -> EventStatuses:
    """Read what is written of the events of a *sender*. Raises :class:`QueueError`."""
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
