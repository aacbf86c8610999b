"""Prepares raw Events for a push: namespace filter, hook, entry. With a filter or a hook it may block."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from kigeon.errors import shorten
from kigeon.senders.delivery.sink import EntryOfFields, Sink, entry_of_fields
from kigeon.senders.entry import Entry
from kigeon.senders.line import read_to_send
from kigeon.senders.progress.outcome import Outcome
from kigeon.throttle import Limited

few = Limited(logging.getLogger(__name__))

Event = dict[str, Any]

AT_ONCE = 500
"""Events that are parsed at the same time: a parsed event takes several times the memory of its JSON."""


@dataclass(frozen=True, slots=True)
class Final:
    """The event ends here, for this sender."""

    outcome: Outcome
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Deferred:
    """The event can't be decided now; it is tried again later."""

    reason: str


@dataclass(frozen=True, slots=True)
class SendWith:
    """Push the event with *settings*; None means the sender's own."""

    settings: Any = None


Prepared = Entry | Final | Deferred


NamespacePredicate = Callable[[Sequence[Event]], Sequence[bool | None]]
"""The namespace filter: True passes, False does not, None can't be judged now."""

Transform = Callable[[Sequence[Event]], Sequence[SendWith | Final | Deferred]]
"""The hook, with onError applied to its errors."""


class Preparer:
    """Prepares batches; owned by one thread at a time."""

    def __init__(
        self,
        sink: Sink,
        passes: NamespacePredicate | None = None,
        transform: Transform | None = None,
        report: Callable[[], Mapping[str, Any]] = dict,
        close: Callable[[], None] = lambda: None,
    ) -> None:
        self._sink = sink
        self.report = report
        """Returns what preparing came to, as plain data."""
        self.close = close
        """Ends what preparing has started."""
        self._passes = passes
        self._transform = transform
        self._entry_of_fields = None if self.may_wait else entry_of_fields(sink)

    @property
    def may_wait(self) -> bool:
        """Whether there is a filter or a hook, which may have to wait for an answer."""
        return self._passes is not None or self._transform is not None

    def prepare(self, raw: Sequence[bytes]) -> list[Prepared]:
        """Return what is to be done with each of the *raw* events, in order."""
        if self._entry_of_fields is not None:
            return [self._quickly(line, self._entry_of_fields) for line in raw]
        chunks = (raw[start : start + AT_ONCE] for start in range(0, len(raw), AT_ONCE))
        return [step for chunk in chunks for step in self._prepare(chunk)]

    def _quickly(self, line: bytes, entry_of: EntryOfFields) -> Prepared:
        """Return what is to be done with one event that only the sink has to see."""
        read = read_to_send(line)
        return entry_of(*read) if read is not None else self._prepare([line])[0]

    def _prepare(self, raw: Sequence[bytes]) -> list[Prepared]:
        prepared: list[Prepared | None] = [None] * len(raw)
        events: dict[int, Event] = {}
        for index, line in enumerate(raw):
            event = _read(line)
            if event is None:
                prepared[index] = Final(Outcome.PARKED, "not a JSON object")
            else:
                events[index] = event
        self._filter(events, prepared)
        self._decide(events, prepared)
        return [step for step in prepared if step is not None]

    def _filter(self, events: dict[int, Event], prepared: list[Prepared | None]) -> None:
        if self._passes is None or not events:
            return
        for index, passes in zip(list(events), self._passes(list(events.values())), strict=True):
            if passes is None:
                prepared[index] = Deferred("the namespace's labels are not known")
            elif not passes:
                prepared[index] = Final(Outcome.FILTERED, "the namespace filter")
            if not passes:
                del events[index]

    def _decide(self, events: dict[int, Event], prepared: list[Prepared | None]) -> None:
        if self._transform is None:
            for index, event in events.items():
                prepared[index] = self._sink.entry(event, None)
            return
        if not events:
            return
        for (index, event), step in zip(events.items(), self._transform(list(events.values())), strict=True):
            prepared[index] = self._sink.entry(event, step.settings) if isinstance(step, SendWith) else step


def _read(line: bytes) -> Event | None:
    try:
        event = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        few.warning("a stored event can't be read", extra={"error": str(error), "beginning": shorten(line, 200)})
        return None
    return event if isinstance(event, dict) else None
