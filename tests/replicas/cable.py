"""A cable between one replica and a server, which can be cut: what was sent meanwhile arrives when it is mended."""

from __future__ import annotations

import socket
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread
from typing import Self
from urllib.parse import urlsplit

from tests.support.kubeconfig import write_kubeconfig


class Cable:
    """A context manager that passes bytes on to the server at *url*, both ways, unless it is cut.

    Its near end is a port of its own, or where *listener* listens.
    """

    def __init__(self, url: str, token: str = "", listener: socket.socket | None = None) -> None:
        target = urlsplit(url)
        self._target = (target.hostname or "", target.port or 0)
        self._token = token
        self._whole = Event()
        self._whole.set()
        self._listener = listener or socket.create_server(("127.0.0.1", 0))
        self._sockets: set[socket.socket] = set()
        self.url = f"{target.scheme}://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._whole.set()
        # Shut down, it wakes who waits to accept; closing alone does not.
        for each in [self._listener, *self._sockets]:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def write_kubeconfig(self, path: Path) -> Path:
        """Write a kubeconfig of the API server at the other end."""
        return write_kubeconfig(path, self.url, {"token": self._token})

    def cut(self) -> None:
        """Let nothing arrive: who sends hears nothing, as where a network drops what is sent."""
        self._whole.clear()

    def mend(self) -> None:
        """Let everything arrive that was sent, and what comes."""
        self._whole.set()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(self._target)
            except OSError:
                near.close()  # Nobody is there: the next one may find somebody.
                continue
            Thread(target=self._join, args=(near, far), daemon=True).start()

    def _join(self, near: socket.socket, far: socket.socket) -> None:
        """Pass on what comes from either end, until both have closed."""
        with near, far:
            self._sockets |= {near, far}
            back = Thread(target=self._pass, args=(far, near), daemon=True)
            back.start()
            self._pass(near, far)
            back.join()
            self._sockets -= {near, far}

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self._whole.wait()
                sink.sendall(data)
        self._whole.wait()
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)
