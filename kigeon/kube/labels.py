"""What is known of the namespaces' labels, and for how long. Pure: no I/O; not thread-safe.

It outlives its process as a *record*: JSON, ``{"format": 1, "namespaces": {name: [labels, age]}}``, zstd-compressed.
*age* is for how many seconds the namespace has been gone, as far as somebody looked on; null: it was there. Time
without kigeon does not count, so that no clock that was set makes anything forgotten early.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

import orjson
import zstandard

from kigeon.errors import shorten
from kigeon.events.fields import mapping, text

log = logging.getLogger(__name__)

LABELS_FORMAT = 1
MOST_NAMESPACES = 20_000
"""Of more, those that have been gone the longest are forgotten first."""

MOST_BYTES = 640 * 1024
"""Of a record: JetStream takes a message of a megabyte. A hundred bytes are enough for most namespaces."""

MOST_READ = 64 * 1024 * 1024

Labels = Mapping[str, str]


class LabelBook:
    """Name → labels. A deleted namespace keeps its last labels for ``keep_deleted`` seconds.

    What was read from a record is *unconfirmed* until the cluster has said what it is now. ``changes`` counts what a
    record would show otherwise than before.
    """

    def __init__(self, keep_deleted: float, clock: Callable[[], float]) -> None:
        self._keep_deleted = keep_deleted
        self._clock = clock
        self._labels: dict[str, Labels] = {}
        self._deleted: dict[str, float] = {}
        self._unconfirmed: set[str] = set()
        self._listed: set[str] = set()
        self.changes = 0

    def labels(self, name: str) -> Labels | None:
        """Return the labels of *name*; None when the cluster has not said (yet)."""
        return None if name in self._unconfirmed else self._labels.get(name)

    def last_known(self, name: str) -> Labels | None:
        """Return the labels that *name* had when it was seen last, in an earlier run maybe; None for never."""
        return self._labels.get(name)

    def put(self, namespace: Mapping[str, Any]) -> None:
        """Take a namespace as it is now."""
        name, labels = text(mapping(namespace, "metadata"), "name"), labels_of(namespace)
        self.changes += self._labels.get(name) != labels or name in self._deleted
        self._labels[name] = labels
        self._listed.add(name)
        self._deleted.pop(name, None)
        self._unconfirmed.discard(name)

    def gone(self, name: str) -> None:
        """Note that there is no such namespace now."""
        self._unconfirmed.discard(name)
        if name in self._labels and name not in self._deleted:
            self._deleted[name] = self._clock()
            self.changes += 1

    def begin_list(self) -> None:
        """From here on it is noted what a list shows."""
        self._listed = set()

    def end_list(self) -> None:
        """What the list did not show is gone."""
        for name in self._labels.keys() - self._listed:
            self.gone(name)
        self.begin_list()

    def forget(self) -> None:
        """Drop what has been gone for long enough, and what there is too much of."""
        now = self._clock()
        by_age = sorted(self._deleted, key=self._deleted.__getitem__)
        excess = max(0, len(self._labels) - MOST_NAMESPACES)
        for index, name in enumerate(by_age):
            if index < excess or now - self._deleted[name] > self._keep_deleted:
                del self._deleted[name], self._labels[name]
                self.changes += 1

    def write(self) -> bytes:
        """Return the record; where it would be too large, without what has been gone the longest."""
        now = self._clock()
        gone = {name: now - since for name, since in self._deleted.items()}
        names = sorted(self._labels, key=lambda name: gone.get(name, -1.0))
        while True:
            known = {name: [self._labels[name], gone.get(name)] for name in names}
            record = zstandard.compress(orjson.dumps({"format": LABELS_FORMAT, "namespaces": known}))
            if len(record) <= MOST_BYTES or not names:
                return record
            kept = len(names) * 3 // 4
            log.warning("labels of namespaces do not outlive a restart: there are too many", extra={"kept": kept})
            names = names[:kept]

    def read(self, record: bytes | None) -> None:
        """Add what a record holds and is not known here; one that can't be read is said, and counts as none."""
        try:
            found = _read(record) if record else {}
        except (ValueError, KeyError, TypeError, AttributeError, zstandard.ZstdError) as error:
            log.warning("the labels of namespaces can't be read", extra={"error": shorten(repr(error), 200)})
            return
        for name, (labels, age) in found.items():
            if name not in self._labels:
                self._labels[name] = labels
                self._unconfirmed.add(name)
                if age is not None:
                    self._deleted[name] = self._clock() - age
        self.forget()


def _read(record: bytes) -> dict[str, tuple[Labels, float | None]]:
    found = orjson.loads(zstandard.ZstdDecompressor().decompress(record, max_output_size=MOST_READ))
    if found["format"] != LABELS_FORMAT:
        raise ValueError(f"it has format {found['format']!r}, this kigeon reads {LABELS_FORMAT}")
    known: dict[str, tuple[Labels, float | None]] = {}
    for name, (labels, age) in found["namespaces"].items():
        known[name] = {key: value for key, value in labels.items() if isinstance(value, str)}, _age(age)
    return known


def _age(value: Any) -> float | None:
    if value is None:
        return None
    if not isinstance(value, (int, float)) or value < 0:
        raise ValueError(f"{value!r} is no age")
    return float(value)


def labels_of(namespace: Mapping[str, Any]) -> Labels:
    """Return the labels of a Namespace object."""
    labels = mapping(mapping(namespace, "metadata"), "labels")
    return {key: value for key, value in labels.items() if isinstance(value, str)}
