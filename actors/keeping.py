"""How the root fares with what keeps the queue: its own nats-server, which it replaces, or a JetStream elsewhere.

:class:`EmbeddedServer` and :class:`ExternalServer` are asked alike: :meth:`keep` does what is due, :attr:`idles` says
for how long nothing is, :meth:`heed` is told what the actors tell.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from actors.messages import Status
from actors.outside import Outside
from actors.restarts import Lifeline
from actors.roles import MEMBERSHIP
from kigeon.config.settings import ExternalQueue
from kigeon.errors import StartError
from kigeon.queue.broker.address import QueueAddress, external_address
from kigeon.queue.broker.liveness import Liveness
from kigeon.queue.broker.lock import DirectoryLock, unusable
from kigeon.queue.broker.mark import holds_queue, refuse_moved
from kigeon.queue.broker.process import NatsServer

log = logging.getLogger(__name__)

LOOK_INTERVAL = 0.2
"""Seconds between two looks at a server that is not there."""


class KeptServer(Protocol):
    """What the root asks of either."""

    @property
    def address(self) -> QueueAddress:
        """Where the queue is."""

    @property
    def pid(self) -> int:
        """The process of nats-server, 0 where there is none."""

    @property
    def idles(self) -> float:
        """For how many seconds nothing is due, if nothing happens."""

    @property
    def descriptors(self) -> list[int]:
        """What is readable when something happens."""

    def start(self, wait: Callable[[], bool]) -> bool:
        """Start; return whether it is there, *wait* being called until it says that it is in vain."""

    def keep(self) -> None:
        """Do what is due."""

    def heed(self, status: Status) -> None:
        """Note what the actors tell of the queue."""

    def tell(self) -> None:
        """Tell :class:`Outside` how it fares."""

    def stop(self) -> None:
        """End it."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class EmbeddedServer:
    """nats-server as a child, on the same port again whenever it was replaced."""

    def __init__(self, server: NatsServer, outside: Outside) -> None:
        self._server = server
        self._outside = outside
        self._life = Lifeline()
        self._liveness = Liveness()

    def __enter__(self) -> Self:
        self._server.__enter__()
        try:
            refuse_moved(self._server.data_dir)
        except StartError as error:
            self._server.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.__exit__(kind, error, trace)

    @property
    def address(self) -> QueueAddress:
        """Where it listens."""
        return self._server.address

    @property
    def pid(self) -> int:
        """Its process."""
        return self._server.pid

    @property
    def idles(self) -> float:
        """Until it is looked at next."""
        return max(self._liveness.due - time.monotonic(), LOOK_INTERVAL) if self._server.is_ready else LOOK_INTERVAL

    @property
    def descriptors(self) -> list[int]:
        """What its greeting comes by."""
        return self._liveness.descriptors

    def start(self, wait: Callable[[], bool]) -> bool:
        """Start it; return whether it takes connections."""
        self._server.launch()
        while not (ready := self._server.look()) and wait():
            pass
        self._life.created(time.monotonic())
        return ready

    def keep(self) -> None:
        """Replace it when it has ended or hangs."""
        now = time.monotonic()
        self._await()
        if self._server.is_ready and self._liveness.is_hung(self._server.port):
            log.error("nats-server does not answer, it is killed", extra={"pid": self._server.pid})
            self._server.stop(patience=0.0)
        if self._server.is_ready:
            self._life.answered(now)
        elif not self._server.is_running and self._life.due_at is None:
            delay = self._life.ended(now)
            log.error("nats-server ended, it is restarted", extra={"delay": delay})
        if self._life.is_due(now):
            self._life.created(now)
            try:
                self._server.relaunch()
            except StartError as error:
                self._fails(error)

    def heed(self, status: Status) -> None:
        """Have it restarted where it does not store."""
        # One that is recovering its store can't store yet: ended now, it would have to begin anew.
        if status.broker_failing and self._server.is_ready:
            log.error("nats-server does not store, it is restarted", extra={"reason": status.broker_failing})
            self._outside.server_fails(status.broker_failing)
            self._server.stop()

    def tell(self) -> None:
        """Tell whether it takes connections."""
        server = self._server
        self._outside.server(server.is_ready, self._life, server.pid if server.is_running else 0)

    def stop(self) -> None:
        """End it."""
        self._server.stop()

    def _await(self) -> None:
        """Look at a server that is starting; nobody waits for it, it may take minutes to recover its store."""
        if self._server.is_starting:
            try:
                self._server.look()
            except StartError as error:
                self._fails(error)
            self._liveness.forget()

    def _fails(self, error: StartError) -> None:
        log.error("nats-server can't be restarted", extra={"error": str(error)})
        self._outside.server_fails(str(error))


class ExternalServer:
    """A JetStream that others keep. Within it the data directory is locked, which holds nothing durable then.

    How it fares is what the Queue tells, which is connected to it; where nothing runs that could tell, nothing changes.
    """

    def __init__(self, data_dir: Path, external: ExternalQueue, outside: Outside) -> None:
        self._data_dir = data_dir
        self._run = data_dir / "run"
        self._lock = DirectoryLock(data_dir)
        self._outside = outside
        self._life = Lifeline()
        self._problem = "nothing is known of it yet"
        self.address = external_address(external)
        self.pid = 0
        self.idles = 3600.0
        self.descriptors: list[int] = []

    def __enter__(self) -> Self:
        self._lock.__enter__()
        try:
            self._run.mkdir(exist_ok=True)
        except OSError as error:
            raise unusable(self._run.parent, error) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.__exit__(kind, error, trace)

    def start(self, wait: Callable[[], bool]) -> bool:
        """Whoever connects waits for it."""
        if holds_queue(self._data_dir):
            log.warning(
                "the data directory holds a queue, which is not used with queue.url",
                extra={
                    "dataDir": str(self._data_dir),
                    "cure": "move it with `kigeon move --to external`, or delete it",
                },
            )
        return True

    def keep(self) -> None:
        """Others do."""

    def heed(self, status: Status) -> None:
        """Note what the Queue tells, or what keeps the lease, where the Queue runs elsewhere."""
        teller = status.children.get("queue") or status.children.get(MEMBERSHIP.name, {})
        told = teller.get("queueProblem")
        if told is not None:
            self._problem = told

    def tell(self) -> None:
        """Tell whether it answers, and what is wrong where it does not."""
        self._outside.server(not self._problem, self._life, 0)
        self._outside.server_fails(self._problem)

    def stop(self) -> None:
        """It goes on without kigeon."""


def kept_server(data_dir: Path, external: ExternalQueue | None, most_bytes: int, outside: Outside) -> KeptServer:
    """Return what keeps the queue of a configuration; *most_bytes* is the embedded server's limit."""
    if external is not None:
        return ExternalServer(data_dir, external, outside)
    return EmbeddedServer(NatsServer(data_dir, most_bytes), outside)
