"""A sender's books as they lie in the queue: how many events ended how, and what became of each."""

from __future__ import annotations

import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nats.aio.client import Client

from kigeon.errors import UnreadablePosition
from kigeon.queue.dead_letter import DeadLetter, DeadLetterStore
from kigeon.queue.outcomes import OutcomeStore, Range
from kigeon.queue.publisher import Tail
from kigeon.queue.retry import RetryStore, Waiting
from kigeon.queue.state import StateRecord
from kigeon.queue.streams import POSITION_KEY
from kigeon.senders.ledger import Outcome, Position
from kigeon.senders.position import read_position

ATTEMPTS = 50
"""How often the parts of the books are read again when the sender has written meanwhile."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of an event for a sender; ``outcome`` is an outcome, ``waiting``, ``earlier`` or ``unknown``."""

    outcome: str
    reason: str = ""


class SenderBooks:
    """What one sender has written of what it did. Made by :func:`read_books`."""

    def __init__(
        self, position: Position, retry: Sequence[Waiting], ranges: Sequence[Range], parked: Sequence[DeadLetter]
    ) -> None:
        self.position = position
        self._pages = {page.first: page for page in position.open}
        self._firsts = sorted(self._pages)
        self._waiting: dict[int, str] = {}
        for message in retry:
            bits = position.retry.get(message.sequence, 0)
            waits = {number for index, number in enumerate(message.numbers) if not bits >> index & 1}
            self._waiting |= dict.fromkeys(waits, message.key)
        self._ranges = _disjoint(ranges)
        self._parked = {letter.number: letter.reason for letter in parked if letter.number is not None}

    def accounts(self, tail: Tail) -> Mapping[str, int]:
        """Return how many events were stored for this sender, and what became of them; ``unaccounted`` is to be 0."""
        position = self.position
        first = position.first_number or tail.next_number
        waiting = tail.next_number - (position.next_number or tail.next_number)
        waiting += sum(page.open_count for page in position.open) + len(self._waiting)
        counts = {str(outcome): position.counts.get(outcome, 0) for outcome in Outcome}
        stored = tail.next_number - first
        return {
            "stored": stored,
            **counts,
            "waiting": waiting,
            "unaccounted": stored - waiting - sum(counts.values()),
        }

    def fate(self, number: int) -> Fate:
        """Return what became of the event with running *number*."""
        if not self.position.next_number or number >= self.position.next_number:
            return Fate("waiting", "the sender has not come to it")
        if number < self.position.first_number:
            return Fate("earlier", "it was stored before this sender began")
        if number in self._waiting:
            return Fate("waiting", f"for {self._waiting[number]}")
        if self._is_open(number):
            return Fate("waiting", "it is being sent")
        if number in self._parked:
            return Fate(str(Outcome.PARKED), self._parked[number])
        return self._ended(number) or Fate(str(Outcome.SENT))

    def _is_open(self, number: int) -> bool:
        index = bisect.bisect_right(self._firsts, number) - 1
        page = self._pages[self._firsts[index]] if index >= 0 else None
        return page is not None and number < page.first + page.count and not page.ended >> (number - page.first) & 1

    def _ended(self, number: int) -> Fate | None:
        index = bisect.bisect_right(self._ranges, number, key=lambda found: found[0]) - 1
        if index < 0 or number > self._ranges[index][1]:
            return None
        return Fate(*self._ranges[index][2:])


def _disjoint(ranges: Sequence[Range]) -> list[Range]:
    """Return *ranges* in order, each number in one of them: after a crash they repeat."""
    found: list[Range] = []
    reached = 0
    for first, last, outcome, reason in sorted(ranges):
        if last > reached:
            found.append((max(first, reached + 1), last, outcome, reason))
            reached = last
    return found


async def read_books(client: Client, sender: str) -> SenderBooks:
    """Read a sender's books; all parts of them are of one moment. Raises :class:`QueueError`."""
    for _ in range(ATTEMPTS):
        record = StateRecord(client, f"{POSITION_KEY}.{sender}")
        value = await record.read()
        position = _position(value)
        retry = await RetryStore(client, sender).booked(position.retry_sequence)
        ranges = await OutcomeStore(client, sender).read()
        parked = await DeadLetterStore(client, sender).all()
        if await record.is_current():
            break
    return SenderBooks(position, retry, ranges, parked)


def _position(value: bytes | None) -> Position:
    try:
        return read_position(value)
    except UnreadablePosition:
        return Position()
