"""Whether the API server answers this replica: asked while that decides who is to hold the pipeline."""

from __future__ import annotations

import math
from collections.abc import Callable
from threading import Thread

from kigeon.clock import boot_time

EVERY = 1.0
"""Seconds from an answer to the next question."""

BLIND_AFTER = 3.0
"""Seconds without an answer after which the API server counts as away from here."""


class Sight:
    """Asks in a thread of its own, one question at a time; *ask* blocks and returns whether there was an answer."""

    def __init__(self, ask: Callable[[], bool], clock: Callable[[], float] = boot_time) -> None:
        self._ask = ask
        self._clock = clock
        self._thread: Thread | None = None
        self._began_at = -math.inf
        self._answered_at = -math.inf
        self._asked_at = -math.inf

    def look(self, matters: bool) -> bool | None:
        """Ask, where it is time; return whether the API server answers. None: that is not known, or of no matter."""
        now = self._clock()
        if not matters:
            self._began_at = -math.inf
            return None
        if self._began_at == -math.inf:
            self._began_at = now
        if (self._thread is None or not self._thread.is_alive()) and now - self._asked_at >= EVERY:
            self._asked_at = now
            self._thread = Thread(target=self._look, name="sight", daemon=True)
            self._thread.start()
        if self._answered_at > self._began_at and now - self._answered_at < BLIND_AFTER:
            return True
        return False if now - max(self._began_at, self._answered_at) >= BLIND_AFTER else None

    def _look(self) -> None:
        if self._ask():
            self._answered_at = self._clock()
