"""The namespaces' labels, kept up to date by list and watch, and the filter that selects events by these labels."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from kigeon.config.settings import FilterSettings
from kigeon.events.fields import mapping, namespace_of, text
from kigeon.kube.access import ClusterAccess
from kigeon.kube.informer import Informer
from kigeon.kube.labels import LabelBook, Labels
from kigeon.kube.lines import WatchEvent
from kigeon.kube.namespace_lookups import NAMESPACES, NamespaceLookups
from kigeon.kube.watch import Resource
from kigeon.threads import ContextThread

LOOKUP_PATIENCE = 1.0
"""Seconds for which a caller waits for labels; a look-up that takes longer goes on, and may serve the next caller."""


class Namespaces:
    """Maps names to labels. An informer in a thread of its own writes the labels; any thread may read them.

    A deleted namespace keeps its last labels for ``keep_deleted`` seconds, since its events may still arrive, or wait.
    ``refresh`` is the seconds after which the namespaces are listed again although the watch is healthy; 0 is never.
    """

    def __init__(
        self,
        access: ClusterAccess,
        keep_deleted: float,
        refresh: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._refresh = refresh
        self._lock = threading.Lock()
        self._book = LabelBook(keep_deleted, clock)
        self._lookups = NamespaceLookups(access, self._book, self._lock, clock)
        self._informer = Informer(access, Resource(NAMESPACES), self)
        self._stopping = threading.Event()

    def start(self) -> None:
        """Begin to list and watch."""
        ContextThread(self._informer.run, name="namespaces").start()
        if self._refresh:
            ContextThread(self._refresh_regularly, name="refresh").start()

    def stop(self) -> None:
        """End the informer and all look-ups."""
        self._stopping.set()
        self._informer.stop()
        self._lookups.close()

    def labels(self, name: str) -> Labels | None:
        """Return the labels of *name*; None while the namespace is not known."""
        with self._lock:
            return self._book.labels(name)

    def look_up(self, names: Iterable[str], patience: float = LOOKUP_PATIENCE) -> dict[str, Labels]:
        """Ask the API server for the namespaces *names*, and return the labels known after *patience* seconds at most.

        A namespace that is gone has the labels with which it was seen last, or none if it never was. While the API
        server does not answer, the labels that were seen last count; a namespace that never was seen is left out.
        """
        return self._lookups.look_up(names, patience)

    def record(self) -> tuple[int, bytes]:
        """Return how many changes there were so far, and the record that is to outlive this process."""
        with self._lock:
            return self._book.changes, self._book.write()

    @property
    def changes(self) -> int:
        """How many changes a record would show, counted from the start."""
        with self._lock:
            return self._book.changes

    def recall(self, record: bytes | None) -> None:
        """Add the labels of a *record*, which an earlier run or another sender wrote."""
        with self._lock:
            self._book.read(record)

    def on_list_page(self, items: Sequence[tuple[dict[str, Any], bytes]], resource_version: str) -> None:
        """Take a page of the list; after the last page, a namespace that the list did not show counts as deleted."""
        with self._lock:
            for namespace, _ in items:
                self._put(namespace)
            if resource_version:
                self._book.end_list()
            self._forget()

    def on_events(self, lines: Sequence[WatchEvent]) -> None:
        """Take lines of the watch."""
        with self._lock:
            for line in lines:
                if line.type in ("ADDED", "MODIFIED"):
                    self._put(line.object)
                elif line.type == "DELETED":
                    self._book.gone(text(mapping(line.object, "metadata"), "name"))
            self._book.begin_list()
            self._forget()

    def on_early_events(self, lines: Sequence[WatchEvent]) -> None:
        """Do nothing: the list of namespaces is short, and no watch is read beside it."""

    def on_relist(self, reason: str, resume_from: str) -> None:
        """Note that a list begins."""
        with self._lock:
            self._book.begin_list()

    def on_unreadable(self, count: int) -> None:
        """Do nothing: a namespace that can't be read is not known."""

    def on_backoff(self, seconds: float) -> None:
        """Do nothing: the known labels go on to count."""

    def _put(self, namespace: dict[str, Any]) -> None:
        self._book.put(namespace)
        self._lookups.seen(text(mapping(namespace, "metadata"), "name"))

    def _forget(self) -> None:
        self._book.forget()
        self._lookups.forget()

    def _refresh_regularly(self) -> None:
        while not self._stopping.wait(self._refresh):
            self._informer.list_again()


class NamespaceFilter:
    """Selects events by the labels of their namespace."""

    def __init__(self, settings: FilterSettings, labels: Callable[[str], Mapping[str, str] | None]) -> None:
        self._wanted = settings.match_labels.items()
        self._include_cluster_scoped = settings.include_non_namespaced
        self._labels = labels

    def passes(self, event: Mapping[str, Any]) -> bool | None:
        """Return whether *event* passes; None when the event's namespace has to be looked up first."""
        namespace = namespace_of(event)
        if namespace is None:
            return self._include_cluster_scoped
        if not self._wanted:
            return True
        labels = self._labels(namespace)
        return None if labels is None else self.matches(labels)

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Return whether a namespace with these *labels* is selected."""
        return self._wanted <= labels.items()
