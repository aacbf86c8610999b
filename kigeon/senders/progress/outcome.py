"""How events end for a sender, and the notes of those that ended otherwise than sent."""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """How an event ended for a sender."""

    SENT = "sent"
    FILTERED = "filtered"
    SKIPPED = "skipped"
    PARKED = "parked"
    EVICTED = "evicted"


EVICTED_UNREAD = "the queue evicted it before the sender had it"

REPLAYED = "replayed"
"""What is noted of a parked event that an operator has tried again: what came of it follows, or it was sent."""

DROPPED = "dropped"
"""What is noted of a parked event that an operator has deleted: the accounts have it among the parked ones."""

UNKNOWN = "unknown"
"""What is noted of events of which some are known to be gone, but not which."""

GONE_WAITING = "events that waited in the retry stream are gone, it may be one of them"

Otherwise = tuple[int, int, str, str]
"""First and last offset of events that ended alike, how, and why.

Of parked ones it is where they are parked instead: the names of the letters that hold a whole envelope of them,
comma-separated; "" where each has one of its own.
"""


def whole(sequence: int) -> str:
    """Return the name of the letter that the envelope at *sequence* is parked as, whole."""
    return f"e{sequence}"


class Notes:
    """What ended otherwise than sent since it was taken last; from the offset *explained* on nothing has a note yet."""

    def __init__(self, explained: int) -> None:
        self.explained = explained
        self._otherwise: list[Otherwise] = []

    def add(self, first: int, last: int, outcome: str, reason: str) -> None:
        """Note how the events from *first* to *last* ended, and why; nothing of those that were sent."""
        if outcome == Outcome.SENT or first > last:
            return
        before = self._otherwise[-1] if self._otherwise else None
        if before is not None and before[1:] == (first - 1, outcome, reason):
            self._otherwise[-1] = (before[0], last, outcome, reason)
        else:
            self._otherwise.append((first, last, outcome, reason))

    def take(self, next_offset: int) -> list[Otherwise]:
        """Return what ended otherwise since this was last called; no event from *next_offset* on has ended yet."""
        taken, self._otherwise = self._otherwise, []
        if taken:
            self.explained = max(self.explained, next_offset)
        return taken
