"""The last events on their way to the status page: a few of each second, in bounded memory. Pure.

Whoever has them tells those of the last seconds with each report, so that one that is lost costs nothing; whoever is
told takes each once, by its number. In busy times these are samples: what is shown may not cost more than what is sent.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kigeon.events.summary import NOTHING, EventSummary

OF_A_BATCH = 10
"""Events of a batch of which a summary is made: its last ones."""

AT_ONCE = 50
"""Events that are told at once, the last ones."""

TOLD_FOR = 6.0
"""Seconds for which an event is told: as long as a few reports take."""

Numbered = tuple[int, EventSummary]


class LatestEvents:
    """What an actor tells of the events that it passed on."""

    def __init__(self) -> None:
        self._events: deque[tuple[float, Numbered]] = deque(maxlen=AT_ONCE)
        self._number = 0

    def add(self, events: Iterable[EventSummary], now: float) -> None:
        """Note *events*, oldest first; *now* is on the steady clock."""
        for event in events:
            self._number += 1
            self._events.append((now, (self._number, event)))

    def report(self, now: float) -> list[Numbered]:
        """Return those of the last seconds with their numbers."""
        return [event for at, event in self._events if now - at <= TOLD_FOR]


class GatheredEvents:
    """What was told, each once. Their numbers are its own: they go on when the process that tells is replaced."""

    def __init__(self) -> None:
        self._writer = 0
        self._seen = 0
        self._number = 0
        self.events: tuple[Numbered, ...] = ()

    def take(self, writer: int, told: Sequence[Numbered]) -> None:
        """Take what the process *writer* told."""
        if writer != self._writer:
            self._writer, self._seen = writer, 0
        new = [event for number, event in told if number > self._seen]
        if new:
            self._seen = told[-1][0]
            numbered = tuple((self._number + index, event) for index, event in enumerate(new, 1))
            self._number += len(new)
            self.events = (*self.events, *numbered)[-AT_ONCE:]


def new_of(latest: Sequence[EventSummary], count: int, new: Iterable[int]) -> list[EventSummary]:
    """Return those of the *latest* of *count* events whose indexes are among the *new*, and that could be read."""
    wanted, first = set(new), count - len(latest)
    return [event for index, event in enumerate(latest, first) if index in wanted and event != NOTHING]


def without_latest(children: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return what *children* told without the events: for whoever shows it line by line."""
    return {name: {key: value for key, value in told.items() if key != "latest"} for name, told in children.items()}
