"""Decides how many workers a batch of events is worth, by what the last ones took. Does no I/O.

Another worker helps where the one is what the sender waits for. That takes two things. The script is *expensive*: its
worker takes longer for an event than the sender's own interpreter, which could not feed a second one. And it is
*pressed*: there is so much to do that one worker would be at work for most of the time. A script that takes a
millisecond for each of forty events a second is expensive and not pressed, one that returns its config is pressed by a
backlog and not expensive; both stay with one worker, and cost what they cost with one.
"""

from __future__ import annotations

import math

WORTH = 25e-6
"""Processor seconds of a worker for an event, for each of which one more worker is worth having.

A sender with a hook takes more than 20 µs of its own interpreter for an event.
"""

LEAST = 0.002
"""Processor seconds that each worker is to get of a batch: to wake another one for less costs more than it saves."""

LEAK = 0.5
"""How busy one worker may be without being pressed."""

PRESSED = 0.1
"""Processor seconds beyond :data:`LEAK` at which a hook is pressed: about what it takes to start a worker."""

MOST_PRESSURE = 1.0
"""What the pressure rises to at most. It falls by :data:`LEAK` a second."""

PARTS = 4
"""Parts of a batch for each worker at most: events take different times, and processors are not all as free."""

REMEMBERED = 500
"""Events that weigh as much as all before them in what an event takes."""


class Demand:
    """What a script takes of processors; *most* workers at most. Times are seconds of a steady clock."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._each = 0.0
        self._pressure = 0.0
        self._noted_at = -math.inf

    def workers(self, events: int) -> int:
        """Return among how many workers a batch of so many events is to be shared."""
        if self._pressure < PRESSED:
            return 1
        worth = math.ceil(self._each / WORTH)
        return max(1, min(self._most, worth, int(events * self._each / LEAST), events))

    def parts(self, events: int, workers: int) -> int:
        """Return into how many parts a batch is to be cut that so many workers share."""
        return max(workers, min(workers * PARTS, int(events * self._each / LEAST)))

    def note(self, events: int, seconds: float, now: float) -> None:
        """Note that workers took *seconds* of processor time, together, for *events* that were done by *now*."""
        if events:
            weight = events / (events + REMEMBERED) if self._each else 1.0
            self._each += weight * (seconds / events - self._each)
        leaked = LEAK * (now - self._noted_at)
        self._pressure = min(max(0.0, self._pressure - leaked) + seconds, MOST_PRESSURE)
        self._noted_at = now

    def forget(self) -> None:
        """Forget what an event took: the script is another."""
        self._each = 0.0
