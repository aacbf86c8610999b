"""Whether the server that answers now is the process that answered before: what a connection tells of that.

A process that ends takes its connections with it. So one process was there from when a connection was opened to when
it last answered over it; and where two such times overlap, it was the same one: none starts while the answer of its
predecessor is on its way. A new connection that overlaps with no other tells nothing bad: connections end at rest too.
But what was known before it may be gone.

Times are ticks, not seconds: they only say what came first, and no two are equal.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from threading import Lock

ticks = count(1)
"""Of all connections of this process: what one of them proved is compared with what another tells."""


@dataclass(frozen=True, slots=True)
class Heard:
    """An answer was asked for at ``asked``, of a process that was there from ``since`` on, both in ticks."""

    asked: int
    since: int


class Continuity:
    """Of one server, which is reached over several connections. Thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._since = 0
        self._until = -1

    def heard(self, opened: int, asked: int, answered: int) -> Heard:
        """Take that what was *asked* over a connection that was *opened* before has been *answered*."""
        with self._lock:
            if asked < self._since:
                # Over a connection that is older than all that is known: it tells of itself alone.
                return Heard(asked, opened)
            self._since = min(self._since, opened) if opened <= self._until else opened
            self._until = max(self._until, answered)
            return Heard(asked, self._since)
