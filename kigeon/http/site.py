"""Answers requests for metrics, health, the status page and its data."""

from __future__ import annotations

import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import orjson

from kigeon.clock import stamp
from kigeon.http.history import SLOT, History, note_of
from kigeon.http.live import LivePage, page
from kigeon.http.message import TEXT, Request, Response
from kigeon.http.processes import process_metrics
from kigeon.observability.exposition import CONTENT_TYPE, expose
from kigeon.observability.health import Check, livez, passed, readyz
from kigeon.observability.metrics import health_metrics, metrics
from kigeon.observability.overview import overview, told
from kigeon.observability.snapshot import Moment, Snapshot, read_snapshot

JSON = "application/json"
HTML = "text/html; charset=utf-8"
STREAM = "text/event-stream"

FRESH = 1.0
"""Seconds for which an answer is reused, so that a thousand requests a second cost as much as one."""

LONGEST_QUERY = 200
"""Characters of a search."""

SAME = {
    "/healthz": "/livez",
    "/-/healthy": "/livez",
    "/-/ready": "/readyz",
}

FILES = {
    "/status.js": ("status.js", "text/javascript; charset=utf-8"),
    "/status.css": ("status.css", "text/css; charset=utf-8"),
}

SECURE = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
}


class Site:
    """Answers requests from the root's last snapshot."""

    def __init__(self, clock: Callable[[], Moment] = lambda: Moment(time.time(), time.monotonic())) -> None:
        self._clock = clock
        self._snapshot = Snapshot()
        self._told_at = clock().steady
        self._history = History()
        # This version is greater than an earlier process's last, unless that made a thousand versions a second.
        self._page = LivePage(int(clock().day * 1000))
        self._written: dict[str, tuple[float, bytes]] = {}
        self._shown_at = -FRESH

    def tell(self, line: bytes) -> None:
        """Take the root's snapshot, a line that :func:`~kigeon.observability.snapshot.write_snapshot` wrote."""
        self._snapshot, self._told_at = read_snapshot(line), self._clock().steady
        note = note_of(self._snapshot, self._told_at)
        if note is not None:
            self._history.add(note)
        self._page.take(self._snapshot.latest)

    def respond(self, request: Request) -> Response:
        """Return the answer to *request*."""
        path = SAME.get(request.path, request.path)
        if path == "/livez":
            return self._health(request, path, livez(*self._now()))
        if path == "/readyz":
            return self._health(request, path, readyz(*self._now()))
        if path == "/metrics":
            return Response(HTTPStatus.OK, self._fresh(path, self._metrics), CONTENT_TYPE)
        if path == "/api/status":
            return Response(HTTPStatus.OK, self._fresh(path, self._status), JSON)
        if path == "/api/stream":
            return self._stream(request)
        if path == "/":
            return Response(HTTPStatus.OK, self._html(request.query.get("q", "")[:LONGEST_QUERY]), HTML, SECURE)
        if path in FILES:
            name, kind = FILES[path]
            return Response(HTTPStatus.OK, page(name), kind, SECURE)
        return Response(HTTPStatus.NOT_FOUND, b"not found\n")

    def news(self, seen: int) -> tuple[bytes, int]:
        """Return the news for a browser that has seen version *seen* of the page, and the version they bring it to."""
        self._show()
        return self._page.after(seen), self._page.version

    def _stream(self, request: Request) -> Response:
        seen = request.headers.get("last-event-id") or request.query.get("seen", "")
        news, version = self.news(int(seen) if seen.isascii() and seen.isdigit() and len(seen) < 20 else 0)
        return Response(HTTPStatus.OK, news, STREAM, {"X-Accel-Buffering": "no"}, seen=version)

    def _now(self) -> tuple[Snapshot, float, Moment]:
        now = self._clock()
        return self._snapshot, now.steady - self._told_at, now

    def _fresh(self, path: str, write: Callable[[], bytes]) -> bytes:
        now = self._clock().steady
        at, body = self._written.get(path, (-FRESH, b""))
        if now - at >= FRESH:
            body = write()
            self._written[path] = (now, body)
        return body

    def _metrics(self) -> bytes:
        snapshot, age, now = self._now()
        health = health_metrics(passed(livez(snapshot, age, now)), passed(readyz(snapshot, age, now)))
        return expose([*metrics(snapshot, now), *health, *process_metrics(snapshot.processes)])

    def _status(self) -> bytes:
        return orjson.dumps({**self._told(), "events": self._page.rows.plain()})

    def _told(self) -> dict[str, Any]:
        """Return the page's data without the events, which are written once each."""
        snapshot, age, now = self._now()
        rates = self._history.rates()
        day = [
            {
                "from": stamp(now.of(slot.number * SLOT)),
                "seconds": slot.seconds,
                "new": slot.new,
                "waiting": slot.waiting,
            }
            for slot in self._history.day(now.steady)
        ]
        shown = {"received": rates.received, "new": rates.new, "sent": rates.sent}
        return {**overview(snapshot, age, now), "rates": shown, "day": day}

    def _show(self) -> None:
        now = self._clock().steady
        if now - self._shown_at >= FRESH or self._told_at > self._shown_at:
            self._shown_at = now
            self._page.show(self._told())

    def _html(self, query: str) -> bytes:
        self._show()
        if query:
            return self._page.html(query)
        return self._fresh("/", lambda: self._page.html(""))

    @staticmethod
    def _health(request: Request, path: str, checks: list[Check]) -> Response:
        well = passed(checks)
        status = HTTPStatus.OK if well else HTTPStatus.SERVICE_UNAVAILABLE
        if JSON in request.headers.get("accept", ""):
            body = {"status": "ok" if well else "failed", "checks": told(checks)}
            return Response(status, orjson.dumps(body) + b"\n", JSON)
        text = "ok" if well and "verbose" not in request.query else verbose(path, checks)
        return Response(status, f"{text}\n".encode(), TEXT)


def verbose(path: str, checks: list[Check]) -> str:
    """Return *checks* as Kubernetes' own verbose endpoints write checks, with the reasons."""
    lines = [f"[{'+' if check.passed else '-'}]{check.name} {check.reason or 'ok'}" for check in checks]
    return "\n".join([*lines, f"{path[1:]} check {'passed' if passed(checks) else 'failed'}"])
