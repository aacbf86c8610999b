"""A sink that pushes during a tenure alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kigeon.senders.delivery.planner import PushPlanner
from kigeon.senders.delivery.sink import Begun, Sink, begin_of, entry_of_fields
from kigeon.senders.entry import Answer, Entry
from kigeon.tenure import Tenure


class TenuredSink:
    """Asks right before each push, in the thread that pushes: the process may have been stopped since."""

    def __init__(self, sink: Sink, tenure: Tenure) -> None:
        self._sink = sink
        self._tenure = tenure
        self.entry_of_fields = entry_of_fields(sink)
        self._begins = begin_of(sink)
        self.begin = self._begin if self._begins is not None else None

    def entry(self, event: Mapping[str, Any], settings: Any) -> Entry:
        """Return what to push of *event*."""
        return self._sink.entry(event, settings)

    def planner(self, destination: Any) -> PushPlanner:
        """Return what plans the pushes to *destination*."""
        return self._sink.planner(destination)

    def push(self, destination: Any, entries: Sequence[Any]) -> Answer:
        """Push *entries*; raises :class:`~kigeon.errors.TenureEnded`, which is to end the process."""
        self._tenure.check()
        return self._sink.push(destination, entries)

    def _begin(self, destination: Any, entries: Sequence[Any]) -> Begun | None:
        self._tenure.check()
        return self._begins(destination, entries) if self._begins is not None else None

    def close(self) -> None:
        """Let go of connections."""
        self._sink.close()
