"""The informer drives a reflector against a real API server, in the thread that calls the informer."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from kigeon.errors import KubernetesError, shorten
from kigeon.kube.access import READ_TIMEOUT, ClusterAccess
from kigeon.kube.contact import Contact
from kigeon.kube.early import EarlyWatch
from kigeon.kube.handler import Handler
from kigeon.kube.lines import Page, WatchEvent
from kigeon.kube.reflector import GONE, PAGE_SIZE, ListPage, Reflector, Step, VerifyResume
from kigeon.kube.resume_anchor import ResumeAnchor, ResumeAnchors, question_for
from kigeon.kube.watch import SILENCE, Resource, WatchLimits, WatchReader
from kigeon.kube.watch_news import WatchNews
from kigeon.throttle import Limited

log = logging.getLogger(__name__)

PROBE_TIMEOUT = 10.0
"""Seconds for the answer about the object that was seen last, which is a single one."""

EARLY = WatchLimits((3600, 5400), 300.0)
"""The wider limits of a watch beside a list; opened again, such a watch may find that its version has expired."""


class Informer:
    """Lists and watches until it is stopped. ``stop`` may be called from any thread.

    ``rest`` is called in the reading thread when all lines that have come were handed on, as far as can be known, and
    says for how many seconds nobody needs further lines.
    """

    def __init__(
        self,
        access: ClusterAccess,
        resource: Resource,
        handler: Handler,
        resume_from: str = "",
        silence: float = SILENCE,
        anchor: ResumeAnchor | None = None,
        watches_early: bool = False,
        rest: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._access = access
        self._resource = resource
        self._handler = handler
        self._reflector = Reflector(resume_from)
        self._anchors = ResumeAnchors(anchor)
        self._turn = threading.Lock()
        self._few = Limited(log)
        self._stop = threading.Event()
        self._again = threading.Event()
        self._watches_early = watches_early
        self._early: EarlyWatch | None = None
        self._contact = Contact()
        self._reader = WatchReader(access, resource, self._is_interrupted, self._contact.heard, self._unreadable, rest)
        self._news = WatchNews(resource.path, lambda: access.server_time() - time.time())
        self._limits = WatchLimits(silence=silence)

    @property
    def is_watching(self) -> bool:
        """Whether a watch is open."""
        return self._reader.is_watching

    @property
    def beat(self) -> float:
        """When the API server gave its last sign of life, on the steady clock."""
        return self._reader.beat

    def run(self) -> None:
        """List and watch until stopped; raises nothing that the API server can cause."""
        while not self._stop.is_set():
            self._reader.beat = time.monotonic()
            step = self._reflector.next()
            if step.refresh_credentials:
                self._access.refresh()
            if step.delay:
                self._handler.on_backoff(step.delay)
                if self._stop.wait(step.delay):
                    return
            try:
                self._act(step)
            except KubernetesError as error:
                self._failed(error)
            if self._again.is_set():
                self._again.clear()
                self._drop_early()
                self._reflector.list_again()
            if self._reflector.relisted:
                self._relisting(self._reflector.relisted)

    def report(self) -> Mapping[str, Any]:
        """Return the informer's state and counters, as plain data."""
        return {
            "watching": self.is_watching,
            "watches": self._reader.watches,
            **self._contact.report(),
            "clockAhead": self._access.server_time() - time.time(),
        }

    def list_again(self) -> None:
        """Have everything listed again, although nothing is known to be wrong."""
        self._again.set()
        self._reader.cut()

    def stop(self) -> None:
        """End :meth:`run`, also while it waits for the server."""
        self._stop.set()
        self._drop_early()
        self._reader.cut()

    def _act(self, step: Step) -> None:
        if isinstance(step.action, ListPage):
            self._list(step.action.continue_token)
        elif isinstance(step.action, VerifyResume):
            self._probe()
        else:
            self._watch(step.action.resource_version)

    def _probe(self) -> None:
        # The resource's own query may leave the anchor out.
        anchor = self._anchors.latest if not self._resource.query else None
        path, query = question_for(anchor, self._resource.path)
        try:
            page = self._resource.parse(self._access.read(path, {**self._resource.query, **query}, PROBE_TIMEOUT))
            self._contact.heard()
        except KubernetesError as error:
            if not self._stop.is_set():
                self._contact.refused(error)
                self._reflector.probe_failed(error)
            return
        is_intact = anchor is None or anchor.is_there(item for item, _ in page.items)
        self._reflector.probed(page.resource_version, is_intact)

    def _list(self, token: str) -> None:
        query = {**self._resource.query, "limit": str(PAGE_SIZE)}
        if token:
            query["continue"] = token
        page = self._resource.parse(self._access.read(self._resource.path, query, READ_TIMEOUT))
        self._contact.heard()
        if not token:
            self._drop_early()
            # The anchors are kept until the first page: where the list fails, the anchor may be asked for again.
            self._anchors.clear()
        version = self._reflector.version_after_list(page.resource_version)
        if self._watches_early and not token and page.continue_token:
            self._early = EarlyWatch(version, page.resource_version, self._lines_beside, self._take_beside)
            self._reflector.covered()
        if page.unreadable:
            self._unreadable(page.unreadable, "an item of a list is no object, too long, or nested too deeply")
        with self._turn:
            self._anchors.listed(item for item, _ in page.items)
            if page.continue_token:
                self._handler.on_list_page(page.items, "")
        if page.continue_token:
            self._reflector.page(page.resource_version, page.continue_token)
            return
        self._complete(page, version)

    def _complete(self, page: Page, version: str) -> None:
        """Hand on the last page, with the version to watch from."""
        self._contact.counters.lists += 1
        early = self._early
        log.info("listed", extra={"path": self._resource.path, "resource_version": page.resource_version})
        if early is None:
            self._handler.on_list_page(page.items, version)
            self._reflector.page(page.resource_version, "")
        elif early.complete(lambda reached: self._handler.on_list_page(page.items, reached)):
            self._reflector.listed_beside(early.version)
        else:
            self._handler.on_list_page(page.items, "")
            self._drop_early()
            self._reflector.failed(KubernetesError("the watch beside a list was lost", GONE))

    def _is_interrupted(self) -> bool:
        return self._stop.is_set() or self._again.is_set()

    def _take_beside(self, lines: Sequence[WatchEvent]) -> None:
        with self._turn:
            self._anchors.changed((line.type, line.object) for line in lines)
            self._handler.on_early_events(lines)

    def _drop_early(self) -> None:
        early, self._early = self._early, None
        if early is not None:
            early.end()
            self._reader.cut()

    def _watch(self, version: str) -> None:
        early, self._early = self._early, None
        if early is None:
            seen = 0
            for lines in self._reader.lines(version, self._limits, opened=self._news.opened):
                seen += len(lines)
                if not self._take(lines):
                    return
        else:
            self._news.opened()
            seen = early.go_on(self._take)
        if seen >= 0:
            self._reflector.closed(seen)

    def _lines_beside(self, version: str, is_over: Callable[[], bool]) -> Iterator[list[WatchEvent]]:
        """Watch beside a list, with wide limits: a long or silent watch is not to be opened again."""
        return self._reader.lines(version, EARLY, is_over)

    def _take(self, lines: Sequence[WatchEvent]) -> bool:
        """Hand on *lines*; return whether the watch goes on."""
        goes_on = [line for line in lines if self._reflector.line(line)]
        if goes_on:
            self._anchors.changed((line.type, line.object) for line in goes_on)
            self._handler.on_events(goes_on)
        if len(goes_on) < len(lines):
            log.info("the watch ended", extra={"path": self._resource.path, "status": shorten(lines[-1].raw)})
        return len(goes_on) == len(lines)

    def _failed(self, error: KubernetesError) -> None:
        if not self._stop.is_set():
            self._contact.refused(error)
            self._news.lost()
            self._reflector.failed(error)

    def _relisting(self, reason: str) -> None:
        self._reflector.relisted = ""
        self._contact.relisted(self._reflector.cause)
        self._news.lost()
        log.warning("listing again", extra={"path": self._resource.path, "reason": reason})
        self._handler.on_relist(reason, self._reflector.doubted)

    def _unreadable(self, count: int, what: str) -> None:
        self._few.warning(
            "skipped what can't be read", extra={"path": self._resource.path, "what": what, "count": count}
        )
        self._contact.counters.unreadable += count
        self._handler.on_unreadable(count)
