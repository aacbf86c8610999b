"""Looks up namespaces that list and watch have not shown yet, a few at a time, while the API server answers."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from threading import Lock

from kigeon.backoff import Backoff
from kigeon.errors import KubernetesError
from kigeon.kube.access import ClusterAccess
from kigeon.kube.breaker import Breaker
from kigeon.kube.labels import LabelBook, Labels
from kigeon.kube.lines import Page, parse_page
from kigeon.throttle import Limited

log = logging.getLogger(__name__)

NAMESPACES = "/api/v1/namespaces"
REMEMBER_MISSING = 5.0
"""Seconds for which a namespace that a look-up did not find is not looked up again."""

LOOKUP_TIMEOUT = 5.0
SIDE_BY_SIDE = 4
MOST_MISSING = 10_000

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
"""A possible name of a namespace. An Event's author may write any text, but no namespace has another name."""


class NamespaceLookups:
    """Puts the namespaces that are found into *book*, which *lock* guards."""

    def __init__(self, access: ClusterAccess, book: LabelBook, lock: Lock, clock: Callable[[], float]) -> None:
        self._access = access
        self._book = book
        self._lock = lock
        self._clock = clock
        self._missing: dict[str, float] = {}
        self._asked: dict[str, Future[None]] = {}
        self._breaker = Breaker(1, Backoff(base=0.5, cap=10.0), clock)
        self._few = Limited(log)
        self._pool = ThreadPoolExecutor(SIDE_BY_SIDE, "namespace")

    def look_up(self, names: Iterable[str], patience: float) -> dict[str, Labels]:
        """Ask for *names*; return the labels known after *patience* seconds at most. The lock is not to be held."""
        wanted = list(dict.fromkeys(names))
        with self._lock:
            asked = [future for name in wanted if (future := self._ask(name)) is not None]
        wait(asked, patience)
        with self._lock:
            return {name: labels for name in wanted if (labels := self._answer(name)) is not None}

    def seen(self, name: str) -> None:
        """Note that the namespace *name* exists. The lock is held."""
        self._missing.pop(name, None)

    def forget(self) -> None:
        """Forget missing namespaces that may be looked up again. The lock is held."""
        now = self._clock()
        self._missing = {name: until for name, until in self._missing.items() if until > now}

    def close(self) -> None:
        """End all look-ups."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _ask(self, name: str) -> Future[None] | None:
        """Have *name* looked up, unless *name* is known or being looked up, or the API server is left alone now."""
        known = self._is_missing(name) or self._book.labels(name) is not None
        if known or name in self._asked or self._breaker.is_resting:
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
            self._book.put(page.items[0][0])
            self.seen(name)
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
        return {} if labels is None and self._is_missing(name) else labels

    def _is_missing(self, name: str) -> bool:
        """Return whether *name* is no possible name, or a look-up found no such namespace a moment ago."""
        return self._missing.get(name, 0.0) > self._clock() or not _NAME.fullmatch(name)
