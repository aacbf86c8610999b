"""Whether to ask at all: a server that fails is left alone for a while, and whoever needs it is told so at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock

from kigeon.backoff import Backoff


class Breaker:
    """Thread-safe. It opens after so many *failures* in a row; then one question at a time tells whether it closes.

    The pauses between those grow as *backoff* says; a Retry-After is waited for.
    """

    def __init__(self, failures: int, backoff: Backoff, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = failures
        self._backoff = backoff
        self._clock = clock
        self._lock = Lock()
        self._failures = 0
        self._silent_until = 0.0
        self._trying = False

    @property
    def is_resting(self) -> bool:
        """Whether nothing may be asked now."""
        with self._lock:
            return self._clock() < self._silent_until or (self._failures >= self._most and self._trying)

    def may_ask(self) -> bool:
        """Whether a question may be asked now; whoever does has to tell what came of it."""
        with self._lock:
            if self._clock() < self._silent_until or (self._failures >= self._most and self._trying):
                return False
            self._trying = self._failures >= self._most
            return True

    def succeeded(self) -> None:
        """There was an answer."""
        with self._lock:
            self._failures, self._trying = 0, False
            self._backoff.succeeded()

    def failed(self, retry_after: float | None = None, opens: bool = False) -> None:
        """There was none; *retry_after* is for how many seconds the server wants to be left alone.

        With *opens* it opens now, whatever came before.
        """
        with self._lock:
            self._failures = max(self._failures + 1, self._most if opens else 0)
            self._trying = False
            now = self._clock()
            if now < self._silent_until and retry_after is None:
                # It was asked before the others failed: no news.
                return
            if self._failures >= self._most or retry_after is not None:
                self._silent_until = max(self._silent_until, now + self._backoff.failed(retry_after))
