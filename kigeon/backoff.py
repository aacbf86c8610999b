"""When to try again: exponential backoff with jitter, and the loop that tries until it works."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from kigeon.errors import QueueError

log = logging.getLogger(__name__)

T = TypeVar("T")


class Backoff:
    """A retry schedule: ``base`` seconds, times ``factor`` after each failure, at most ``cap``.

    Each delay is spread by ``jitter`` (a fraction, both ways), so that what failed together does not come
    back together. A ``retry_after`` from the other side is waited for, at most ``longest`` seconds.
    """

    def __init__(
        self,
        base: float = 0.5,
        cap: float = 30.0,
        factor: float = 2.0,
        jitter: float = 0.2,
        longest: float = 300.0,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._base = base
        self._cap = cap
        self._factor = factor
        self._jitter = jitter
        self._longest = longest
        self._uniform = uniform
        self.failures = 0

    def failed(self, retry_after: float | None = None) -> float:
        """Note a failure; return how many seconds to wait before the next try."""
        # The exponent is bounded: a float overflows after a thousand failures.
        delay = min(self._cap, self._base * self._factor ** min(self.failures, 64))
        self.failures += 1
        spread = delay * self._uniform(1 - self._jitter, 1 + self._jitter)
        return spread if retry_after is None else max(min(retry_after, self._longest), 0.0) + spread * self._jitter

    def succeeded(self) -> None:
        """Begin the schedule anew."""
        self.failures = 0


async def persistently(doing: str, action: Callable[[], Awaitable[T]]) -> T:
    """Repeat *action* until the queue takes it, with backoff; what else it raises is raised."""
    backoff = Backoff(base=0.1, cap=5.0)
    while True:
        try:
            return await action()
        except QueueError as error:
            delay = backoff.failed(error.retry_after)
            log.warning("the queue is away, trying again", extra={"doing": doing, "error": str(error), "delay": delay})
            await asyncio.sleep(delay)
