"""Stand-ins that work before and after what is measured, and as little as they can meanwhile.

A cluster and a Loki have machines of their own, which kigeon's do not pay for; here they are on the same processors. So
the API server has its pages compressed, and its lines of a watch written, before the clock runs; Loki answers 204 to
each push and keeps its bytes, which it reads, checks and holds as ever once the clock has stopped.
"""

from __future__ import annotations

import gc
import gzip
import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import orjson

from kigeon.standin.apiserver import ApiServer
from kigeon.standin.handler import Handler
from kigeon.standin.store import Stored
from tests.bench.steady import Cluster
from tests.bench.streams import wait_for_lines
from tests.support.events import make_event
from tests.support.loki import Loki

PAGE = 500
"""Objects in a page, as kigeon asks for them."""

QUIET = 1.0
"""Seconds without a push after which all that was sent is taken to have come."""


class _Handler(Handler):
    api: PreparedApi

    def _list(self, collection: str, query: dict[str, str], namespace: str = "") -> None:
        asked = query.get("continue", ""), query.get("limit", "")
        page = self.api.pages.get(asked) if collection == "events" and not namespace else None
        if page is None or "gzip" not in self.headers.get("Accept-Encoding", ""):
            super()._list(collection, query, namespace)
            return
        headers = {"Content-Encoding": "gzip", "Content-Length": str(len(page))}
        self._send_head(200, headers)
        self.wfile.write(page)


class PreparedApi(ApiServer):
    """An API server whose list of Events, and whose next Events, are ready before anybody asks."""

    handler = _Handler

    def __init__(self) -> None:
        super().__init__()
        self.pages: dict[tuple[str, str], bytes] = {}
        """Compressed pages of the list of Events, by token and limit."""
        self._next: deque[tuple[Stored, bytes]] = deque()

    def prepare_list(self) -> None:
        """Make the pages of the list as it is now; it must not change until it was listed."""
        token = ""
        while True:
            page = self.store.list("events", PAGE, token)
            self.pages[token, str(PAGE)] = gzip.compress(page, 1)
            token = orjson.loads(page)["metadata"].get("continue", "")
            if not token:
                break
        _forget_garbage()

    def prepare_events(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Write the lines in which *events*, of which each is new, will be told by :meth:`tell`."""
        collection = self.store.collections["events"]
        with self.store.changed:
            for event in events:
                stored = self.store.stored(event)
                self._next.append((stored, collection.line("ADDED", stored)))
        _forget_garbage()

    def tell(self, count: int) -> None:
        """Have the next *count* prepared Events happen."""
        collection = self.store.collections["events"]
        with self.store.changed:
            for _ in range(count):
                stored, line = self._next.popleft()
                metadata = stored.object["metadata"]
                collection.objects[metadata["namespace"], metadata["name"]] = stored
                collection.record(stored.version, line)
            self.store.changed.notify_all()


class RecordingLoki(Loki):
    """A Loki that answers 204 at once, and looks at what came when it is asked to."""

    def __init__(self) -> None:
        super().__init__()
        self._came: list[tuple[float, str, Mapping[str, str], bytes]] = []
        self._is_recording = False

    def record(self) -> None:
        """Look at nothing from now on."""
        self._is_recording = True

    def take(self, header: str, headers: Mapping[str, str], body: bytes) -> tuple[int, str, int | None]:
        """Take a push."""
        if not self._is_recording:
            return super().take(header, headers, body)
        self._came.append((time.monotonic(), header, headers, body))
        return 204, "", None

    def await_all(self, count: int, timeout: float = 300.0) -> float:
        """Return when *count* lines are held: what this process had used of the processor (s) before it read them.

        What was recorded is read when nothing has come for a while; afterwards nothing is recorded.
        """
        deadline = time.monotonic() + timeout
        while self._is_recording:
            used, seen = time.process_time(), len(self._came)
            time.sleep(QUIET)
            if seen == len(self._came):
                self._read()
                if len(self.held) >= count:
                    self._is_recording = False
                    return used
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(self.held)} lines are held")
        wait_for_lines(self, count, timeout)
        return time.process_time()

    def _read(self) -> None:
        came, self._came = self._came, []
        for at, header, headers, body in came:
            status, text, _ = super().take(header, headers, body)
            if status != 204:
                raise AssertionError(f"a push that was answered with 204 deserves {status}: {text}")
            self.pushes[-1] = replace(self.pushes[-1], time=at)


class LightCluster(Cluster):
    """These stand-ins; what :meth:`prepare` made ready happens first, and is looked at when all has happened."""

    def __init__(self, api: PreparedApi, loki: RecordingLoki) -> None:
        super().__init__(api, loki)
        self._api, self._loki = api, loki
        self._prepared = 0

    def prepare(self, count: int) -> None:
        """Make the next *count* events ready."""
        self._api.prepare_events(make_event(self.made + number) for number in range(count))
        self._prepared = count
        self._loki.record()

    def put(self, count: int) -> None:
        """Make *count* events."""
        if not self._prepared:
            super().put(count)
            return
        self._api.tell(count)
        self._prepared -= count
        self.made += count

    def catch_up(self) -> None:
        """Wait for nothing: what is on its way when the clock starts and when it stops is the same."""

    def await_all(self) -> None:
        """Return when Loki holds every event."""
        self._loki.await_all(self.made)


def _forget_garbage() -> None:
    """Keep the collector from walking through all that was prepared, while something is measured."""
    gc.collect()
    gc.freeze()
