"""The root process: locks the data directory, runs nats-server and the actor system, and outlives both.

It has no threads and holds no data. It waits for signals and for the ends of processes, asks the Supervisor every
second how things are, and replaces what is gone: nats-server (:mod:`actors.keeping`); the actor system as a whole when
its admin or the Supervisor ends or does not answer.
"""

from __future__ import annotations

import logging
import time
from dataclasses import replace

from actors.actor_system import System
from actors.keeping import KeptServer
from actors.messages import Status, Supervise
from actors.orphans import Orphans
from actors.outside import Outside
from actors.restarts import Lifeline
from actors.roles import MEMBERSHIP
from actors.signals import Signals
from actors.spec import RunSpec
from kigeon.clock import JumpWatch
from kigeon.observability.latest import without_latest
from kigeon.operator.admin_socket import AdminSocket
from kigeon.processes import is_running, reap

log = logging.getLogger(__name__)

TERMINATION_GRACE = 10.0
"""Seconds from a signal to the end: what can be sent by then is sent."""

LOOK_INTERVAL = 0.2
"""Seconds between two looks while something is due; otherwise signals, descriptors and questions wake the root."""

PING_EVERY = 1.0
ANSWER_WITHIN = 3.0


class Root:
    """The loop of the root process."""

    def __init__(
        self, spec: RunSpec, server: KeptServer, signals: Signals, admin_socket: AdminSocket, outside: Outside
    ) -> None:
        self._spec = spec
        self._outside = outside
        self._admin_socket = admin_socket
        self._server = server
        self._signals = signals
        self._system: System | None = None
        self._system_life = Lifeline()
        self._pinged_at = 0.0
        self._clock = JumpWatch()
        self._orphans = Orphans()

    def run(self) -> int:
        """Run until told to stop; the queue is there already."""
        while not self._signals.stops:
            self._server.keep()
            self._keep_system()
            self._look_at_the_clock()
            self._tell()
            self._signals.wait(self._idles(), self._descriptors())
            self._admin_socket.answer()
            reap()
        return self._stop()

    def _idles(self) -> float:
        """Return for how many seconds nothing is due, if nothing happens."""
        if self._system is None or not self._system.tells_its_end:
            return LOOK_INTERVAL
        return min(self._pinged_at + PING_EVERY - time.monotonic(), self._server.idles)

    def _descriptors(self) -> list[int]:
        ends = self._system.ends if self._system is not None else []
        return [*self._admin_socket.descriptors, *self._server.descriptors, *ends]

    def _tell(self) -> None:
        system = self._system
        self._server.tell()
        self._outside.actors(self._system_life, system.pids if system is not None else ())
        self._outside.tell()

    def _look_at_the_clock(self) -> None:
        """Say what a jump costs: nats-server keeps messages by the wall clock, and nobody else does."""
        if jump := self._clock.jumped():
            log.error(
                "the wall clock was set; ahead, it makes nats-server evict what waits as if it were that much older",
                extra={"seconds": round(jump), "eventsMaxAge": self._spec.settings.queue.events_max_age},
            )

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
                if status.is_spent and not any(map(is_running, self._admin_socket.answering)):
                    self._renew(status)
        if self._system is None and self._system_life.is_due(time.monotonic()) and not self._signals.stops:
            self._build(now)

    def _heed(self, status: Status) -> None:
        self._spec.last = status.children
        self._outside.children(status.children)
        self._spec.children = tuple(
            replace(spec, script=status.scripts.get(spec.name, spec.script)) for spec in self._spec.children
        )
        log.debug("status", extra={"children": without_latest(status.children)})
        self._server.heed(status)
        if self._spec.observe(status):
            self._signals.stops += 1

    def _renew(self, status: Status) -> None:
        """Build the actor system anew: what its processes once needed for a role they can't give back."""
        log.info("no role is held here any more, the actor system begins anew to give memory back")
        lease = status.children.get(MEMBERSHIP.name, {}).get("id")
        if self._spec.replica is not None and lease:
            self._spec.replica = replace(self._spec.replica, id=lease)
        self._dismantle()
        self._system_life.renewed(time.monotonic())

    def _dismantle(self) -> None:
        if self._system is not None:
            self._system.tear_down(self._spared())
            self._system = None

    def _tear_down(self, reason: str) -> None:
        self._dismantle()
        self._outside.actors_fail(reason)
        delay = self._system_life.ended(time.monotonic())
        log.error("the actor system is built again", extra={"reason": reason, "delay": delay})

    def _build(self, now: float) -> None:
        self._system_life.created(now)
        spec = self._spec
        order = Supervise(spec.settings, self._server.address, spec.cluster, spec.children, spec.replica)
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
        """Tell what is new, as :meth:`run` does, and return whether a second signal came while kigeon stops."""
        self._outside.tell()
        return self._signals.stops > 1

    def _spared(self) -> frozenset[int]:
        """Return what goes on while the actor system is built again."""
        return frozenset({self._server.pid, self._outside.pid} - {0})
