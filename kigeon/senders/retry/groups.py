"""What waits in the retry stream for one key, as a count and a place: how many pages, and where to look for the next.

Memory does not grow with what waits. Pages that wait for a destination are taken oldest first. Those that wait for
their hook (or for a namespace's labels) are taken in rounds, each round later after the last than the one before.

Pure, but for the jitter and the clock.
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
"""The key of pages of events that had ended: an operator wants another try."""

AGAIN = "again"
"""The key of pages of events that were booked as sent, and that their destination may have refused unnoticed."""

ROUNDS = (REPLAY, AGAIN, UNDECIDED)
"""The keys whose pages are taken in rounds; a destination's are asked for."""


def retry_delay(attempts: int) -> float:
    """Return seconds until the next try of something undecided: doubling from half a second to a minute."""
    return float(min(0.5 * 2.0 ** min(attempts, 10), 60.0)) * random.uniform(0.8, 1.2)  # noqa: S311 - jitter


@dataclass(slots=True)
class Group:
    """The pages of one key. Those in memory are not counted, but for those of which something else is to be loaded."""

    key: str
    pages: int = 0
    events: int = 0
    cursor: int = 1
    """The next page is looked for from this sequence on."""
    last: int = 0
    """No page is there with a higher sequence than this; what is found was never booked, or is not durable yet."""
    due: float = 0.0
    rounds: int = 0
    stirred: bool = False
    """Whether a page was taken or came back in this round. If not, what was not found is not there."""
    missing_are: Outcome = Outcome.EVICTED

    @property
    def goes_round(self) -> bool:
        """Whether its pages are taken in rounds."""
        return self.key in ROUNDS

    def add(self, sequence: int, events: int, now: float) -> None:
        """Note a page that waits, as one that is newer than the others."""
        if not self.pages:
            self.cursor, self.rounds = sequence, 0
        self.pages += 1
        self.events += events
        self.last = max(self.last, sequence)
        if self.goes_round:
            # A new page is tried soon, the others with it; but not so often that their number costs the processor.
            self.rounds = min(self.rounds, 3)
            delay = 0.0 if self.key == REPLAY else retry_delay(self.rounds)
            self.due = min(self.due, now + delay) if self.pages > 1 else now + delay

    def take(self, page: EnvelopeProgress, found: int) -> list[int]:
        """Take what waits of *page*, found at sequence *found*, into memory; return the indexes of its events."""
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
        """Have the event at *index* of *page*, which was in memory, loaded again."""
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
        """Return how many events should wait here and are not there; they are not counted any more."""
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
