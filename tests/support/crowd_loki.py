"""A Loki that holds of a crowd's Events what was sent; made on the way: nothing here holds them all."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import orjson

from kigeon.senders.loki.entry import LokiEntry
from kigeon.senders.loki.settings import LokiSettings
from kigeon.senders.loki.sink import LokiSink
from tests.support.crowd import BEGAN, PER_SECOND, crowd_event

FILTER = re.compile(r" (\|~|!~) `([^`]*)`")


class CrowdLoki:
    """A context manager: answers what it *holds* (how often) of Events 1 to *count*, and takes nothing."""

    def __init__(self, count: int, holds: Callable[[int], int]) -> None:
        self._count = count
        self._holds = holds
        handler = type("BoundHandler", (_Handler,), {"loki": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._sink = LokiSink(LokiSettings(self.url))

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, args=(0.05,), name="crowd-loki", daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._sink.close()

    def query(self, selector: str, start: int, end: int, limit: int) -> list[dict[str, Any]]:
        """Return the first lines from *start* to *end* (nanoseconds, not included) that pass the filters."""
        filters = [(how == "|~", re.compile(what)) for how, what in FILTER.findall(selector)]
        found: list[dict[str, Any]] = []
        for entry, times in self._between(start, end):
            if all(bool(pattern.search(entry.line)) is wanted for wanted, pattern in filters):
                # What is held twice is in a late stream as well.
                found += [_told(entry, copy) for copy in range(times)]
            if len(found) >= limit:
                break
        return found[:limit]

    def _between(self, start: int, end: int) -> Iterator[tuple[LokiEntry, int]]:
        first = max((-(-start // 10**9) - BEGAN) * PER_SECOND, 1)
        last = min((-(-end // 10**9) - BEGAN) * PER_SECOND, self._count + 1)
        for number in range(first, last):
            if times := self._holds(number):
                yield self._sink.entry(crowd_event(number), None), times


def _told(entry: LokiEntry, copy: int) -> dict[str, Any]:
    labels = {**dict(entry.stream), **entry.metadata, **({"late": str(copy)} if copy else {})}
    return {"stream": labels, "values": [[str(entry.timestamp), entry.line]]}


class _Handler(BaseHTTPRequestHandler):
    loki: CrowdLoki
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        pass

    def do_GET(self) -> None:
        query = {key: values[0] for key, values in parse_qs(urlsplit(self.path).query).items()}
        lines = self.loki.query(query["query"], int(query["start"]), int(query["end"]), int(query["limit"]))
        body = orjson.dumps({"status": "success", "data": {"resultType": "streams", "result": lines}})
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
