"""The namespaces' labels, kept up to date by list and watch, and the filter that selects events by these labels."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

from kigeon.backoff import Backoff
from kigeon.config.settings import FilterSettings
from kigeon.errors import KubernetesError
from kigeon.events.fields import mapping, namespace_of, text
from kigeon.kube.access import ClusterAccess
from kigeon.kube.breaker import Breaker
from kigeon.kube.informer import Informer
from kigeon.kube.labels import LabelBook, Labels
from kigeon.kube.lines import Page, WatchEvent, parse_page
from kigeon.kube.watch import Resource
from kigeon.throttle import Limited

log = logging.getLogger(__name__)

NAMESPACES = "/api/v1/namespaces"
REMEMBER_MISSING = 5.0
"""Seconds for which a namespace that a look-up did not find is not looked up again."""

LOOKUP_PATIENCE = 1.0
"""Seconds for which a caller waits for labels; a look-up that takes longer goes on, and may serve the next caller."""

LOOKUP_TIMEOUT = 5.0
SIDE_BY_SIDE = 4
MOST_MISSING = 10_000

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
"""A possible name of a namespace. An Event's author may write any text, but no namespace has another name."""


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
        self._access = access
        self._refresh = refresh
        self._clock = clock
        self._lock = threading.Lock()
        self._book = LabelBook(keep_deleted, clock)
        self._missing: dict[str, float] = {}
        self._asked: dict[str, Future[None]] = {}
        self._breaker = Breaker(1, Backoff(base=0.5, cap=10.0), clock)
        self._few = Limited(log)
        self._pool = ThreadPoolExecutor(SIDE_BY_SIDE, "namespace")
        self._informer = Informer(access, Resource(NAMESPACES), self)
        self._stopping = threading.Event()

    def start(self) -> None:
        """Begin to list and watch."""
        threading.Thread(target=self._informer.run, name="namespaces", daemon=True).start()
        if self._refresh:
            threading.Thread(target=self._refresh_regularly, name="refresh", daemon=True).start()

    def stop(self) -> None:
        """End the informer and all look-ups."""
        self._stopping.set()
        self._informer.stop()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def labels(self, name: str) -> Labels | None:
        """Return the labels of *name*; None while the namespace is not known."""
        with self._lock:
            return self._book.labels(name)

    def look_up(self, names: Iterable[str], patience: float = LOOKUP_PATIENCE) -> dict[str, Labels]:
        """Ask the API server for the namespaces *names*, and return the labels known after *patience* seconds at most.

        A namespace that is gone has the labels with which it was seen last, or none if it never was. While the API
        server does not answer, the labels that were seen last count; a namespace that never was seen is left out.
        """
        wanted = list(dict.fromkeys(names))
        with self._lock:
            asked = [future for name in wanted if (future := self._ask(name)) is not None]
        wait(asked, patience)
        with self._lock:
            return {name: labels for name in wanted if (labels := self._answer(name)) is not None}

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

    def _ask(self, name: str) -> Future[None] | None:
        """Have *name* looked up, unless *name* is known or being looked up, or the API server is left alone now."""
        is_missing = self._missing.get(name, 0.0) > self._clock() or not _NAME.fullmatch(name)
        if is_missing or self._book.labels(name) is not None or name in self._asked or self._breaker.is_resting:
            return None
        self._asked[name] = self._pool.submit(self._look_up, name)
        return self._asked[name]

    def _look_up(self, name: str) -> None:
        """Look *name* up by a list with a field selector, which needs no right beyond those of the watch."""
        query = {"fieldSelector": f"metadata.name={name}", "limit": "1"}
        try:
            if not self._breaker.may_ask():
                # Other look-ups have failed since this one was asked for.
                return
            page = parse_page(self._access.ask(NAMESPACES, query, LOOKUP_TIMEOUT))
        except KubernetesError as error:
            self._breaker.failed(error.retry_after)
            self._few.warning("a namespace can't be looked up", extra={"namespace": name, "error": str(error)})
            return
        finally:
            with self._lock:
                self._asked.pop(name, None)
        self._breaker.succeeded()
        with self._lock:
            # Labels that the watch has shown meanwhile are newer.
            if self._book.labels(name) is None:
                self._found(name, page)

    def _found(self, name: str, page: Page) -> None:
        if page.items:
            self._put(page.items[0][0])
            return
        self._book.gone(name)
        if name not in self._missing and self._book.last_known(name) is None:
            self._few.warning(
                "a namespace is gone and was never seen: it counts as one without labels", extra={"namespace": name}
            )
        if len(self._missing) >= MOST_MISSING:
            self._missing.clear()
        self._missing[name] = self._clock() + REMEMBER_MISSING

    def _answer(self, name: str) -> Labels | None:
        labels = self._book.last_known(name)
        is_missing = self._missing.get(name, 0.0) > self._clock() or not _NAME.fullmatch(name)
        return {} if labels is None and is_missing else labels

    def _put(self, namespace: dict[str, Any]) -> None:
        self._book.put(namespace)
        self._missing.pop(text(mapping(namespace, "metadata"), "name"), None)

    def _forget(self) -> None:
        now = self._clock()
        self._book.forget()
        self._missing = {name: until for name, until in self._missing.items() if until > now}

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
