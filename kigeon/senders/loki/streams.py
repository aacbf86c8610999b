"""The labels of a stream, made once: thousands of events are of the same few streams."""

from __future__ import annotations

from collections.abc import Sequence

from kigeon.senders.line import LabelValues, labels_of

Stream = tuple[tuple[str, str], ...]
"""Names and values, sorted by name."""

FALLBACK_STREAM: Stream = (("service_name", "kigeon"),)
"""The stream of an event that has no label at all: Loki refuses a stream without."""

MOST = 4096
LARGEST = 1024
"""Characters of the values of a stream that is remembered: an event's author may write far longer ones."""


class Streams:
    """Label values → stream. Bounded; full, it begins anew."""

    def __init__(self) -> None:
        self._known: dict[tuple[Sequence[str], LabelValues, Stream], Stream] = {}

    def __len__(self) -> int:
        return len(self._known)

    def stream_of(self, names: Sequence[str], values: LabelValues, own: Stream) -> Stream:
        """Return the stream of an event with *values* of the labels *names*; *own* labels are the configuration's.

        An own label takes the place of an event's of the same name.
        """
        key = (names, values, own)
        stream = self._known.get(key)
        if stream is None:
            stream = tuple(sorted((labels_of(names, values) | dict(own)).items())) or FALLBACK_STREAM
            if sum(len(str(value)) for value in (*values, *dict(own).values())) <= LARGEST:
                if len(self._known) >= MOST:
                    self._known.clear()
                self._known[key] = stream
        return stream
