"""An HTTP proxy on loopback: tunnels by CONNECT, and remembers for whom."""

from __future__ import annotations

import select
import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Self


class Proxy:
    """A context manager. ``tunnels`` has each target that was asked for, ``credentials`` the Proxy-Authorization."""

    def __init__(self) -> None:
        self.tunnels: list[str] = []
        self.credentials: list[str] = []
        handler = type("BoundHandler", (_Handler,), {"proxy": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    proxy: Proxy

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Stay silent."""

    def do_CONNECT(self) -> None:
        """Join the two connections until one of them ends."""
        self.proxy.tunnels.append(self.path)
        self.proxy.credentials.append(self.headers.get("Proxy-Authorization", ""))
        host, _, port = self.path.rpartition(":")
        with socket.create_connection((host.strip("[]"), int(port))) as other:
            self.send_response(200)
            self.end_headers()
            ways = {self.connection: other, other: self.connection}
            while True:
                ready, _, _ = select.select(list(ways), [], [], 10)
                for side in ready:
                    data = side.recv(65536)
                    if not data:
                        return
                    ways[side].sendall(data)
                if not ready:
                    return
