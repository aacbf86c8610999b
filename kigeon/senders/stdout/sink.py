"""The sender type ``stdout``: the same lines as Loki's, one a line, for pipes, logs and the demo."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from kigeon.config.settings import LokiSettings
from kigeon.events.occurrence import timestamp_of
from kigeon.senders.delivery.planner import PlainPlanner
from kigeon.senders.line import fields_to_send, line_of
from kigeon.senders.sink import Answer, Destination, Entry, PushStatus

STDOUT = Destination("stdout")


class StdoutSink:
    """Writes to a file descriptor, standard output unless another is given."""

    def __init__(self, descriptor: int = 1) -> None:
        self._descriptor = descriptor

    def entry(self, event: Mapping[str, Any], settings: LokiSettings | None) -> Entry:
        """Return the line of *event*; *settings* of a hook have no meaning here."""
        line = line_of(fields_to_send(event))
        return Entry(STDOUT, (), timestamp_of(event), line, {}, len(line) + 1)

    def planner(self, destination: Destination) -> PlainPlanner:
        """What is written is written."""
        return PlainPlanner()

    def push(self, destination: Destination, entries: Sequence[Entry]) -> Answer:
        """Write the lines whole."""
        data = memoryview("".join(f"{entry.line}\n" for entry in entries).encode())
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        except OSError as error:
            return Answer(PushStatus.HOLD, f"standard output can't be written to: {error.strerror}")
        return Answer(PushStatus.DELIVERED)

    def close(self) -> None:
        """Nothing to let go of: the descriptor is its owner's."""
