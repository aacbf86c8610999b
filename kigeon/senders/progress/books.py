"""Counts of a sender's events by outcome, and notes of the events that ended without being sent."""

from __future__ import annotations

from collections.abc import Mapping

from kigeon.senders.progress.outcome import Notes, Outcome


class Books:
    """Counts of outcomes, which go on from those of an earlier run, and :class:`Notes`."""

    def __init__(self, counts: Mapping[Outcome, int], explained: int) -> None:
        self.notes = Notes(explained)
        self.counts: dict[Outcome, int] = {outcome: counts.get(outcome, 0) for outcome in Outcome}
        self.ended: dict[Outcome, int] = dict.fromkeys(Outcome, 0)
        """How many events have ended since these books were opened; unlike ``counts`` it never goes down."""

    def count(self, outcome: Outcome, events: int) -> None:
        """Book the end of so many *events*; a negative number takes back what was booked before."""
        self.counts[outcome] += events
        self.ended[outcome] += max(events, 0)
