"""Counts a sender's pushes by outcome, their times, and the age of events when they were sent."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from kigeon.observability.histogram import AGE_SECONDS, PUSH_SECONDS, Histogram
from kigeon.senders.delivery.lane import Item
from kigeon.senders.delivery.sink import Begun
from kigeon.senders.entry import Answer, PushStatus

SILENT = "no_answer"
"""The outcome of a push that was not answered."""

OUTCOMES: Mapping[PushStatus, str] = {
    PushStatus.DELIVERED: "delivered",
    PushStatus.RETRY: "retry",
    PushStatus.HOLD: "refused",
    PushStatus.SPLIT: "too_large",
    PushStatus.INVALID: "invalid",
    PushStatus.STREAM: "stream_refused",
}


class PushFigures:
    """Counts since the sender's process began. :meth:`timed` may be called in any thread."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._outcomes: Counter[str] = Counter()
        self._seconds = Histogram(PUSH_SECONDS)
        self._since_event = Histogram(AGE_SECONDS)
        self._since_stored = Histogram(AGE_SECONDS)

    def timed(self, push: Callable[[], Answer], since: float | None = None) -> Answer:
        """Push, and count the answer; the push has begun at *since*, on the steady clock, or begins now."""
        began = time.monotonic() if since is None else since
        answer = push()
        self._seconds.observe(time.monotonic() - began)
        self._outcomes[OUTCOMES[answer.status] if answer.answered else SILENT] += 1
        return answer

    def timing(self, begun: Begun) -> Begun:
        """Return *begun* as a push that is counted, with its time from now on, when it is finished."""
        return _TimedPush(begun, self)

    def sent(self, items: Iterable[Item]) -> None:
        """Note the age of *items*, which have just been sent; events that were sent before do not count."""
        now = self._clock()
        new = [item for item in items if item.entry is not None and not item.page.is_repeat]
        self._since_event.observe_all([now - item.entry.timestamp / 1e9 for item in new])
        self._since_stored.observe_all([now - item.page.stored_at for item in new])

    def report(self) -> Mapping[str, Any]:
        """Return everything as plain data."""
        return {
            "pushes": dict(self._outcomes),
            "pushSeconds": self._seconds.report(),
            "secondsSinceEvent": self._since_event.report(),
            "secondsSinceStored": self._since_stored.report(),
        }


class _TimedPush:
    def __init__(self, begun: Begun, figures: PushFigures) -> None:
        self._begun = begun
        self._figures = figures
        self._since = time.monotonic()
        self.arrival = begun.arrival

    @property
    def is_at_hand(self) -> bool:
        return self._begun.is_at_hand

    def finish(self) -> Answer:
        return self._figures.timed(self._begun.finish, self._since)
