"""The namespaces' labels, kept up to date by list and watch, and the filter that judges events by them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kigeon.config.settings import FilterSettings
from kigeon.events.fields import mapping, namespace_of, text
from kigeon.kube.access import ClusterAccess
from kigeon.kube.informer import Informer, Resource
from kigeon.kube.lines import WatchLine, parse_page

log = logging.getLogger(__name__)

NAMESPACES = "/api/v1/namespaces"
REMEMBER_MISSING = 5.0
"""Seconds for which a namespace that a look-up did not find is not looked up again."""


class Namespaces:
    """Name → labels. Fed by an informer in a thread of its own; read from any thread.

    A deleted namespace keeps its last labels for ``keep_deleted`` seconds: its events may still arrive.
    ``refresh`` is after how many seconds everything is listed anew although the watch is healthy; 0 is never.
    """

    def __init__(
        self,
        access: ClusterAccess,
        keep_deleted: float,
        refresh: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._access = access
        self._keep_deleted = keep_deleted
        self._refresh = refresh
        self._clock = clock
        self._lock = threading.Lock()
        self._labels: dict[str, Mapping[str, str]] = {}
        self._deleted: dict[str, float] = {}
        self._missing: dict[str, float] = {}
        self._listing: set[str] = set()
        self._informer = Informer(access, Resource(NAMESPACES), self)
        self._stopping = threading.Event()

    def start(self) -> None:
        """Begin to list and watch."""
        threading.Thread(target=self._informer.run, name="namespaces", daemon=True).start()
        if self._refresh:
            threading.Thread(target=self._refresh_regularly, name="refresh", daemon=True).start()

    def stop(self) -> None:
        """End it."""
        self._stopping.set()
        self._informer.stop()

    def labels(self, name: str) -> Mapping[str, str] | None:
        """Return the labels of *name*; None when it is not known (yet)."""
        with self._lock:
            return self._labels.get(name)

    def lookup(self, name: str) -> Mapping[str, str] | None:
        """Ask the API server for *name*; None when there is no such namespace.

        It lists with a field selector: that needs no right beyond those of the watch. Raises
        :class:`~kigeon.errors.KubernetesError` when the API server does not say.
        """
        with self._lock:
            if name in self._labels:
                return self._labels[name]
            if self._missing.get(name, 0.0) > self._clock():
                return None
        page = parse_page(self._access.read(NAMESPACES, {"fieldSelector": f"metadata.name={name}", "limit": "1"}, 5.0))
        with self._lock:
            if not page.items:
                self._missing[name] = self._clock() + REMEMBER_MISSING
                return self._labels.get(name)
            return self._labels.setdefault(name, _labels_of(page.items[0][0]))

    def page(self, items: Sequence[tuple[dict[str, Any], bytes]], resource_version: str) -> None:
        """Take a page of the list; with the last one, what it did not show is deleted."""
        with self._lock:
            for namespace, _ in items:
                self._put(namespace)
            if resource_version:
                for name in set(self._labels) - self._listing:
                    self._deleted.setdefault(name, self._clock())
                self._listing = set()
            self._forget()

    def lines(self, lines: Sequence[WatchLine]) -> None:
        """Take lines of the watch."""
        with self._lock:
            for line in lines:
                if line.type in ("ADDED", "MODIFIED"):
                    self._put(line.object)
                elif line.type == "DELETED":
                    self._deleted[text(mapping(line.object, "metadata"), "name")] = self._clock()
            self._listing = set()
            self._forget()

    def relisting(self, reason: str) -> None:
        """Begin a list."""
        with self._lock:
            self._listing = set()

    def unreadable(self, count: int) -> None:
        """Nothing to do: a namespace that can't be read is one that is not known."""

    def pausing(self, seconds: float) -> None:
        """Nothing to do: what is known goes on to count."""

    def _put(self, namespace: dict[str, Any]) -> None:
        name = text(mapping(namespace, "metadata"), "name")
        self._labels[name] = _labels_of(namespace)
        self._listing.add(name)
        self._deleted.pop(name, None)
        self._missing.pop(name, None)

    def _forget(self) -> None:
        now = self._clock()
        for name in [name for name, since in self._deleted.items() if now - since > self._keep_deleted]:
            del self._deleted[name]
            self._labels.pop(name, None)
        self._missing = {name: until for name, until in self._missing.items() if until > now}

    def _refresh_regularly(self) -> None:
        while not self._stopping.wait(self._refresh):
            self._informer.list_again()


class NamespaceFilter:
    """Which events pass, by the labels of their namespace."""

    def __init__(self, settings: FilterSettings, labels: Callable[[str], Mapping[str, str] | None]) -> None:
        self._wanted = settings.match_labels.items()
        self._include_cluster_scoped = settings.include_non_namespaced
        self._labels = labels

    def judge(self, event: Mapping[str, Any]) -> bool | None:
        """Return whether *event* passes; None when its namespace is not known and has to be looked up."""
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


def _labels_of(namespace: dict[str, Any]) -> Mapping[str, str]:
    labels = mapping(mapping(namespace, "metadata"), "labels")
    return {key: value for key, value in labels.items() if isinstance(value, str)}
