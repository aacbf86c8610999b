"""How events end for a sender, and notes of the events that ended without being sent."""

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
"""Noted of a parked event that an operator replays; a later note tells how it ended, or it was sent."""

DROPPED = "dropped"
"""Noted of a parked event that an operator has deleted; the accounts count it as parked."""

UNKNOWN = "unknown"
"""Noted of a range of events of which some are gone, while it is not known which."""

GONE_WAITING = "some events of the retry stream are gone, it may be one of them"

Otherwise = tuple[int, int, str, str]
"""First and last offset of events that ended alike, their outcome, and the reason.

Parked events have the place in place of the reason: the names of the letters that hold a whole envelope of them,
comma-separated; "" where each event has a letter of its own.
"""


def whole(sequence: int) -> str:
    """Return the name of the letter that holds the whole envelope at *sequence*."""
    return f"e{sequence}"


class Notes:
    """Notes of events that were not sent, since the last :meth:`take`; from *explained* on no offset has a note yet."""

    def __init__(self, explained: int) -> None:
        self.explained = explained
        self._otherwise: list[Otherwise] = []

    def add(self, first: int, last: int, outcome: str, reason: str) -> None:
        """Note how the events from *first* to *last* ended, and why; events that were sent get no note."""
        if outcome == Outcome.SENT or first > last:
            return
        before = self._otherwise[-1] if self._otherwise else None
        if before is not None and before[1:] == (first - 1, outcome, reason):
            self._otherwise[-1] = (before[0], last, outcome, reason)
        else:
            self._otherwise.append((first, last, outcome, reason))

    def take(self, next_offset: int) -> list[Otherwise]:
        """Return the notes since the last call; no event from *next_offset* on has ended yet."""
        taken, self._otherwise = self._otherwise, []
        if taken:
            self.explained = max(self.explained, next_offset)
        return taken
