"""Decides when a child is restarted, and when it counts as hung. Pure: times are passed in."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

DELAYS = (0.0, 0.1, 0.3, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds before each restart in a row; the last value is for all further ones."""

HEALTHY = 60.0
"""A child that ran for so many seconds begins the delays anew."""

FAILS_AFTER = 3
"""A child that was replaced so many times without a healthy time between fails."""

START_DEADLINE = 15.0
"""Seconds within which a new child has to answer its first Ping."""

ANSWER_DEADLINE = 8.0
"""Seconds without an answer after which a child counts as hung."""


@dataclass(slots=True)
class Lifeline:
    """The life of one child. ``restarts`` counts all restarts, ``in_a_row`` those without a healthy time between."""

    restarts: int = 0
    in_a_row: int = 0
    created_at: float = 0.0
    answered_at: float = 0.0
    due_at: float | None = field(default=0.0)
    """When it is to be created; None while there is one."""

    def is_due(self, now: float) -> bool:
        """Whether the child is to be created now."""
        return self.due_at is not None and now >= self.due_at

    def created(self, now: float) -> None:
        """Note that the child was created."""
        self.created_at, self.answered_at, self.due_at = now, 0.0, None

    def renewed(self, now: float) -> None:
        """Note that the child was ended, though nothing is wrong with it: the next one is due."""
        self.due_at = now

    def answered(self, now: float) -> None:
        """Note a sign of life."""
        self.answered_at = now

    def ended(self, now: float) -> float:
        """Note that the child is gone; return in how many seconds the next one is due."""
        if self.answered_at - self.created_at >= HEALTHY:
            self.in_a_row = 0
        delay = DELAYS[min(self.in_a_row, len(DELAYS) - 1)]
        self.restarts += 1
        self.in_a_row += 1
        self.due_at = now + delay
        return delay

    @property
    def fails(self) -> bool:
        """Whether it ends again and again, and does not run for long now."""
        is_healthy = self.due_at is None and self.answered_at - self.created_at >= HEALTHY
        return self.in_a_row >= FAILS_AFTER and not is_healthy

    @property
    def hangs_at(self) -> float:
        """When the child counts as hung if it does not answer; infinity where there is none."""
        if self.due_at is not None:
            return math.inf
        return self.answered_at + ANSWER_DEADLINE if self.answered_at else self.created_at + START_DEADLINE

    def is_hung(self, now: float) -> bool:
        """Whether there is a child that should have answered by now."""
        return now > self.hangs_at
