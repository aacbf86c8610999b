"""The stand-in API server: real HTTP on loopback, in this process, made to be watched and to misbehave.

It lists in pages, watches, expires history with 410 and continues lists by tokens, as the real one does. Each method
takes effect at once; :meth:`ApiServer.wait_for_request` waits for a client.
"""

from __future__ import annotations

import secrets
import socket
import ssl
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http.server import ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any, Self

import yaml

from kigeon.standin.faults import Faults
from kigeon.standin.handler import Handler
from kigeon.standin.store import Store


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came."""

    method: str
    path: str
    query: Mapping[str, str]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore it: clients may go away."""


class _ServerV6(_Server):
    address_family = socket.AF_INET6


class ApiServer:
    """The server, a context manager; everything may be called from any thread.

    With *context* it speaks TLS. ``faults`` misbehaves: ``fail_next``, ``end_watches("close" | "drop" | "expire")``,
    ``inject``, ``latency``.
    """

    handler: type[Handler] = Handler
    """What answers requests."""

    def __init__(self, port: int = 0, context: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        self.store = Store()
        self.faults = Faults(self.store.changed)
        self.denied: set[tuple[str, str]] = set()
        """Rights, each a resource and a verb, that an access review denies."""
        self.token = secrets.token_hex(16)
        self.stopping = Event()
        self.requests: deque[Request] = deque(maxlen=100_000)
        self.encodings: set[tuple[str, str]] = set()
        """The kinds of requests that came, each with its Accept-Encoding."""
        handler = type("BoundHandler", (self.handler,), {"api": self})
        self._server = (_ServerV6 if ":" in host else _Server)((host, port), handler)
        self._host = f"[{host}]" if ":" in host else host
        self._scheme = "http"
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
            self._scheme = "https"

    @property
    def url(self) -> str:
        """The URL at which the server listens."""
        return f"{self._scheme}://{self._host}:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, args=(0.05,), name="apiserver", daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop; stopping twice is no error."""
        if self.stopping.is_set():
            return
        self.stopping.set()
        self.faults.answering.set()
        with self.store.changed:
            self.store.changed.notify_all()
        self._server.shutdown()
        self._server.server_close()

    def write_kubeconfig(self, path: Path) -> Path:
        """Write a kubeconfig with the token that is valid now, and return its path."""
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "stand-in", "cluster": {"server": self.url}}],
            "users": [{"name": "kigeon", "user": {"token": self.token}}],
            "contexts": [{"name": "stand-in", "context": {"cluster": "stand-in", "user": "kigeon"}}],
            "current-context": "stand-in",
        }
        path.write_text(yaml.safe_dump(document))
        path.chmod(0o600)
        return path

    def rotate_token(self) -> None:
        """Accept only a new token from now on; open watches end."""
        self.token = secrets.token_hex(16)
        self.faults.end_watches("close")

    # ------------------------------------------------------------------------------------------------------- objects

    def put_events(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Create or update Events, by namespace and name."""
        self.store.put("events", events)

    def delete_events(self, keys: Iterable[tuple[str, str]] | None = None) -> None:
        """Delete the Events of the given namespaces and names; all, when none are given."""
        self.store.delete("events", self.store.keys("events") if keys is None else keys)

    def put_namespace(self, name: str, labels: Mapping[str, str] | None = None) -> None:
        """Create or relabel a namespace."""
        metadata = {"name": name, "labels": {"kubernetes.io/metadata.name": name, **(labels or {})}}
        self.store.put("namespaces", [{"metadata": metadata, "spec": {}, "status": {"phase": "Active"}}])

    def delete_namespace(self, name: str) -> None:
        """Delete a namespace."""
        self.store.delete("namespaces", [("", name)])

    def put_pod(self, namespace: str, name: str, uid: str = "", labels: Mapping[str, str] | None = None) -> None:
        """Create or replace a Pod."""
        metadata: dict[str, Any] = {"namespace": namespace, "name": name, "labels": dict(labels or {})}
        if uid:
            metadata["uid"] = uid
        metadata["managedFields"] = [{"manager": "kubelet", "operation": "Update"}]
        self.store.put("pods", [{"metadata": metadata, "spec": {"nodeName": "node-1"}, "status": {"phase": "Running"}}])

    def delete_pod(self, namespace: str, name: str) -> None:
        """Delete a Pod."""
        self.store.delete("pods", [(namespace, name)])

    # --------------------------------------------------------------------------------------------------- misbehaviour

    def hang(self) -> None:
        """Answer nothing, and send nothing on open watches, until :meth:`resume`."""
        self.faults.answering.clear()

    def resume(self) -> None:
        """Answer again."""
        self.faults.answering.set()
        with self.store.changed:
            self.store.changed.notify_all()

    def restore_etcd(self, version: int = 10) -> None:
        """Go back to an earlier resourceVersion with the same objects, as a restored backup does; cut every watch."""
        self.store.restore(version)
        self.faults.end_watches("drop")

    # --------------------------------------------------------------------------------------------------- observation

    def note(self, method: str, path: str, query: Mapping[str, str]) -> None:
        """Record a request."""
        with self.store.changed:
            self.requests.append(Request(method, path, query))
            self.store.changed.notify_all()

    @property
    def open_watches(self) -> int:
        """How many watches are being served."""
        with self.store.changed:
            return len(self.faults.watches)

    def wait_for_request(self, wanted: Callable[[Request], bool], timeout: float = 10.0) -> Request:
        """Wait for the first *wanted* request and return it; :class:`TimeoutError` when none comes."""
        with self.store.changed:
            self.store.changed.wait_for(lambda: any(map(wanted, self.requests)), timeout)
            for request in self.requests:
                if wanted(request):
                    return request
        raise TimeoutError("no such request came")

    def wait_for_watches(self, count: int = 1, timeout: float = 10.0) -> None:
        """Return when *count* watches are open; :class:`TimeoutError` when they are not in time."""
        with self.store.changed:
            if not self.store.changed.wait_for(lambda: len(self.faults.watches) >= count, timeout):
                raise TimeoutError(f"{len(self.faults.watches)} watches are open, not {count}")
