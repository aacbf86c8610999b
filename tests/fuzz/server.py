"""A server that says exactly the bytes it is told to, right or wrong as HTTP."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Self
from urllib.parse import parse_qs, urlsplit

Answer = Callable[[str, dict[str, str]], Iterator[bytes]]
"""What to say to a request for a path with a query; at its end the connection is closed."""


class Server:
    """A context manager. One connection is served at a time, and serves one request."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = Thread(target=self._serve, name="server")
        self._ends = False
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ends = True
        with socket.create_connection(("127.0.0.1", self.port)):
            pass
        self._thread.join(60)
        self._listener.close()

    def write_kubeconfig(self, path: Path) -> Path:
        """Write a kubeconfig with this server for a cluster, and return its path."""
        cluster, user = {"server": self.url}, {"token": "t"}
        document = {
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": user}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "c",
        }
        path.write_text(json.dumps(document))
        return path

    def _serve(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            with connection:
                if self._ends:
                    return
                self._converse(connection)

    def _converse(self, connection: socket.socket) -> None:
        connection.settimeout(60)
        try:
            with connection.makefile("rb") as lines:
                target = lines.readline().split(b" ")[1].decode()
                size = 0
                while (line := lines.readline().strip()) != b"":
                    if line.lower().startswith(b"content-length:"):
                        size = int(line.partition(b":")[2])
                lines.read(size)
                address = urlsplit(target)
                query = {key: values[0] for key, values in parse_qs(address.query).items()}
                for data in self._answer(address.path, query):
                    connection.sendall(data)
        except (OSError, IndexError):
            return


def head(status: str = "200 OK", **headers: str) -> bytes:
    """Return the head of an answer; an underscore in a header's name stands for a dash."""
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status}\r\nConnection: close\r\n{lines}\r\n".encode()


def whole(body: bytes, status: str = "200 OK", **headers: str) -> bytes:
    """Return a whole answer."""
    return head(status, Content_Length=str(len(body)), **headers) + body


def chunk(data: bytes) -> bytes:
    """Return a chunk of a chunked body; of nothing, its end."""
    return b"%x\r\n%s\r\n" % (len(data), data)
