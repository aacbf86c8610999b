"""What is served where: metrics, health, the status page and what it shows."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache
from http import HTTPStatus
from importlib.resources import files

import orjson

from kigeon.http.message import TEXT, Request, Response
from kigeon.http.processes import process_metrics
from kigeon.observability.exposition import CONTENT_TYPE, expose
from kigeon.observability.health import Check, livez, passed, readyz
from kigeon.observability.metrics import health_metrics, metrics
from kigeon.observability.overview import overview, told
from kigeon.observability.snapshot import Moment, Snapshot, read_snapshot

JSON = "application/json"

FRESH = 1.0
"""Seconds for which what was written for one is good for others: a thousand requests a second are one."""

SAME = {
    "/healthz": "/livez",
    "/-/healthy": "/livez",
    "/-/ready": "/readyz",
}

PAGES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/status.js": ("status.js", "text/javascript; charset=utf-8"),
    "/status.css": ("status.css", "text/css; charset=utf-8"),
}

SECURE = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
}


class Site:
    """Answers requests from what the root told last."""

    def __init__(self, clock: Callable[[], Moment] = lambda: Moment(time.time(), time.monotonic())) -> None:
        self._clock = clock
        self._line = b""
        self._snapshot = Snapshot()
        self._told_at = clock().steady
        self._written: dict[str, tuple[float, bytes]] = {}

    def tell(self, line: bytes) -> None:
        """Take what the root told: a line that :func:`~kigeon.observability.snapshot.write_snapshot` wrote."""
        self._line, self._told_at = line, self._clock().steady

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
            return Response(HTTPStatus.OK, self._fresh(path, self._overview), JSON)
        if path in PAGES:
            name, kind = PAGES[path]
            return Response(HTTPStatus.OK, page(name), kind, SECURE)
        return Response(HTTPStatus.NOT_FOUND, b"not found\n")

    def _now(self) -> tuple[Snapshot, float, Moment]:
        if self._line:
            self._snapshot, self._line = read_snapshot(self._line), b""
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

    def _overview(self) -> bytes:
        return orjson.dumps(overview(*self._now()))

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
    """Return *checks* as Kubernetes' own endpoints write them, with the reasons."""
    lines = [f"[{'+' if check.passed else '-'}]{check.name} {check.reason or 'ok'}" for check in checks]
    return "\n".join([*lines, f"{path[1:]} check {'passed' if passed(checks) else 'failed'}"])


@lru_cache
def page(name: str) -> bytes:
    """Return a file of the status page."""
    return (files("kigeon.http") / "page" / name).read_bytes()
