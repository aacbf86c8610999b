"""The pages of the retry stream that wait for one key, as a count and a cursor to the next page.

Memory does not grow with the waiting events. Pages that wait for a destination are taken oldest first. Pages that wait
for their hook (or for a namespace's labels) are taken in rounds, with growing pauses between rounds.
Pure except for the jitter and the clock.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass

from kigeon.senders.progress.envelope import EnvelopeProgress
from kigeon.senders.progress.outcome import Outcome

UNDECIDED = "hook"
"""The key of pages whose events have no destination yet."""

REPLAY = "replay"
"""The key of pages of parked events that an operator replays."""

AGAIN = "again"
"""The key of pages of events that were booked as sent, and that the destination may have refused unnoticed."""

ROUNDS = (REPLAY, AGAIN, UNDECIDED)
"""The keys whose pages are taken in rounds; a lane asks for the pages of its destination."""


def retry_delay(attempts: int) -> float:
    """Return seconds until the next try of an undecided event, doubling from half a second to a minute."""
    return float(min(0.5 * 2.0 ** min(attempts, 10), 60.0)) * random.uniform(0.8, 1.2)  # noqa: S311 - jitter


@dataclass(slots=True)
class Group:
    """The pages of one key. A page in memory counts only if some of its events have still to be loaded."""

    key: str
    pages: int = 0
    events: int = 0
    cursor: int = 1
    """The search for the next page begins at this sequence."""
    last: int = 0
    """The highest sequence of a page; a message after it was never booked, or its booking is not durable yet."""
    due: float = 0.0
    rounds: int = 0
    stirred: bool = False
    """Whether a page was taken or came back in this round. If none did, the pages that were not found are lost."""
    missing_are: Outcome = Outcome.EVICTED

    @property
    def goes_round(self) -> bool:
        """Whether its pages are taken in rounds."""
        return self.key in ROUNDS

    def add(self, sequence: int, events: int, now: float) -> None:
        """Note a waiting page that is newer than the others."""
        if not self.pages:
            self.cursor, self.rounds = sequence, 0
        self.pages += 1
        self.events += events
        self.last = max(self.last, sequence)
        if self.goes_round:
            # A new page is tried soon, and the others with it, but not so often that many pages cost the processor.
            self.rounds = min(self.rounds, 3)
            delay = 0.0 if self.key == REPLAY else retry_delay(self.rounds)
            self.due = min(self.due, now + delay) if self.pages > 1 else now + delay

    def take(self, page: EnvelopeProgress, found: int) -> list[int]:
        """Take the waiting events of *page*, found at sequence *found*, into memory; return their indexes."""
        indexes = [index for index in page.open_indexes() if not page.loaded >> index & 1]
        page.waits = False
        for index in indexes:
            page.loaded |= 1 << index
        self.passed(found)
        self.pages -= 1
        self.events -= len(indexes)
        return indexes

    def passed(self, sequence: int) -> None:
        """Look for the next page after *sequence*."""
        self.cursor = sequence + 1
        self.stirred = True

    def put_back(self, page: EnvelopeProgress, index: int) -> None:
        """Take the event at *index* of *page* out of memory, to be loaded again."""
        page.loaded &= ~(1 << index)
        self.events += 1
        if page.waits:
            return
        page.waits = True
        self.pages += 1
        self.last = max(self.last, page.sequence)
        self.stirred = True
        if not self.goes_round:
            self.cursor = min(self.cursor, page.sequence)

    def end_round(self, now: float) -> bool:
        """Begin again at the first page; return whether there can be one."""
        stirred, self.stirred, self.cursor = self.stirred, False, 1
        if self.goes_round:
            self.rounds += 1
            self.due = now + retry_delay(self.rounds)
        return stirred

    def give_up(self) -> int:
        """Return how many events should wait here and are missing; stop counting them."""
        events, self.events, self.pages = self.events, 0, 0
        return events


class Groups:
    """What waits in one sender's retry stream, by key."""

    def __init__(self) -> None:
        self._groups: dict[str, Group] = {}

    def group(self, key: str) -> Group:
        """Return what waits for *key*, from now on where nothing does."""
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = Group(key)
        return group

    def find(self, key: str) -> Group | None:
        """Return what waits for *key*, None where nothing does."""
        return self._groups.get(key)

    def forget_empty(self, group: Group) -> None:
        """Forget *group* where nothing waits in it."""
        if not group.pages and self._groups.get(group.key) is group:
            del self._groups[group.key]

    def add(self, page: EnvelopeProgress) -> None:
        """Have *page*, which is not in memory, tried when its time has come."""
        self.group(page.key).add(page.sequence, page.open_count, time.monotonic())

    def rounds(self) -> list[Group]:
        """Return what is taken in rounds."""
        return [self._groups[key] for key in ROUNDS if key in self._groups]

    def hurry(self, key: str) -> None:
        """Have the pages that wait for *key* tried as soon as may be."""
        if key in self._groups:
            self._groups[key].due = 0.0

    def waits_for(self, label: str) -> bool:
        """Whether pages wait for the destination *label*."""
        group = self._groups.get(label)
        return group is not None and group.pages > 0

    def events_for(self, label: str) -> int:
        """Return how many events wait for the destination *label*, or the key of a round, and are not in memory."""
        group = self._groups.get(label)
        return group.events if group is not None else 0

    def due(self, key: str) -> float:
        """Return in how many seconds what waits for the *key* of a round is tried again."""
        group = self._groups.get(key)
        return max(group.due - time.monotonic(), 0.0) if group is not None else 0.0

    def labels(self) -> list[str]:
        """Return the destinations for which pages wait."""
        return [group.key for group in self._groups.values() if group.pages and not group.goes_round]
