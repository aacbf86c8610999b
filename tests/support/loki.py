"""A stand-in for Loki: it answers a push as Loki does, holds what it stored, and misbehaves when it is told to."""

from __future__ import annotations

import gzip
import re
import socket
import ssl
import time
from base64 import b64decode
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Condition, Event, Thread
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import orjson

LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
MAX_LINE = 256 * 1024
MAX_LABELS = 15
WEEK = 7 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Line:
    """A line that is held."""

    tenant: str
    labels: tuple[tuple[str, str], ...]
    timestamp: int
    line: str
    metadata: tuple[tuple[str, str], ...]

    @property
    def fields(self) -> dict[str, Any]:
        """The line as the JSON that it is."""
        found: dict[str, Any] = orjson.loads(self.line)
        return found


@dataclass(frozen=True, slots=True)
class Push:
    """A push as it came, and the answer that it got."""

    time: float
    tenant: str
    lines: int
    size: int
    headers: Mapping[str, str]
    status: int


class Refused(Exception):
    """A push that gets an answer other than 204."""

    def __init__(self, status: int, reason: str) -> None:
        self.status = status
        super().__init__(reason)


class Loki:
    """A context manager. ``lines`` is what is held; a repeat of a held line is dropped and counted in ``repeats``."""

    def __init__(self, certificate: tuple[Path, Path] | None = None) -> None:
        self.changed = Condition()
        self.held: dict[Line, None] = {}
        self.repeats = 0
        self.pushes: list[Push] = []
        self.malformed: list[str] = []
        self.body_limit = 100 * 1024 * 1024
        self.max_age = float(WEEK)
        self.credentials: tuple[str, str] | None = None
        self.refuse: Callable[[Line], bool] = lambda line: False
        self.always: Callable[[str], int] = lambda tenant: 0
        """The status for each push of a tenant; 0: as Loki would."""
        self.cut_before = 0
        self.cut_after = 0
        self.answering = Event()
        self.answering.set()
        self._answers: deque[tuple[int, str, int | None]] = deque()
        handler = type("BoundHandler", (_Handler,), {"loki": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        self._scheme = "http"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*map(str, certificate))
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
            self._scheme = "https"

    @property
    def url(self) -> str:
        """Its base URL."""
        return f"{self._scheme}://localhost:{self._server.server_address[1]}"

    @property
    def lines(self) -> list[Line]:
        """What is held, in the order in which it came."""
        with self.changed:
            return list(self.held)

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, args=(0.05,), name="loki", daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.answering.set()
        self._server.shutdown()
        self._server.server_close()

    def answer_next(self, count: int, status: int, body: str = "", retry_after: int | None = None) -> None:
        """Answer the next *count* pushes with *status*, and store nothing of them."""
        with self.changed:
            self._answers.extend([(status, body, retry_after)] * count)

    def wait_for(self, enough: Callable[[list[Line]], bool] | int, timeout: float = 30.0) -> list[Line]:
        """Return what is held once it is *enough* (a number of lines, or what a function says)."""
        is_enough = enough if callable(enough) else lambda lines: len(lines) >= enough
        with self.changed:
            if not self.changed.wait_for(lambda: is_enough(list(self.held)), timeout):
                raise TimeoutError(f"{len(self.held)} lines are held after {len(self.pushes)} pushes")
            return list(self.held)

    def wait_for_pushes(self, count: int, timeout: float = 30.0) -> None:
        """Return when so many pushes have come."""
        with self.changed:
            if not self.changed.wait_for(lambda: len(self.pushes) >= count, timeout):
                raise TimeoutError(f"{len(self.pushes)} pushes have come")

    # ------------------------------------------------------------------------------------------------ for the handler

    def query(self, tenant: str, query: Mapping[str, str]) -> bytes:
        """Return the answer to a query with nothing but equal labels (or for every stream), and filters of lines."""
        selector, *filters = re.split(r" ([|!]~) ", query["query"])
        patterns = list(zip(filters[::2], (found.strip("`") for found in filters[1::2]), strict=True))
        wanted = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', selector))
        start, end, limit = (int(query[key]) for key in ("start", "end", "limit"))
        found = [
            line
            for line in self.lines
            if start <= line.timestamp < end
            and line.tenant == tenant
            and all(dict(line.labels).get(name) == orjson.loads(f'"{value}"') for name, value in wanted.items())
            and all(bool(re.search(pattern, line.line)) == (kind == "|~") for kind, pattern in patterns)
        ]
        streams: dict[tuple[tuple[str, str], ...], list[tuple[str, str]]] = {}
        found.sort(key=lambda line: line.timestamp)
        for line in found[:limit]:
            streams.setdefault((*line.labels, *line.metadata), []).append((str(line.timestamp), line.line))
        result = [{"stream": dict(labels), "values": values} for labels, values in streams.items()]
        return orjson.dumps({"status": "success", "data": {"resultType": "streams", "result": result}})

    def take(self, tenant: str, headers: Mapping[str, str], body: bytes) -> tuple[int, str, int | None]:
        """Store a push; return status, text and Retry-After."""
        count, retry_after = 0, None
        try:
            self._check_credentials(headers)
            if len(body) > self.body_limit:
                raise Refused(413, "request body too large")
            lines = self._parse(tenant, headers, body)
            count = len(lines)
            with self.changed:
                told = self._answers.popleft() if self._answers else (self.always(tenant), "told to", None)
            if told[0] and told[0] != 204:
                retry_after = told[2]
                raise Refused(told[0], told[1])
            status, text = 204, ""
            self._store(lines)
        except Refused as refused:
            status, text = refused.status, str(refused)
        with self.changed:
            self.pushes.append(Push(time.monotonic(), tenant, count, len(body), headers, status))
            self.changed.notify_all()
        return status, text, retry_after

    def _check_credentials(self, headers: Mapping[str, str]) -> None:
        if self.credentials is None:
            return
        given = b64decode(headers.get("Authorization", "").removeprefix("Basic ")).decode()
        if given != ":".join(self.credentials):
            raise Refused(401, "no org id")

    def _parse(self, tenant: str, headers: Mapping[str, str], body: bytes) -> list[Line]:
        try:
            raw = gzip.decompress(body) if headers.get("Content-Encoding") == "gzip" else body
            return [
                Line(tenant, tuple(stream["stream"].items()), _timestamp(value[0]), value[1], _metadata(value))
                for stream in orjson.loads(raw)["streams"]
                for value in stream["values"]
            ]
        except (ValueError, KeyError, TypeError, AttributeError, IndexError, OSError) as error:
            self.malformed.append(f"{error!r}: {body[:200]!r}")
            raise Refused(400, f"couldn't parse push request: {error}") from error

    def _store(self, lines: list[Line]) -> None:
        """Hold the valid lines; refuse the push when there are others, as Loki does."""
        reasons = []
        with self.changed:
            for line in lines:
                reason = self._why_not(line)
                if reason:
                    reasons.append(reason)
                elif line in self.held:
                    self.repeats += 1
                else:
                    self.held[line] = None
        if reasons:
            raise Refused(400, f"{len(reasons)} lines refused: {reasons[0]}")

    def _why_not(self, line: Line) -> str:
        now = time.time()
        checks = (
            (self.refuse(line), "refused"),
            (not line.labels, "at least one label pair is required per stream"),
            (len(line.labels) > MAX_LABELS, "entry has too many label names"),
            (any(not LABEL_NAME.fullmatch(name) for name, _ in line.labels), "invalid label name"),
            (any("\ufffd" in value for _, value in line.labels), "couldn't parse labels: invalid UTF-8 rune"),
            (any(len(value.encode()) > 2048 for _, value in line.labels), "label value too long"),
            (len(line.line.encode()) > MAX_LINE, "max entry size exceeded"),
            (line.timestamp < (now - self.max_age) * 1e9, "entry has timestamp too old"),
            (line.timestamp > (now + 600) * 1e9, "entry has timestamp too new"),
        )
        return next((reason for wrong, reason in checks if wrong), "")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away, or does not trust the certificate, is none of the server's business."""


class _Handler(BaseHTTPRequestHandler):
    loki: Loki
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        pass

    def do_GET(self) -> None:
        """Answer a query of a range, forward, as Loki does: structured metadata are among the labels."""
        address = urlsplit(self.path)
        if address.path != "/loki/api/v1/query_range":
            self._answer(404, "404 page not found", None)
            return
        query = {key: values[0] for key, values in parse_qs(address.query).items()}
        body = self.loki.query(self.headers.get("X-Scope-OrgID", ""), query)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        size = int(self.headers["Content-Length"])
        body = self.rfile.read(size)
        self.loki.answering.wait()
        if len(body) < size:
            # The client was killed while it sent.
            self.close_connection = True
        elif self.path != "/loki/api/v1/push":
            self._answer(404, "404 page not found", None)
        elif self._is_cut("cut_before"):
            self._cut()
        else:
            answer = self.loki.take(self.headers.get("X-Scope-OrgID", ""), dict(self.headers), body)
            self._cut() if self._is_cut("cut_after") else self._answer(*answer)

    def _is_cut(self, which: str) -> bool:
        with self.loki.changed:
            left: int = getattr(self.loki, which)
            setattr(self.loki, which, max(left - 1, 0))
            return left > 0

    def _cut(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _answer(self, status: int, text: str, retry_after: int | None) -> None:
        self.send_response(status, "told")
        if retry_after is not None:
            self.send_header("Retry-After", str(retry_after))
        if status != 204:
            self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        if status != 204:
            self.wfile.write(text.encode())


def _timestamp(value: Any) -> int:
    if not isinstance(value, str):
        raise TypeError("a timestamp is a string of nanoseconds")
    return int(value)


def _metadata(value: list[Any]) -> tuple[tuple[str, str], ...]:
    if not isinstance(value[1], str):
        raise TypeError("a line is a string")
    metadata = value[2] if len(value) > 2 else {}
    if not all(isinstance(text, str) for text in metadata.values()):
        raise TypeError("structured metadata are strings")
    return tuple(metadata.items())
