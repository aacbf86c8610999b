"""The stand-in API server's side of HTTP."""

from __future__ import annotations

import gzip
import socket
import time
from http.server import BaseHTTPRequestHandler
from threading import Event
from typing import Any, Literal, Protocol
from urllib.parse import parse_qsl, urlsplit

import orjson

from kigeon.standin.faults import Asked, Faults, Misbehaviour, OpenWatch
from kigeon.standin.store import Gone, Store

COMPRESSED_FROM = 128 * 1024
"""From this many bytes on a body is compressed, for clients that accept gzip."""

BURST = 200
"""Lines of a watch that are written at once."""

_REASONS = {
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    410: "Expired",
    405: "MethodNotAllowed",
    429: "TooManyRequests",
}


def status_of(code: int) -> dict[str, Any]:
    """Return a Status object, as the API server answers."""
    reason = _REASONS.get(code, "InternalError")
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": reason, "code": code}


def _kind_of(path: str, query: dict[str, str]) -> Literal["watch", "get", "list"]:
    if "watch" in query:
        return "watch"
    return "get" if "/pods/" in path else "list"


class Api(Protocol):
    """The API server behind a connection."""

    store: Store
    faults: Faults
    token: str
    stopping: Event
    encodings: set[tuple[str, str]]
    denied: set[tuple[str, str]]

    def note(self, method: str, path: str, query: dict[str, str]) -> None:
        """Note a request."""


class Handler(BaseHTTPRequestHandler):
    """Serves one connection. ``api`` is set on a subclass for each server."""

    api: Api
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        """Send small chunks at once."""
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Stay silent."""

    def do_GET(self) -> None:
        """Answer, or misbehave."""
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query))
        kind = _kind_of(parts.path, query)
        self.api.note(self.command, parts.path, query)
        self.api.encodings.add((kind, self.headers.get("Accept-Encoding", "")))
        faults = self.api.faults
        self.api.stopping.wait(faults.latency)
        while not faults.answering.is_set() and not self.api.stopping.is_set():
            faults.answering.wait(0.1)
        failure = faults.take(kind) or (faults.take("page") if "continue" in query else None)
        asked: Asked = "name" if kind == "list" and "fieldSelector" in query else kind
        always = faults.on_path(parts.path, asked)
        if always is not None:
            self._misbehave(always, parts.path, asked)
        elif failure is not None:
            self._fail(failure.status, failure.retry_after)
        elif not self._is_authorized():
            self._fail(401)
        else:
            self._answer(parts.path, query, kind)

    def do_POST(self) -> None:
        """Answer an access review: every right is granted except those in ``denied``."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.api.note(self.command, self.path, {})
        if not self._is_authorized():
            self._fail(401)
        elif self.path != "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews":
            self._fail(404)
        else:
            review = orjson.loads(body)
            asked = review["spec"]["resourceAttributes"]
            allowed = (asked["resource"], asked["verb"]) not in self.api.denied
            self._send(201, orjson.dumps({**review, "status": {"allowed": allowed}}))

    def date_time_string(self, timestamp: float | None = None) -> str:
        """Return the time of the server's clock, which may be wrong."""
        return super().date_time_string(time.time() + self.api.faults.clock_ahead if timestamp is None else timestamp)

    def _misbehave(self, how: Misbehaviour, path: str, asked: Asked) -> None:
        if how == "silence":
            self.api.faults.wait_for_healing(path, asked, self.api.stopping.is_set)
            self.close_connection = True
        elif isinstance(how, int):
            self._fail(how)
        else:
            self._send(200, b"<html>\xff\x00" if how == "garbage" else b"")

    def _is_authorized(self) -> bool:
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        return scheme.lower() == "bearer" and token == self.api.token

    def _answer(self, path: str, query: dict[str, str], kind: str) -> None:
        segments = path.strip("/").split("/")
        resource = "pods" if kind == "get" else segments[-1]
        if (resource, kind) in self.api.denied:
            self._fail(403)
        elif len(segments) == 6 and segments[4] == "pods":
            pod = self.api.store.get("pods", (segments[3], segments[5]))
            self._send(200, pod) if pod is not None else self._fail(404)
        elif path in ("/api/v1/events", "/api/v1/namespaces"):
            self._watch(segments[-1], query) if kind == "watch" else self._list(segments[-1], query)
        elif len(segments) == 5 and segments[2] == "namespaces":
            self._list(segments[4], query, segments[3])
        else:
            self._fail(404)

    def _list(self, collection: str, query: dict[str, str], namespace: str = "") -> None:
        only = query.get("fieldSelector", "").removeprefix("metadata.name=")
        limit, token = int(query.get("limit", 0)), query.get("continue", "")
        try:
            self._send(200, self.api.store.list(collection, limit, token, only, namespace))
        except Gone as gone:
            status = status_of(410)
            status["metadata"] = {"continue": gone.token} if gone.token else {}
            self._send(410, orjson.dumps(status))

    def _watch(self, collection: str, query: dict[str, str]) -> None:
        store, watch = self.api.store, OpenWatch(collection)
        try:
            cursor = store.begin_watch(collection, int(query["resourceVersion"]))
        except Gone:
            cursor, watch.ending = 0, "expire"
        with store.changed:
            self.api.faults.watches.append(watch)
            store.changed.notify_all()
        try:
            self._send_head(200, {"Transfer-Encoding": "chunked"})
            self._serve(watch, cursor, int(query["resourceVersion"]), time.monotonic() + float(query["timeoutSeconds"]))
        except OSError:
            self.close_connection = True
        finally:
            with store.changed:
                self.api.faults.watches.remove(watch)
                store.changed.notify_all()

    def _serve(self, watch: OpenWatch, cursor: int, version: int, deadline: float) -> None:
        while True:
            lines = self._next_lines(watch, cursor, version, deadline)
            if self.api.stopping.is_set() or watch.ending == "drop":
                self._drop()
                return
            if watch.ending == "expire":
                self._chunk(b'{"type":"ERROR","object":' + orjson.dumps(status_of(410)) + b"}\n")
            if watch.ending or (not lines and time.monotonic() >= deadline):
                self.wfile.write(b"0\r\n\r\n")
                return
            if not watch.injected:
                cursor += len(lines)
            else:
                lines = [watch.injected.popleft()]
            if lines:
                self._chunk(b"".join(lines))

    def _next_lines(self, watch: OpenWatch, cursor: int, version: int, deadline: float) -> list[bytes]:
        """Wait for something to do; return the lines after *cursor*, none of a version before *version*."""
        store, faults = self.api.store, self.api.faults
        history = store.collections[watch.collection]

        def is_ready() -> bool:
            if self.api.stopping.is_set() or watch.ending:
                return True
            has_news = len(history.lines) > cursor and history.versions[-1] > version
            return faults.answering.is_set() and (has_news or bool(watch.injected))

        with store.changed:
            store.changed.wait_for(is_ready, max(deadline - time.monotonic(), 0.0))
            if not is_ready() or watch.ending or watch.injected:
                return []
            found = zip(history.versions[cursor : cursor + BURST], history.lines[cursor : cursor + BURST], strict=True)
            return [line if number > version else b"" for number, line in found]

    def _chunk(self, data: bytes, ends: bool = False) -> None:
        if data or ends:
            self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def _drop(self) -> None:
        """Cut the connection in the middle of a line."""
        self.wfile.write(b'1000\r\n{"type":"ADDED","object":{"kind":"Ev')
        self.wfile.flush()
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _fail(self, code: int, retry_after: int | None = None) -> None:
        self._send(
            code, orjson.dumps(status_of(code)), {} if retry_after is None else {"Retry-After": str(retry_after)}
        )

    def _send(self, code: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        headers = dict(headers or {})
        if len(body) >= COMPRESSED_FROM and "gzip" in self.headers.get("Accept-Encoding", ""):
            # The real one compresses while it sends, and so sends in chunks.
            self._send_head(code, {**headers, "Content-Encoding": "gzip", "Transfer-Encoding": "chunked"})
            self._chunk(gzip.compress(body, 1))
            self._chunk(b"", ends=True)
            return
        self._send_head(code, {**headers, "Content-Length": str(len(body))})
        self.wfile.write(body)

    def _send_head(self, code: int, headers: dict[str, str]) -> None:
        self.send_response(code)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.end_headers()
