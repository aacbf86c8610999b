"""The planners of a sender's destinations: each begins when its destination is met first, and is kept for a while."""

from __future__ import annotations

import time
from collections import Counter, OrderedDict

from kigeon.senders.delivery.planner import PushPlanner
from kigeon.senders.delivery.sink import Sink
from kigeon.senders.entry import Destination
from kigeon.senders.progress.ledger import Ledger
from kigeon.senders.progress.outcome import Outcome

MAX_PLANNERS = 4096

REMEMBERED_FOR = 60.0
"""Seconds for which a destination may still count what an earlier run of the sender pushed."""


class Planners:
    """Where there are too many, that of the destination which was not met for longest is forgotten."""

    def __init__(self, sink: Sink, ledger: Ledger) -> None:
        self._sink = sink
        self._doubts = ledger.doubts
        self._planners: OrderedDict[Destination, PushPlanner] = OrderedDict()
        self._began = time.monotonic()
        self._has_predecessor = ledger.counts[Outcome.SENT] > 0

    def of(self, destination: Destination) -> PushPlanner:
        """Return the planner of *destination*."""
        planner = self._planners.get(destination)
        if planner is None:
            planner = self._planners[destination] = self._sink.planner(destination)
            if self._has_predecessor and time.monotonic() - self._began < REMEMBERED_FOR:
                planner.take_over()
            while len(self._planners) > MAX_PLANNERS:
                _, forgotten = self._planners.popitem(last=False)
                self._doubts.discard(forgotten.unproven())
        else:
            self._planners.move_to_end(destination)
        return planner

    def all(self) -> list[tuple[Destination, PushPlanner]]:
        """Return each destination that is known now, and its planner."""
        return list(self._planners.items())

    def figures(self) -> dict[str, int]:
        """Return the sums of all planners' figures."""
        found: Counter[str] = Counter()
        for planner in self._planners.values():
            found.update(planner.figures())
        return dict(found)
