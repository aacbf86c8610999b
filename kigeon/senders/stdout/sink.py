"""The sender type ``stdout``: the same lines as Loki's, one a line, for pipes, logs and the demo."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from kigeon.events.fields import EventFields
from kigeon.events.occurrence import timestamp_of
from kigeon.senders.delivery.planner import PlainPlanner
from kigeon.senders.entry import Answer, PushStatus
from kigeon.senders.line import fields_to_send, line_of


@dataclass(frozen=True, slots=True)
class Descriptor:
    """The one destination."""

    label: str = "stdout"
    origin: str = "stdout"


STDOUT = Descriptor()


class Written(NamedTuple):
    """An event as it is written; ``size`` is in bytes, ``timestamp`` in nanoseconds."""

    destination: Descriptor
    line: str
    size: int
    timestamp: int


class StdoutSink:
    """Writes to a file descriptor, standard output unless another is given."""

    def __init__(self, descriptor: int = 1) -> None:
        self._descriptor = descriptor

    def entry(self, event: Mapping[str, Any], settings: Any) -> Written:
        """Return the line of *event*; *settings* of a hook have no meaning here."""
        return self.entry_of_fields(fields_to_send(event), timestamp_of(event))

    def entry_of_fields(self, fields: EventFields, timestamp: int) -> Written:
        """Return the line of an event with these *fields*."""
        line = line_of(fields)
        return Written(STDOUT, line, len(line) + 1, timestamp)

    def planner(self, destination: Descriptor) -> PlainPlanner:
        """Return the plain planner: an answer speaks for the whole push."""
        return PlainPlanner()

    def push(self, destination: Descriptor, entries: Sequence[Written]) -> Answer:
        """Write the lines whole."""
        data = memoryview("".join(f"{entry.line}\n" for entry in entries).encode())
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        except OSError as error:
            return Answer(PushStatus.HOLD, f"standard output can't be written to: {error.strerror}")
        return Answer(PushStatus.DELIVERED)

    def close(self) -> None:
        """Do nothing: the descriptor's owner closes it."""
