"""The namespaces' labels as they are known, and for how long they are remembered. Pure; not thread-safe.

The labels outlive their process in a *record* of zstd-compressed JSON: ``{"format": 1, "namespaces": {name: [labels,
age]}}``. *age* is for how many seconds kigeon has seen that the namespace is gone; null says that the namespace exists.
Time in which no kigeon ran does not count, so that a clock that was set never makes kigeon forget labels early.
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
"""Namespaces that are remembered; of more, those that have been gone the longest are forgotten first."""

MOST_BYTES = 640 * 1024
"""Bytes of a record, well below JetStream's limit of a megabyte. Most namespaces take less than a hundred bytes."""

MOST_READ = 64 * 1024 * 1024

Labels = Mapping[str, str]


class LabelBook:
    """Maps names to labels. A deleted namespace keeps its last labels for ``keep_deleted`` seconds.

    Labels from a record are *unconfirmed* until the cluster has shown the namespace. ``changes`` counts the changes
    that the next record would show.
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
        """Return the labels of *name*; None while the cluster has not shown the namespace."""
        return None if name in self._unconfirmed else self._labels.get(name)

    def last_known(self, name: str) -> Labels | None:
        """Return the labels that *name* had when it was seen last, maybe in an earlier run; None if it never was."""
        return self._labels.get(name)

    def put(self, namespace: Mapping[str, Any]) -> None:
        """Note a *namespace* as it is now."""
        name, labels = text(mapping(namespace, "metadata"), "name"), labels_of(namespace)
        self.changes += self._labels.get(name) != labels or name in self._deleted
        self._labels[name] = labels
        self._listed.add(name)
        self._deleted.pop(name, None)
        self._unconfirmed.discard(name)

    def gone(self, name: str) -> None:
        """Note that the namespace *name* does not exist now."""
        self._unconfirmed.discard(name)
        if name in self._labels and name not in self._deleted:
            self._deleted[name] = self._clock()
            self.changes += 1

    def begin_list(self) -> None:
        """Note that a list begins: from here on the book notes which namespaces the list shows."""
        self._listed = set()

    def end_list(self) -> None:
        """Note that the list is complete: a namespace that it did not show is gone."""
        for name in self._labels.keys() - self._listed:
            self.gone(name)
        self.begin_list()

    def forget(self) -> None:
        """Drop namespaces that have been gone for long enough, and those beyond the limit."""
        now = self._clock()
        by_age = sorted(self._deleted, key=self._deleted.__getitem__)
        excess = max(0, len(self._labels) - MOST_NAMESPACES)
        for index, name in enumerate(by_age):
            if index < excess or now - self._deleted[name] > self._keep_deleted:
                del self._deleted[name], self._labels[name]
                self.changes += 1

    def write(self) -> bytes:
        """Return the record; one that would be too large leaves out the namespaces that have been gone the longest."""
        now = self._clock()
        gone = {name: now - since for name, since in self._deleted.items()}
        names = sorted(self._labels, key=lambda name: gone.get(name, -1.0))
        while True:
            known = {name: [self._labels[name], gone.get(name)] for name in names}
            record = zstandard.compress(orjson.dumps({"format": LABELS_FORMAT, "namespaces": known}))
            if len(record) <= MOST_BYTES or not names:
                return record
            kept = len(names) * 3 // 4
            log.warning("too many namespaces: the labels of some are lost at a restart", extra={"kept": kept})
            names = names[:kept]

    def read(self, record: bytes | None) -> None:
        """Add namespaces of a *record* that are not known here; an unreadable record is logged and adds nothing."""
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
