"""Log messages about a watch, which say once that it is established, and not again at each regular renewal."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from kigeon.clock import CLOCK_CURE

log = logging.getLogger(__name__)

MOST_SKEW = 30.0
"""Seconds by which clocks may differ; a server's Date header has whole seconds, and takes a while to arrive."""


class WatchNews:
    """The news of one watch; *ahead* tells by how many seconds the API server's clock is ahead of this machine's."""

    def __init__(
        self, path: str, ahead: Callable[[], float] = lambda: 0.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._path = path
        self._ahead = ahead
        self._clock = clock
        self._is_told = False
        self._lost_at: float | None = None

    def lost(self) -> None:
        """Note that the watch is lost, because the API server is away or refuses it, or has to be asked for a list."""
        self._is_told = False
        self._lost_at = self._clock() if self._lost_at is None else self._lost_at

    def opened(self) -> None:
        """Log that the watch is established, and for how long it was lost; say nothing if it was not lost."""
        if self._is_told:
            return
        context: dict[str, object] = {"path": self._path}
        if self._lost_at is not None:
            context["away"] = round(self._clock() - self._lost_at, 1)
        log.info("the watch is established", extra=context)
        self._is_told, self._lost_at = True, None
        if abs(ahead := self._ahead()) > MOST_SKEW:
            context = {"behind": round(ahead), "cure": CLOCK_CURE}
            log.error("this machine's clock is not the API server's", extra=context)
