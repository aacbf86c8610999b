"""HTTP for the stand-in: pushes, queries of a range, and connections that break."""

from __future__ import annotations

import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from tests.support.loki.server import Loki


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away, or does not trust the certificate, is none of the server's business."""


class Handler(BaseHTTPRequestHandler):
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
