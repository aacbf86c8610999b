"""Makes the labels of each stream once: thousands of events belong to the same few streams."""

from __future__ import annotations

from collections.abc import Sequence

from kigeon.senders.loki.labels import SERVICE_LABELS, SERVICE_NAME, LabelValues, labels_of

Stream = tuple[tuple[str, str], ...]
"""Names and values, sorted by name."""

OWN_SERVICE = "kigeon"
"""The service of a stream whose labels name none: Loki would add ``unknown_service``."""

MOST_STREAMS = 4096
LARGEST = 1024
"""Most characters in the values of a stream that is remembered: an event's author may write far longer ones."""


class Streams:
    """Maps label values to streams. Bounded; when it is full, it begins anew."""

    def __init__(self) -> None:
        self._known: dict[tuple[Sequence[str], LabelValues, Stream], Stream] = {}

    def __len__(self) -> int:
        return len(self._known)

    def stream_of(self, names: Sequence[str], values: LabelValues, own: Stream) -> Stream:
        """Return the stream of an event with *values* of the labels *names*; *own* labels are the configuration's.

        An own label takes the place of an event's of the same name. Where no label names the service, one is added.
        """
        key = (names, values, own)
        stream = self._known.get(key)
        if stream is None:
            stream = _stream(labels_of(names, values) | dict(own))
            if sum(len(str(value)) for value in (*values, *dict(own).values())) <= LARGEST:
                if len(self._known) >= MOST_STREAMS:
                    self._known.clear()
                self._known[key] = stream
        return stream


def _stream(labels: dict[str, str]) -> Stream:
    if SERVICE_LABELS.isdisjoint(labels):
        labels[SERVICE_NAME] = OWN_SERVICE
    return tuple(sorted(labels.items()))
