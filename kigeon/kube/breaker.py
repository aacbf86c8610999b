"""A circuit breaker, which leaves a failing server alone for a while, so that callers go on without its answer."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock

from kigeon.backoff import Backoff


class Breaker:
    """Opens after so many *failures* in a row; then one request at a time tells whether it closes. Thread-safe.

    The pauses between these requests grow as *backoff* says; a server's Retry-After is respected.
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
        """Whether no request may be sent now."""
        with self._lock:
            return self._clock() < self._silent_until or (self._failures >= self._most and self._trying)

    def may_ask(self) -> bool:
        """Return whether a request may be sent now; its sender has to call :meth:`succeeded` or :meth:`failed`."""
        with self._lock:
            if self._clock() < self._silent_until or (self._failures >= self._most and self._trying):
                return False
            self._trying = self._failures >= self._most
            return True

    def succeeded(self) -> None:
        """Note that a request was answered."""
        with self._lock:
            self._failures, self._trying = 0, False
            self._backoff.succeeded()

    def failed(self, retry_after: float | None = None, opens: bool = False) -> None:
        """Note that a request failed; *retry_after* is for how many seconds the server wants to be left alone.

        With *opens* the breaker opens now, whatever came before.
        """
        with self._lock:
            self._failures = max(self._failures + 1, self._most if opens else 0)
            self._trying = False
            now = self._clock()
            if now < self._silent_until and retry_after is None:
                # This request was sent before the others failed, so its failure is no news.
                return
            if self._failures >= self._most or retry_after is not None:
                self._silent_until = max(self._silent_until, now + self._backoff.failed(retry_after))
