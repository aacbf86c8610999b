"""The informer: drives a reflector against a real API server, in the thread that calls it."""

from __future__ import annotations

import logging
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

import urllib3

from kigeon.errors import KubernetesError, UnreadableEvent, shorten
from kigeon.kube.access import READ_ERRORS, READ_TIMEOUT, ClusterAccess
from kigeon.kube.early import EarlyWatch
from kigeon.kube.lines import LineSplitter, Page, WatchEvent, parse_line, parse_page
from kigeon.kube.reflector import GONE, PAGE_SIZE, ListPage, Reflector, Step, VerifyResume
from kigeon.kube.resume_anchor import ResumeAnchor, ResumeAnchors
from kigeon.throttle import Limited

log = logging.getLogger(__name__)

SILENCE = 60.0
"""Seconds without a byte after which a watch counts as half-open and is made anew."""

PROBE_TIMEOUT = 10.0
"""Seconds for the answer about the object that was seen last: it is a single one."""

WATCH_SECONDS = (240, 360)
"""For how long the server is asked to keep a watch: spread, so that watches that began together do not end together."""

EARLY_SECONDS = (3600, 5400)
EARLY_SILENCE = 300.0
"""The same for a watch beside a list. Made anew, it may find that its version has expired."""

CHUNK = 256 * 1024

AT_ONCE = 0.001
"""Seconds that a read takes at the most of what has come already."""


@dataclass(frozen=True, slots=True)
class Resource:
    """What is listed and watched: a collection's path, and a query that narrows it down."""

    path: str
    query: Mapping[str, str] = field(default_factory=dict)


class Handler(Protocol):
    """Takes what comes, one call at a time. It may block: that is the flow control."""

    def on_list_page(self, items: Sequence[tuple[dict[str, Any], bytes]], resource_version: str) -> None:
        """A page of the list; ``resource_version`` is the list's on its last page, "" before."""

    def on_events(self, lines: Sequence[WatchEvent]) -> None:
        """Lines of the watch, bookmarks among them."""

    def on_early_events(self, lines: Sequence[WatchEvent]) -> None:
        """Lines of a watch that is read beside a list: there is nothing to resume from before the list's end."""

    def on_relist(self, reason: str) -> None:
        """The next page is the first of a list that should not have been needed."""

    def on_unreadable(self, count: int) -> None:
        """So many lines or items could not be read, and were skipped."""

    def on_backoff(self, seconds: float) -> None:
        """Nothing will be read for so long: the API server is away, or refuses, and is asked again after it."""


@dataclass(slots=True)
class Counters:
    """What an informer has done so far."""

    lists: int = 0
    relists: int = 0
    watches: int = 0
    errors: int = 0
    unreadable: int = 0


class Informer:
    """Lists and watches until it is stopped. ``stop`` may be called from any thread.

    ``rest`` is called in the thread that reads when all that came was handed on, as far as can be known: it waited for
    the last of it. It may block for as long as nobody needs what comes.
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
        rest: Callable[[], None] = lambda: None,
    ) -> None:
        self._access = access
        self._resource = resource
        self._handler = handler
        self._reflector = Reflector(resume_from)
        self._anchors = ResumeAnchors(anchor)
        self._silence = silence
        self._turn = threading.Lock()
        self._few = Limited(log)
        self._stop = threading.Event()
        self._again = threading.Event()
        self._watches_early = watches_early
        self._rest = rest
        self._has_waited = False
        self._early: EarlyWatch | None = None
        self._open: set[urllib3.BaseHTTPResponse] = set()
        self.counters = Counters()
        self.beat = time.monotonic()
        """When there was a sign of life last, on the steady clock."""

    @property
    def is_watching(self) -> bool:
        """Whether a watch is open."""
        return bool(self._open)

    def run(self) -> None:
        """Work until stopped; raises nothing that the API server can cause."""
        while not self._stop.is_set():
            self.beat = time.monotonic()
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

    def list_again(self) -> None:
        """Have everything listed anew, although nothing is known to be wrong."""
        self._again.set()
        self._cut()

    def stop(self) -> None:
        """End :meth:`run`, also where it waits for the server."""
        self._stop.set()
        self._drop_early()
        self._cut()

    def _act(self, step: Step) -> None:
        if isinstance(step.action, ListPage):
            self._list(step.action.continue_token)
        elif isinstance(step.action, VerifyResume):
            self._probe()
        else:
            self._watch(step.action.resource_version)

    def _probe(self) -> None:
        try:
            page, anchor = self._ask_for_anchor()
        except KubernetesError as error:
            if not self._stop.is_set():
                self._tell(error)
                self._reflector.probe_failed(error)
            return
        is_intact = anchor is None or anchor.is_there(item for item, _ in page.items)
        self._reflector.probed(page.resource_version, is_intact)

    def _ask_for_anchor(self) -> tuple[Page, ResumeAnchor | None]:
        # A query of one's own may leave the anchor out.
        anchor = self._anchors.latest if not self._resource.query else None
        path, query = self._resource.path, {**self._resource.query, "limit": "1"}
        if anchor is not None:
            query["fieldSelector"] = f"metadata.name={anchor.name}"
        if anchor is not None and anchor.namespace:
            folder, _, plural = path.rpartition("/")
            path = f"{folder}/namespaces/{anchor.namespace}/{plural}"
        return parse_page(self._access.read(path, query, PROBE_TIMEOUT)), anchor

    def _list(self, token: str) -> None:
        query = {**self._resource.query, "limit": str(PAGE_SIZE)}
        if token:
            query["continue"] = token
        page = parse_page(self._access.read(self._resource.path, query, READ_TIMEOUT))
        if not token:
            self._drop_early()
            # Not before: where the list fails, the object that was seen last may be asked for again.
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
        """Hand on the last page, with the version to go on from."""
        self.counters.lists += 1
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
            self._cut()

    def _watch(self, version: str) -> None:
        early, self._early = self._early, None
        if early is None:
            seen = 0
            for lines in self._lines_of_watch(version):
                seen += len(lines)
                if not self._take(lines):
                    return
        else:
            seen = early.go_on(self._take)
        if seen >= 0:
            self._reflector.closed(seen)

    def _lines_beside(self, version: str, is_over: Callable[[], bool]) -> Iterator[list[WatchEvent]]:
        """Watch beside a list: for as long as that may take, and quiet as it may be, it is not to be made anew."""
        return self._lines_of_watch(version, EARLY_SECONDS, EARLY_SILENCE, is_over)

    def _lines_of_watch(
        self,
        version: str,
        most: tuple[int, int] = WATCH_SECONDS,
        silence: float = 0.0,
        is_over: Callable[[], bool] = lambda: False,
    ) -> Iterator[list[WatchEvent]]:
        query = {
            **self._resource.query,
            "watch": "true",
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(random.randint(*most)),  # noqa: S311 - spread, not a secret
        }
        response = self._access.get(self._resource.path, query, silence or self._silence)
        self.counters.watches += 1
        self._open.add(response)
        try:
            # Whoever asked while the watch was being opened had no connection to cut.
            if not (self._is_interrupted() or is_over()):
                yield from self._read(response)
        except urllib3.exceptions.ReadTimeoutError:
            log.debug("the watch was silent, it is made anew", extra={"path": self._resource.path})
        except READ_ERRORS as error:
            if not (self._is_interrupted() or is_over()):
                raise KubernetesError(f"the watch was lost: {shorten(str(error))}") from error
        finally:
            self._open.discard(response)
            response.close()

    def _read(self, response: urllib3.BaseHTTPResponse) -> Iterator[list[WatchEvent]]:
        splitter = LineSplitter()
        asked = time.monotonic()
        for chunk in response.stream(CHUNK):
            if self._is_interrupted():
                return
            self.beat = time.monotonic()
            self._has_waited = self.beat - asked > AT_ONCE
            lines = self._parse(splitter.feed(chunk))
            if splitter.too_long:
                self._unreadable(splitter.too_long, "a line of a watch is too long")
                splitter.too_long = 0
            if lines:
                yield lines
            asked = time.monotonic()

    def _take(self, lines: Sequence[WatchEvent]) -> bool:
        """Hand on what was read; return whether the watch goes on."""
        goes_on = [line for line in lines if self._reflector.line(line)]
        if goes_on:
            self._anchors.changed((line.type, line.object) for line in goes_on)
            self._handler.on_events(goes_on)
            if self._has_waited:
                self._rest()
        if len(goes_on) < len(lines):
            log.info("the watch ended", extra={"path": self._resource.path, "status": shorten(lines[-1].raw)})
        return len(goes_on) == len(lines)

    def _parse(self, lines: Sequence[bytes]) -> list[WatchEvent]:
        """Read lines up to the first ERROR; what can't be read is counted and left out."""
        parsed = []
        for line in lines:
            try:
                parsed.append(parse_line(line))
            except UnreadableEvent as error:
                self._unreadable(1, str(error))
                continue
            if parsed[-1].type == "ERROR":
                break
        return parsed

    def _unreadable(self, count: int, what: str) -> None:
        self._few.warning(
            "skipped what can't be read", extra={"path": self._resource.path, "what": what, "count": count}
        )
        self.counters.unreadable += count
        self._handler.on_unreadable(count)

    def _failed(self, error: KubernetesError) -> None:
        if not self._stop.is_set():
            self._tell(error)
            self._reflector.failed(error)

    def _tell(self, error: KubernetesError) -> None:
        self.counters.errors += 1
        level = logging.ERROR if error.status == 403 else logging.WARNING
        cure = "grant list and watch on this path (deploy/kubernetes/rbac.yaml)" if error.status == 403 else ""
        log.log(level, "the API server refuses or is away", extra={"error": str(error), "cure": cure})

    def _relisting(self, reason: str) -> None:
        self._reflector.relisted = ""
        self.counters.relists += 1
        log.warning("listing anew", extra={"path": self._resource.path, "reason": reason})
        self._handler.on_relist(reason)

    def _cut(self) -> None:
        """End a read that waits in another thread."""
        for response in list(self._open):
            sock = getattr(getattr(response, "connection", None), "sock", None)
            if sock is not None:
                with suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
