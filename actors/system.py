"""The root process: locks the data directory, runs nats-server and the actor system, and outlives both.

It has no threads and holds no data. It waits for signals and for the ends of processes, asks the Supervisor every
second how things are, and replaces what is gone: nats-server on the same port; the actor system as a whole when its
admin, its logger or the Supervisor ends or does not answer.
"""

from __future__ import annotations

import gc
import logging
import os
import select
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any, Self

from thespian.actors import ActorSystem, ActorSystemException

from actors.messages import ChildSpec, Ping, Status, Stop, Stopped, Supervise
from actors.orphans import Orphans
from actors.outside import Outside
from actors.restarts import Lifeline
from actors.supervisor import Supervisor
from actors.transport import DIRECTORY, ROOT_PID, SYSTEM_BASE, let_go
from kigeon.clock import JumpWatch
from kigeon.config.settings import Settings
from kigeon.errors import StartError
from kigeon.http.child import HttpChild
from kigeon.kube.source import ClusterSource
from kigeon.observability.logs import definitions
from kigeon.observability.recent import FOLDER as RECENT_FOLDER
from kigeon.observability.recent import VARIABLE as RECENT_LOG
from kigeon.operator.admin_socket import AdminSocket, RequestContext
from kigeon.processes import become_subreaper, is_running, kill_descendants, parents, reap, use_few_arenas
from kigeon.queue.broker.address import QueueAddress
from kigeon.queue.broker.liveness import Liveness
from kigeon.queue.broker.process import NatsServer
from kigeon.queue.broker.streams import file_store_bytes
from kigeon.senders.registry import TYPES

log = logging.getLogger(__name__)

TERMINATION_GRACE = 10.0
"""Seconds from a signal to the end: what can be sent by then is sent."""

TICK = 0.2
"""Seconds between two looks while something is due; otherwise signals, descriptors and questions wake the root."""

LOOK_EVERY = 0.005
"""Seconds between two looks at a nats-server that starts."""

PING_EVERY = 1.0
ANSWER_WITHIN = 3.0
START_WITHIN = 15.0
ASK_FOR = 1.0
"""Seconds that one question takes at the start: then signals are looked at."""
_PREFIX = "kigeon-"


def children_of(settings: Settings) -> tuple[ChildSpec, ...]:
    """Return the actors that *settings* ask for, in the order in which events flow."""
    pipeline = (
        ChildSpec("watcher", "actors.watcher.Watcher", pipeline=True),
        ChildSpec("deduplicator", "actors.deduplicator.Deduplicator", pipeline=True),
        ChildSpec("queue", "actors.queue.Queue", pipeline=True),
    )
    senders = (ChildSpec(f"sender/{sender.name}", "actors.sender.Sender", sender=sender) for sender in settings.senders)
    return (*pipeline, *senders)


@dataclass(slots=True)
class RunSpec:
    """What to run. ``observe`` sees every Status; True ends kigeon as a signal would (the demo uses it)."""

    settings: Settings
    cluster: ClusterSource | None
    children: tuple[ChildSpec, ...]
    observe: Callable[[Status], bool] = lambda status: False
    last: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """What every child reported last; filled in while running."""


def run(spec: RunSpec) -> int:
    """Run until SIGTERM or SIGINT; return the exit status. Raises :class:`StartError` when it can't start."""
    become_subreaper()
    use_few_arenas()
    os.environ[ROOT_PID] = str(os.getpid())
    # By default it is a file that anybody may have put into the directory for temporary files.
    os.environ["THESPLOG_FILE"] = str(spec.settings.global_.data_dir.absolute() / "run" / "thespian.log")
    os.environ[RECENT_LOG] = str(spec.settings.global_.data_dir.absolute() / RECENT_FOLDER)
    import_actors(spec.children)
    gc.collect()
    gc.freeze()
    # A page of Events is thousands of dicts and not one cycle: looking for some costs more than reading it.
    gc.set_threshold(50_000, 20, 20)
    store = NatsServer(spec.settings.global_.data_dir, file_store_bytes(spec.settings.queue))
    with Signals() as signals, store as server, HttpChild(spec.settings) as http:
        outside = Outside(spec.settings, http)
        try:
            if not _starts(server, signals, outside):
                return 0
            order = RequestContext(spec.settings, QueueAddress(server.url, server.token), spec.cluster)
            with AdminSocket(order) as admin_socket:
                return Root(spec, server, signals, admin_socket, outside).run()
        finally:
            kill_descendants(os.getpid(), frozenset({server.pid}))


def import_actors(children: Sequence[ChildSpec]) -> None:
    """Import what *children* are made of, before any process forks: they share the memory that this takes."""
    for child in children:
        import_module(child.actor.rpartition(".")[0])
        if child.sender is not None and (kind := TYPES.get(child.sender.type)):
            for module in kind.modules(child.sender.settings):
                import_module(module)


def _starts(server: NatsServer, signals: Signals, outside: Outside) -> bool:
    """Start nats-server; return whether it takes connections: a signal ends the wait for it."""
    server.launch()
    while not (ready := server.look()) and not signals.stops:
        outside.tell()
        signals.wait(LOOK_EVERY)
    return ready


class Signals:
    """SIGTERM and SIGINT, noted; each wakes whoever polls ``descriptor``, as the end of a child does."""

    def __init__(self) -> None:
        self.stops = 0
        self._pipe: tuple[int, int] = (-1, -1)
        self._saved: dict[int, Any] = {}

    @property
    def descriptor(self) -> int:
        """Readable after a signal."""
        return self._pipe[0]

    def __enter__(self) -> Self:
        self._pipe = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(self._pipe[1], warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            self._saved[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *error: object) -> None:
        signal.set_wakeup_fd(-1)
        for number, handler in self._saved.items():
            signal.signal(number, handler)
        for descriptor in self._pipe:
            os.close(descriptor)

    def wait(self, seconds: float, others: Sequence[int] = ()) -> None:
        """Return after a signal, or when one of *others* is readable; at the latest after *seconds*."""
        if self.descriptor in select.select([self.descriptor, *others], [], [], max(seconds, 0.0))[0]:
            os.read(self.descriptor, 4096)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if number != signal.SIGCHLD:
            self.stops += 1


class Root:
    """The loop of the root process."""

    def __init__(
        self, spec: RunSpec, server: NatsServer, signals: Signals, admin_socket: AdminSocket, outside: Outside
    ) -> None:
        self._spec = spec
        self._outside = outside
        self._admin_socket = admin_socket
        self._server = server
        self._signals = signals
        self._system: System | None = None
        self._system_life = Lifeline()
        self._server_life = Lifeline()
        self._server_pulse = Liveness()
        self._pinged_at = 0.0
        self._clock = JumpWatch()
        self._orphans = Orphans()

    def run(self) -> int:
        """Run until told to stop; nats-server is running already."""
        self._server_life.created(time.monotonic())
        while not self._signals.stops:
            self._keep_server()
            self._keep_system()
            self._look_at_the_clock()
            self._tell()
            self._signals.wait(self._idles(), self._descriptors())
            self._admin_socket.answer()
            reap()
        return self._stop()

    def _idles(self) -> float:
        """Return for how many seconds nothing is due, if nothing happens."""
        if self._system is None or not self._system.tells_its_end or not self._server.is_ready:
            return TICK
        now = time.monotonic()
        liveness = max(self._server_pulse.due - now, TICK)
        return min(self._pinged_at + PING_EVERY - now, liveness)

    def _descriptors(self) -> list[int]:
        ends = self._system.ends if self._system is not None else []
        return [*self._admin_socket.descriptors, *self._server_pulse.descriptors, *ends]

    def _tell(self) -> None:
        server, system = self._server, self._system
        self._outside.server(server.is_ready, self._server_life, server.pid if server.is_running else 0)
        self._outside.actors(self._system_life, system.pids if system is not None else ())
        self._outside.tell()

    def _keep_server(self) -> None:
        now = time.monotonic()
        self._await_server()
        if self._server.is_ready and self._server_pulse.is_hung(self._server.port):
            log.error("nats-server does not answer, it is killed", extra={"pid": self._server.pid})
            self._server.stop(patience=0.0)
        if self._server.is_ready:
            self._server_life.answered(now)
        elif not self._server.is_running and self._server_life.due_at is None:
            delay = self._server_life.ended(now)
            log.error("nats-server ended, it is restarted", extra={"delay": delay})
        if self._server_life.is_due(now):
            self._server_life.created(now)
            try:
                self._server.relaunch()
            except StartError as error:
                self._server_fails(error)

    def _look_at_the_clock(self) -> None:
        """Say what a jump costs: nats-server keeps messages by the wall clock, and nobody else does."""
        if jump := self._clock.jumped():
            log.error(
                "the wall clock was set; ahead, it makes nats-server evict what waits as if it were that much older",
                extra={"seconds": round(jump), "eventsMaxAge": self._spec.settings.queue.events_max_age},
            )

    def _await_server(self) -> None:
        """Look at a server that is starting; nobody waits for it, it may take minutes to recover its store."""
        if self._server.is_starting:
            try:
                self._server.look()
            except StartError as error:
                self._server_fails(error)
            self._server_pulse.forget()

    def _server_fails(self, error: StartError) -> None:
        log.error("nats-server can't be restarted", extra={"error": str(error)})
        self._outside.server_fails(str(error))

    def _keep_system(self) -> None:
        now = time.monotonic()
        if self._system is not None and not self._system.is_alive():
            self._tear_down("a process that it needs has ended")
        elif self._system is not None and now - self._pinged_at >= PING_EVERY:
            self._pinged_at = now
            status = self._system.ping(ANSWER_WITHIN)
            if status is None:
                self._tear_down("the Supervisor does not answer")
            else:
                self._system_life.answered(now)
                self._heed(status)
                self._orphans.end([*self._spared(), *self._admin_socket.answering, *self._system.pids])
        if self._system is None and self._system_life.is_due(now) and not self._signals.stops:
            self._build(now)

    def _heed(self, status: Status) -> None:
        self._spec.last = status.children
        self._outside.children(status.children)
        self._spec.children = tuple(
            replace(spec, script=status.scripts.get(spec.name, spec.script)) for spec in self._spec.children
        )
        log.debug("status", extra={"children": status.children})
        # One that is recovering its store can't store yet: ended now, it would have to begin anew.
        if status.broker_failing and self._server.is_ready:
            log.error("nats-server does not store, it is restarted", extra={"reason": status.broker_failing})
            self._outside.server_fails(status.broker_failing)
            self._server.stop()
        if self._spec.observe(status):
            self._signals.stops += 1

    def _tear_down(self, reason: str) -> None:
        if self._system is not None:
            self._system.tear_down(self._spared())
            self._system = None
        self._outside.actors_fail(reason)
        delay = self._system_life.ended(time.monotonic())
        log.error("the actor system is built again", extra={"reason": reason, "delay": delay})

    def _build(self, now: float) -> None:
        self._system_life.created(now)
        address = QueueAddress(self._server.url, self._server.token)
        order = Supervise(self._spec.settings, address, self._spec.cluster, self._spec.children)
        self._system = System(
            order, self._spec.settings.global_.data_dir / "run" / "sockets", lambda: bool(self._signals.stops)
        )
        self._pinged_at = time.monotonic()

    def _stop(self) -> int:
        log.info("stopping", extra={"grace": TERMINATION_GRACE})
        self._outside.stops()
        if self._system is not None:
            report = self._system.stop(TERMINATION_GRACE, self._hurries)
            self._spec.last = report or self._spec.last
            self._system.tear_down(self._spared())
        self._server.stop()
        log.info("stopped")
        return 0

    def _hurries(self) -> bool:
        """Whether a second signal came while kigeon stops."""
        self._outside.tell()
        return self._signals.stops > 1

    def _spared(self) -> frozenset[int]:
        """Return what goes on while the actor system is built again."""
        return frozenset({self._server.pid, self._outside.pid} - {0})


class System:
    """One actor system with its Supervisor, its sockets in a private directory.

    ``note`` is a file that remembers the directory, for the next kigeon to remove after a crash. The constructor waits
    for the Supervisor's first Status, unless *hurry* returns true.
    """

    def __init__(self, order: Supervise, note: Path, hurry: Callable[[], bool]) -> None:
        self._order = order
        self._nonce = 0
        self._pids: tuple[int, ...] = ()
        self.ends: list[int] = []
        """Descriptors that are readable when one of these processes has ended."""
        self._directory = _fresh_directory(note)
        self._actors: ActorSystem | None = None
        try:
            capabilities = {DIRECTORY: self._directory}
            logs = definitions(order.settings.global_.log_format)
            self._actors = ActorSystem(SYSTEM_BASE, capabilities, logs, transientUnique=True)
            self._supervisor = self._actors.createActor(Supervisor)
            self._actors.tell(self._supervisor, order)
            status = self._first_answer(hurry)
        except (ActorSystemException, OSError) as error:
            log.error("the actor system does not start", extra={"error": repr(error)})
            return
        if status is not None:
            self._pids = _thespians(status.pid)
            with suppress(OSError):
                self.ends += map(os.pidfd_open, self._pids)

    def _first_answer(self, hurry: Callable[[], bool]) -> Status | None:
        deadline = time.monotonic() + START_WITHIN
        while (asked := time.monotonic()) < deadline and not hurry():
            status = self.ping(ASK_FOR)
            # Only where nobody is there to give an answer does none come before the time is up.
            if status is not None or time.monotonic() - asked < ASK_FOR * 0.9:
                return status
        return None

    @property
    def pids(self) -> tuple[int, ...]:
        """The Supervisor, the admin and the logger; none before the Supervisor has answered."""
        return self._pids

    @property
    def tells_its_end(self) -> bool:
        """Whether the end of each of its processes makes one of :attr:`ends` readable: not every kernel can."""
        return len(self.ends) == len(self._pids)

    def is_alive(self) -> bool:
        """Whether the admin, the logger and the Supervisor are there."""
        if self._pids and self.tells_its_end:
            return not select.select(self.ends, [], [], 0)[0]
        return bool(self._pids) and all(is_running(pid) for pid in self._pids)

    def ping(self, within: float) -> Status | None:
        """Ask the Supervisor how things are; None without an answer *within* seconds."""
        if self._actors is None:
            return None
        self._nonce += 1
        deadline = time.monotonic() + within
        answer = self._actors.ask(self._supervisor, Ping(self._nonce), within)
        while answer is not None and time.monotonic() < deadline:
            if isinstance(answer, Status) and answer.nonce == self._nonce:
                if not answer.children:
                    # It knows of none: what it was told to run was lost on the way.
                    self._actors.tell(self._supervisor, self._order)
                return answer
            answer = self._actors.listen(deadline - time.monotonic())
        return None

    def stop(self, grace: float, hurry: Callable[[], bool]) -> Mapping[str, Mapping[str, Any]] | None:
        """Have the actors finish within *grace* seconds, less when in a *hurry*; return their last reports."""
        if not self.is_alive() or self._actors is None:
            return None
        deadline = time.monotonic() + grace
        self._actors.tell(self._supervisor, Stop(grace - 0.5))
        # When one of them ends meanwhile there is nobody to wait for.
        while time.monotonic() < deadline and not hurry() and self.is_alive():
            answer = self._actors.listen(0.1)
            if isinstance(answer, Stopped):
                return answer.report
        log.warning("not everything finished in time; what was not sent is sent after the next start")
        return None

    def tear_down(self, spared: frozenset[int]) -> None:
        """End every process below this one but *spared*, and remove the sockets."""
        kill_descendants(os.getpid(), spared)
        self._actors = None
        let_go()
        while self.ends:
            os.close(self.ends.pop())
        shutil.rmtree(self._directory, ignore_errors=True)


def _fresh_directory(note: Path) -> str:
    """Make a private directory with a short path (a socket's has at most 107 bytes), and remove its forerunner."""
    directory = tempfile.mkdtemp(prefix=_PREFIX, dir=_place_of(note))
    try:
        forerunner = Path(note.read_text()) if note.exists() else Path()
        if forerunner.name.startswith(_PREFIX):
            shutil.rmtree(forerunner, ignore_errors=True)
        note.write_text(directory)
    except OSError as error:
        log.warning("the directory of sockets can't be noted", extra={"error": str(error)})
    return directory


def _place_of(note: Path) -> str:
    """Return where the directory is made: beside *note* where there is nothing for temporary files but here."""
    temporary = tempfile.gettempdir()
    here = temporary == str(Path.cwd()) and "TMPDIR" not in os.environ
    return str(note.parent.absolute()) if here else temporary


def _thespians(supervisor: int) -> tuple[int, ...]:
    """Return the processes that the actor system can't do without: the Supervisor, the admin and its logger."""
    tree = parents()
    admin = tree.get(supervisor, 0)
    return (supervisor, admin, *(pid for pid, parent in tree.items() if parent == admin and pid != supervisor))
