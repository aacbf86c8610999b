"""The way to Loki, where answers get lost: a push arrives and is stored, and who sent it never hears of it."""

from __future__ import annotations

import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Condition, Thread
from typing import Any, Self

import requests


class Relay:
    """A context manager that passes pushes on to *url*. ``lose`` answers are lost before one comes through."""

    def __init__(self, url: str) -> None:
        self.target = url
        self.lose = 0
        self.lost: list[int] = []
        """The status of each answer that was lost."""
        self.changed = Condition()
        handler = type("BoundHandler", (_Handler,), {"relay": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, args=(0.05,), name="relay", daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def loses(self, status: int) -> bool:
        """Whether this answer is to be lost; note it then."""
        with self.changed:
            if not self.lose:
                return False
            self.lose -= 1
            self.lost.append(status)
            self.changed.notify_all()
            return True

    def wait_for_losses(self, count: int, timeout: float = 60.0) -> None:
        """Return when so many answers have been lost."""
        with self.changed:
            if not self.changed.wait_for(lambda: len(self.lost) >= count, timeout):
                raise TimeoutError(f"{len(self.lost)} answers were lost")


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed is none of the relay's business."""


class _Handler(BaseHTTPRequestHandler):
    relay: Relay
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        pass

    def do_POST(self) -> None:
        size = int(self.headers["Content-Length"])
        body = self.rfile.read(size)
        if len(body) < size:
            self.close_connection = True
            return
        headers = {key: value for key, value in self.headers.items() if key not in ("Host", "Content-Length")}
        try:
            answer = requests.post(self.relay.target + self.path, data=body, headers=headers, timeout=30)
        except requests.RequestException:
            self._cut()
            return
        if self.relay.loses(answer.status_code):
            self._cut()
            return
        self.send_response(answer.status_code)
        if answer.status_code != 204:
            self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        if answer.status_code != 204:
            self.wfile.write(answer.content)

    def _cut(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)
