"""Until when this process may write and send: asked right before it does, in any thread."""

from __future__ import annotations

import math
from collections.abc import Callable

from kigeon.clock import boot_time
from kigeon.errors import TenureEnded


class Tenure:
    """It has no end where nobody else could take over; otherwise each renewal of the replica's lease puts it off."""

    def __init__(self, until: float = math.inf, clock: Callable[[], float] = boot_time) -> None:
        self._clock = clock
        self.until = until

    def begin(self, until: float) -> None:
        """Have it end at *until*."""
        self.until = until

    def extend(self, until: float) -> None:
        """Put the end off to *until*, by the clock; one that is over is over."""
        self.check()
        self.until = max(self.until, until)

    def check(self) -> None:
        """Raise :class:`TenureEnded` where it has ended: nothing was renewed, or this process was stopped meanwhile."""
        if self._clock() >= self.until:
            raise TenureEnded("another replica may do by now what this process does")
