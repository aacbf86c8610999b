"""The stand-in as a test sees it: what it holds, what it was told, how it is to behave."""

from __future__ import annotations

import re
import ssl
import time
from base64 import b64decode
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Condition, Event, Thread
from typing import Self

import orjson

from tests.support.loki.distributor import Distributor
from tests.support.loki.http import Handler, Server
from tests.support.loki.ingester import Ingester
from tests.support.loki.limits import Limits
from tests.support.loki.lines import Line, Push, Refused, Stream
from tests.support.loki.request import Malformed, parse, tenant_of


class Loki:
    """A context manager. ``lines`` is what is held; a repeat of a held line is dropped and counted in ``repeats``.

    ``limits`` are those of each tenant that has none of its own in ``overrides``.
    """

    def __init__(self, certificate: tuple[Path, Path] | None = None) -> None:
        self.changed = Condition()
        self.held: dict[Line, None] = {}
        self.repeats = 0
        self.pushes: list[Push] = []
        self.malformed: list[str] = []
        self.body_limit = 100 * 1024 * 1024
        self.limits = Limits()
        self.overrides: dict[str, Limits] = {}
        self.clock: Callable[[], float] = time.time
        """Seconds of the epoch: for ages, and for rates."""
        self.credentials: tuple[str, str] | None = None
        self.refuse: Callable[[Line], bool] = lambda line: False
        self.always: Callable[[str], int] = lambda tenant: 0
        """The status for each push of a tenant; 0: as Loki would."""
        self.cut_before = 0
        self.cut_after = 0
        self.answering = Event()
        self.answering.set()
        self._distributor = Distributor()
        self._ingester = Ingester()
        self._answers: deque[tuple[int, str, int | None]] = deque()
        handler = type("BoundHandler", (Handler,), {"loki": self})
        self._server = Server(("127.0.0.1", 0), handler)
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
        self.close()

    def close(self) -> None:
        """Let go of the socket, where it was not entered."""
        self._server.server_close()

    def answer_next(self, count: int, status: int, body: str = "", retry_after: int | None = None) -> None:
        """Answer the next *count* pushes with *status*, and store nothing of them."""
        with self.changed:
            self._answers.extend([(status, body, retry_after)] * count)

    def restart(self, keep: bool = True) -> None:
        """Have each stream new again, asked for its limit, with no line to lie behind.

        Without *keep* what was held is gone as well: it was in the memory of an ingester that has no write-ahead log.
        """
        with self.changed:
            self._ingester = Ingester()
            if not keep:
                self.held.clear()

    def wait_for(self, enough: Callable[..., bool] | int, timeout: float = 30.0) -> list[Line]:
        """Return what is held once it is *enough* (a number of lines, or what a function says)."""

        def is_enough() -> bool:
            return len(self.held) >= enough if isinstance(enough, int) else enough(list(self.held))

        with self.changed:
            if not self.changed.wait_for(is_enough, timeout):
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

    def take(self, header: str, headers: Mapping[str, str], body: bytes) -> tuple[int, str, int | None]:
        """Store a push; return status, text and Retry-After."""
        count, retry_after = 0, None
        try:
            self._check_credentials(headers)
            tenant = tenant_of(header)
            if len(body) > self.body_limit:
                raise Refused(413, "request body too large")
            streams = parse(tenant, headers, body)
            count = sum(len(stream.lines) for stream in streams)
            with self.changed:
                told = self._answers.popleft() if self._answers else (self.always(tenant), "told to", None)
            if told[0] and told[0] != 204:
                retry_after = told[2]
                raise Refused(told[0], told[1])
            status, text = 204, ""
            self._store(tenant, streams)
        except Refused as refused:
            status, text = refused.status, str(refused)
            if isinstance(refused, Malformed):
                self.malformed.append(f"{text}: {body[:200]!r}")
        with self.changed:
            self.pushes.append(Push(time.monotonic(), header, count, len(body), headers, status))
            self.changed.notify_all()
        return status, text, retry_after

    def _check_credentials(self, headers: Mapping[str, str]) -> None:
        if self.credentials is None:
            return
        given = b64decode(headers.get("Authorization", "").removeprefix("Basic ")).decode()
        if given != ":".join(self.credentials):
            raise Refused(401, "no org id")

    def _store(self, tenant: str, streams: list[Stream]) -> None:
        """Hold what distributor and ingester take; raise :class:`Refused` where Loki's answer is no 204."""
        with self.changed:
            limits, now = self.overrides.get(tenant, self.limits), self.clock()
            # So Loki calls whoever says nothing, where it asks for no tenant.
            name = tenant or "fake"
            good, answer = self._distributor.check(name, streams, limits, self.refuse, now)
            # What an ingester says hides what the distributor found.
            answer = self._ingester.push(name, good, limits, self._hold, now) or answer
        if answer is not None:
            raise answer

    def _hold(self, line: Line) -> None:
        if line in self.held:
            self.repeats += 1
        else:
            self.held[line] = None
