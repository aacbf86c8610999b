"""Which origins are away for whoever asks: their tenants learn it from each other, and do not all ask.

An origin is away where no answer, or one that is no tenant's matter (5xx), was all that :data:`CROWD` destinations
there got last. Then one that was refused itself takes what another was told a moment ago for its own answer. Whoever
was not refused asks; a single other answer ends it for all.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from kigeon.senders.entry import Answer, Destination

CROWD = 4
"""Destinations that have to be refused: fewer cost little, and may each have a reason of their own."""

FRESH = 0.25
"""Seconds for which an answer is good for others: more would delay those for which the origin is back."""

MOST_ORIGINS = 4096


@dataclass(slots=True)
class Refusals:
    """What destinations of an origin were told last, and which they are, as many as make a crowd."""

    answer: Answer
    at: float
    destinations: set[Destination] = field(default_factory=set)


class AwayOrigins:
    """Owned by one event loop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._refusals: dict[str, Refusals] = {}

    def note(self, destination: Destination, answer: Answer) -> None:
        """Take what a push to *destination* was answered."""
        if not answer.concerns_all:
            self._refusals.pop(destination.origin, None)
            return
        if len(self._refusals) >= MOST_ORIGINS:
            self._refusals.clear()
        known = self._refusals.setdefault(destination.origin, Refusals(answer, 0.0))
        known.answer, known.at = answer, self._clock()
        if len(known.destinations) < CROWD:
            known.destinations.add(destination)

    def answer_for(self, destination: Destination) -> Answer | None:
        """Return what *destination*, which was refused itself, need not ask again now; None where it is to ask."""
        known = self._refusals.get(destination.origin)
        if known is None or len(known.destinations) < CROWD or self._clock() - known.at >= FRESH:
            return None
        return known.answer
