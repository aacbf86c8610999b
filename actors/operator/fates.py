"""What became of each event for one sender, told from records: what no record proves is ``unknown``.

Read in this order, everything of it may change meanwhile: the position; what waits in the retry stream; the letters;
how events ended otherwise than sent. What ends after the position was read is open in it, so it is ``waiting``. What
ended before has its letter or its note before the position, and these are read after it.

``sent`` is said of an event that has ended, has no letter and no note, and whose note would still be there: notes are
complete from some running number on (see :mod:`kigeon.queue.outcomes`); where none is left, from the number on from
which the position says that none was ever written. It is said too of one that was replayed, and has no letter or note
after that. Whatever is older than the notes is ``unknown``: it may have been filtered, or parked and lost.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

from nats.aio.client import Client

from actors.operator.answer import Answer
from actors.operator.books import open_numbers, read
from actors.operator.listing import place_of
from actors.operator.spool import Texts, numbers_in_file
from kigeon.events.envelope import natural
from kigeon.queue.dead_letter import DeadLetterStore
from kigeon.queue.outcomes import Noted, OutcomeStore
from kigeon.queue.retry import RetryStore
from kigeon.queue.scan import last_sequence
from kigeon.queue.state import StateRecord
from kigeon.queue.streams import OUTCOMES, POSITION_KEY
from kigeon.senders.ledger import DROPPED, REPLAYED, UNKNOWN, Outcome, Position

NOT_COME = "the sender has not come to it"
EARLIER = "it was stored before this sender began"
BEING_SENT = "it is being sent"
TRIED_AGAIN = "an operator has it tried again"
LETTER_GONE = "it was parked, and is not in the dead-letter stream any more"
NOTES_GONE = "it has ended, and what was noted of such old events is gone: it may not have been sent"
UNREADABLE = "the sender's position can't be read"


class Fate(NamedTuple):
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


class Fates:
    """What is written of each of *numbers* (sorted) for one sender; 8 bytes for each, in a file."""

    def __init__(self, position: Position, problem: str, numbers: array[int], texts: Texts, folder: Path) -> None:
        self.position = position
        self._problem = problem
        self._open = open_numbers(position)
        self._numbers = numbers
        self._texts = texts
        self._marks = numbers_in_file(folder, len(numbers))
        self._letters = Letters()
        self._doubtful: tuple[int, int] | None = None
        self._complete_from = position.explained
        self._replayed_after = 0

    def begin(self, last_note: int) -> None:
        """Say that the note at *last_note* of the outcomes stream was the last when the position was read."""
        self._replayed_after = last_note

    def waits(self, number: int, key: str) -> None:
        """Note that *number* waits in the retry stream for *key*."""
        self._mark(number, Kind.WAITING, str(Kind.WAITING), f"for {key}")

    def is_parked(self, name: str, reason: str) -> None:
        """Note that there is a letter of that *name*."""
        number = natural(name)
        if number is None:
            self._letters.held.add(name)
        else:
            self._mark(number, Kind.LETTER, Outcome.PARKED, reason)

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
            for place in range(bisect_left(self._numbers, first), bisect_right(self._numbers, last)):
                held = self._kind(place)
                # What was dropped as soon as it was parked may be noted in the other order.
                if held < Kind.LETTER and (held, kind) != (Kind.DROPPED, Kind.PARKED):
                    self._marks[place] = self._texts.put(outcome, reason) << 3 | kind

    def complete(self, complete_from: int | None) -> None:
        """Say from which number on all notes are held, None where that is so only where there never was one."""
        if complete_from is not None:
            self._complete_from = min(self._complete_from, complete_from)

    def fate(self, number: int) -> Fate:
        """Return what became of the event with *number*, one of the numbers."""
        position = self.position
        if self._problem:
            return Fate(UNKNOWN, UNREADABLE)
        if not position.next_number or number >= position.next_number:
            return Fate("waiting", NOT_COME)
        if number < position.first_number:
            return Fate("earlier", EARLIER)
        place = place_of(self._numbers, number)
        kind = self._kind(place)
        if kind is not Kind.WAITING and place_of(self._open, number) >= 0:
            return Fate("waiting", BEING_SENT)
        return self._written(place, kind) or self._unwritten(number)

    def _written(self, place: int, kind: Kind) -> Fate | None:
        if kind is Kind.NOTHING:
            return None
        outcome, reason = self._texts.get(self._marks[place] >> 3)
        if kind is Kind.WAITING:
            return Fate("waiting", reason)
        if kind is Kind.REPLAYED:
            return Fate(str(Outcome.SENT))
        return self._noted_as_parked(reason) if kind is Kind.PARKED else Fate(outcome, reason)

    def _noted_as_parked(self, names: str) -> Fate:
        """Return what became of an event that was parked and has no letter of its own, but may be in those *names*."""
        wanted = [name for name in names.split(",") if name]
        gone = [name for name in wanted if name not in self._letters.held]
        if wanted and not gone:
            return Fate(str(Outcome.PARKED), f"the whole envelope is: {names}")
        if wanted and all(name in self._letters.dropped for name in gone):
            return Fate(DROPPED, self._letters.dropped[gone[0]])
        return Fate(UNKNOWN, LETTER_GONE)

    def _unwritten(self, number: int) -> Fate:
        if self._doubtful is not None and self._doubtful[0] <= number <= self._doubtful[1]:
            return Fate(UNKNOWN, "some of those that waited in the retry stream are gone, it may be one of them")
        return Fate(str(Outcome.SENT)) if number >= self._complete_from else Fate(UNKNOWN, NOTES_GONE)

    def _mark(self, number: int, kind: Kind, outcome: str, reason: str) -> None:
        place = place_of(self._numbers, number)
        if place >= 0 and kind > self._kind(place):
            self._marks[place] = self._texts.put(outcome, reason) << 3 | kind

    def _kind(self, place: int) -> Kind:
        return Kind(self._marks[place] & 7)


MakeFates = Callable[[Position, str], Fates]


async def read_fates(client: Client, sender: str, make: MakeFates, answer: Answer) -> Fates:
    """Read what is written of the events of a *sender*. Raises :class:`QueueError`."""
    fates = make(*read(await StateRecord(client, f"{POSITION_KEY}.{sender}").read()))
    fates.begin(await last_sequence(client, OUTCOMES))
    await _read_waiting(client, sender, fates, answer)
    letters = 0
    async for letter in DeadLetterStore(client, sender).headlines():
        fates.is_parked(letter.name, letter.reason)
        letters += 1
        await answer.progress(f"{sender}: reading what is parked", letters)
    fates.complete(await OutcomeStore(client, sender).read(fates.note))
    return fates


async def _read_waiting(client: Client, sender: str, fates: Fates, answer: Answer) -> None:
    position, waiting = fates.position, 0
    async for message in RetryStore(client, sender).booked(position.retry_sequence):
        bits = position.retry.get(message.sequence, 0)
        for index, number in enumerate(message.numbers):
            if not bits >> index & 1:
                fates.waits(number, message.key)
        waiting += len(message.numbers)
        await answer.progress(f"{sender}: reading what waits", waiting)
