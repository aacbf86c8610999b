"""The events that were let through, and are told of when the queue has stored them. Pure: times are handed in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kigeon.events.kind import EventKind
from kigeon.events.summary import EventSummary
from kigeon.observability.event_tally import EventTally
from kigeon.observability.latest import LatestEvents


@dataclass(frozen=True, slots=True)
class Passing:
    """What is reported about a batch's new events once the batch is stored."""

    kinds: Sequence[EventKind]
    latest: Sequence[EventSummary]


class PassingEvents:
    """Counts of what was let through and of what was not, since this process began, and a few of the last events."""

    def __init__(self) -> None:
        self._repeated = 0
        self._passed = 0
        self._passing: dict[int, Passing] = {}
        self._tally = EventTally()
        self._latest = LatestEvents()

    def restart(self) -> None:
        """Forget the batches that are not stored: they come again."""
        self._passing.clear()

    def examined(self, batch_seq: int, passing: Passing, passed: int, repeated: int) -> None:
        """Note that of a batch so many events were let through, and so many were not."""
        self._repeated += repeated
        self._passed += passed
        self._passing[batch_seq] = passing

    def stored(self, batch_seq: int, now: float) -> None:
        """Note that a batch is stored; *now* is on the steady clock."""
        if passed := self._passing.pop(batch_seq, None):
            self._tally.add(passed.kinds)
            self._latest.add(passed.latest, now)

    def report(self, now: float) -> Mapping[str, Any]:
        """Return the counts, those of the stored by kind, and the last of the stored."""
        return {
            "passed": self._passed,
            "repeated": self._repeated,
            "cluster": self._tally.report(),
            "latest": self._latest.report(now),
        }
