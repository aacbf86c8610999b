"""The way to the API server, on which an answer can be made to stand still in its midst."""

from __future__ import annotations

import socket
from contextlib import suppress
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Condition, Thread
from typing import Any, Self

import yaml

from tests.conformance.cluster import Cluster


class Wire:
    """A context manager that passes bytes on, both ways, and after *room* bytes of answers none until it is released.

    To kigeon it is the cluster: TLS ends behind it, at the API server.
    """

    def __init__(self, cluster: Cluster, room: int) -> None:
        self._cluster = cluster
        self._room: int | None = room
        self._stands = False
        self._changed = Condition()
        handler = type("BoundHandler", (_Handler,), {"wire": self})
        self._server = _Server(("127.0.0.1", 0), handler)

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, args=(0.05,), name="wire", daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.release()
        self._server.shutdown()
        self._server.server_close()

    @property
    def target(self) -> tuple[str, int]:
        """Where the API server listens."""
        return "127.0.0.1", self._cluster.port

    def write_kubeconfig(self, path: Path) -> Path:
        """Write the cluster's credentials to *path*, with the way over this wire, and return it."""
        document = yaml.safe_load(self._cluster.write_kubeconfig(path).read_text())
        document["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{self._server.server_address[1]}"
        path.write_text(yaml.safe_dump(document))
        return path

    def wait(self, timeout: float = 60.0) -> None:
        """Return when an answer stands still."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._stands, timeout):
                raise TimeoutError("the answers were shorter than the wire's room")

    def release(self) -> None:
        """Let everything through from now on."""
        with self._changed:
            self._room = None
            self._changed.notify_all()

    def admit(self, size: int) -> None:
        """Return when *size* bytes of an answer may go on."""
        with self._changed:
            if self._room is not None and self._room < size:
                self._stands = True
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._room is None)
            elif self._room is not None:
                self._room -= size


class _Server(ThreadingTCPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed is none of the wire's business."""


class _Handler(BaseRequestHandler):
    wire: Wire

    def handle(self) -> None:
        with socket.create_connection(self.wire.target) as server:
            Thread(target=self._pass, args=(self.request, server), daemon=True).start()
            self._pass(server, self.request, self.wire.admit)

    @staticmethod
    def _pass(source: socket.socket, sink: socket.socket, admit: Any = lambda size: None) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                admit(len(data))
                sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
