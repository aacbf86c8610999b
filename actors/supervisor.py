"""The Supervisor: creates the actors, watches them, replaces those that fail; it holds no data.

What it does is decided elsewhere: epochs (:mod:`actors.epochs`), the actors of roles, where there are other replicas
(:mod:`actors.role_actors`), the end (:mod:`actors.stopping`), restarts (:mod:`actors.restarts`). It makes, tells and
kills the children (:mod:`actors.children`), and wakes when something is due.
"""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from thespian.actors import ChildActorExited, WakeupMessage

from actors.acts import Acts, Tell
from actors.base import KigeonActor
from actors.children import Child, Children
from actors.epochs import Epochs
from actors.host import Host
from actors.imports import import_actors
from actors.messages import (
    BrokerFailing,
    Ping,
    Pong,
    Resync,
    Standing,
    Start,
    Status,
    Stop,
    Stopped,
    Supervise,
)
from actors.pings import PING_EVERY, PING_OFTEN, Pings
from actors.role_actors import RoleActors
from actors.roles import MEMBERSHIP, Roles
from actors.stopping import Stopping
from kigeon.clock import boot_time
from kigeon.observability.logs import configure
from kigeon.processes import is_running, kill

log = logging.getLogger(__name__)

LOOK_INTERVAL = 0.1
"""Seconds between two looks at the children while something is due."""


class Supervisor(KigeonActor):
    """Begins with ``Supervise``; answers ``Ping`` with ``Status``; ``Stop`` stops the children as the events flow."""

    def __init__(self, capabilities: Mapping[str, Any] | None = None) -> None:
        super().__init__(capabilities)
        self._plan: Supervise | None = None
        self._stopping: Stopping | None = None
        self._broker_failing = ""
        self._wakes_at = math.inf
        self._looks = 0
        self._pings = Pings()
        self._children = Children()
        self._roles = Roles()
        self._role_actors = RoleActors(self._children, self._roles)
        self._epochs = Epochs(self._children)

    def receiveMsg_Supervise(self, message: Supervise, sender: Any) -> None:
        """Create the children and begin to watch them."""
        if self._plan is not None:
            return
        settings = message.settings.global_
        configure(settings.log_level, settings.log_format, context={"actor": self.name})
        self._plan = message
        self._pings.every = PING_OFTEN if settings.log_level == "debug" else PING_EVERY
        self._roles.replica = message.replica
        self._children.know(message.children)
        for spec in message.children if message.replica is None else (MEMBERSHIP,):
            self._children.add(spec)
        self._look()

    def receiveMsg_WakeupMessage(self, message: WakeupMessage, sender: Any) -> None:
        """Look at the children again, unless an earlier look was asked for since."""
        if message.payload == self._looks:
            self._wakes_at = math.inf
            self._look()

    def receiveMsg_Ping(self, message: Ping, sender: Any) -> None:
        """Tell how every child fares; the root asks every second."""
        failing, self._broker_failing = self._broker_failing, ""
        told = self._children.status(), failing, self._children.scripts(), self._plan is not None
        is_spent = self._roles.is_spent(bool(self._children.working), time.monotonic())
        self.send(sender, Status(message.nonce, os.getpid(), *told, is_spent))

    def receiveMsg_Pong(self, message: Pong, sender: Any) -> None:
        """Note a child's sign of life."""
        child, now = self._children.get(message.name), time.monotonic()
        if child is not None and child.pid == message.pid and child.answered(message, sender, now):
            log.info("started", extra={"actor": message.name, "pid": message.pid})
            self._do(self._epochs.begin(now))

    def receiveMsg_Standing(self, message: Standing, sender: Any) -> None:
        """Run the actors of the roles that this replica holds, and no others."""
        membership = self._children.membership
        if membership is not None and sender == membership.address:
            self._end_what_is_over()
            if self._roles.note(message):
                self._follow()
            self._look()

    def receiveMsg_ChildActorExited(self, message: ChildActorExited, sender: Any) -> None:
        """Have the child replaced. Thespian may tell the same end twice."""
        self._replace(self._children.pid_of(message.childAddress), "it ended")

    def receiveMsg_Resync(self, message: Resync, sender: Any) -> None:
        """Begin an epoch, unless one has begun since."""
        if self._epochs.resync(message.epoch):
            log.warning("the pipeline begins a new epoch", extra={"reason": message.reason})
            self._do(self._epochs.begin(time.monotonic()))
            self._look_within(LOOK_INTERVAL)

    def receiveMsg_BrokerFailing(self, message: BrokerFailing, sender: Any) -> None:
        """Keep it for the root's next Ping."""
        self._broker_failing = message.reason

    def receiveMsg_Stop(self, message: Stop, sender: Any) -> None:
        """Stop the children: what works first, then what takes part among the replicas."""
        self._stopping = Stopping(sender, time.monotonic() + message.grace, self._children, self._roles)
        self._do(self._stopping.leave())
        self._stop_next()

    def receiveMsg_Stopped(self, message: Stopped, sender: Any) -> None:
        """Go on with the next child."""
        child = self._children.get(message.name)
        if child is not None:
            child.stopped = True
            child.report = dict(message.report) or child.report
        self._do(self._role_actors.hand_over(boot_time()))
        self._stop_next()

    def _look(self) -> None:
        """Do what is due, and see to it that this is called again when something else is."""
        self._end_what_is_over()
        self._do(self._role_actors.hand_over(boot_time()))
        if self._roles.replica is not None:
            self._stop_next()
        now = time.monotonic()
        for child in self._children:
            if child in self._children:  # The Membership's end ends others.
                self._look_at(child, now)
        if self._stopping is None:
            self._do(self._epochs.repeat(now))
        is_busy = self._children.are_beginning or self._roles.is_busy or self._epochs.is_busy
        if asks := self._pings.ask(self._children, now, is_busy):
            self._do([*asks, *self._role_actors.failing()])
        # The Membership needs no lease.
        over = now + self._roles.until - boot_time() if self._children.working else math.inf
        self._look_within(LOOK_INTERVAL if is_busy else min(self._pings.due_at, over, self._children.hangs_at) - now)

    def _look_at(self, child: Child, now: float) -> None:
        """Create, kill or replace *child*, where that is due."""
        if self._stopping is None and child.life.is_due(now) and self._roles.may_begin(child.spec):
            self._create(child, now)
        elif child.life.is_hung(now):
            log.error("an actor does not answer, it is killed", extra={"actor": child.spec.name, "pid": child.pid})
            kill(child.pid)
            self._replace(child.pid, "it did not answer")
        elif child.pid and not child.ready and not is_running(child.pid):
            self._replace(child.pid, "it ended before it began")

    def _look_within(self, seconds: float) -> None:
        """Look in so many *seconds*, if not earlier; what was asked for before is void then."""
        at = time.monotonic() + max(seconds, 0.001)
        if at < self._wakes_at:
            self._wakes_at, self._looks = at, self._looks + 1
            self.wakeupAfter(at - time.monotonic(), self._looks)

    def _create(self, child: Child, now: float) -> None:
        assert self._plan is not None, "children come with the plan"  # noqa: S101 - for the types
        plan = self._plan
        child.created(now, *self._process_for(child))
        self._look_within(LOOK_INTERVAL)
        until, queue = self._roles.until if child.role else math.inf, self._roles.by_way_of(plan.queue)
        self.send(child.address, Start(child.spec, plan.settings, queue, plan.cluster, until, self._roles.replica))
        self.send(child.address, Ping(0))

    def _process_for(self, child: Child) -> tuple[Any, int]:
        """Return the address and the id of a new process for *child*, or of one that it shares."""
        if (beside := self._children.beside(child)) is not None:
            return beside.process, beside.pid
        module, _, name = child.spec.actor.rpartition(".")
        address = self.createActor(Host if child.spec.pipeline else getattr(import_module(module), name))
        # Thespian (4.0.1) has forked it by now. One that dies before it has connected back is told by nobody.
        return address, self._myRef._child_procs[-1].childProc.pid

    def _replace(self, pid: int, reason: str) -> None:
        """Have others take the places of those that lived in a process that has ended."""
        ended, now = self._children.of_process(pid), time.monotonic()
        for child in ended:
            self._note_end(child, reason, now)
        self._stop_next()
        for child in ended:
            if self._stopping is None and child.life.is_due(now) and self._roles.may_begin(child.spec):
                self._create(child, now)

    def _note_end(self, child: Child, reason: str, now: float) -> None:
        if child.spec == MEMBERSHIP:
            self._do(self._role_actors.lose_membership(child.pid))
        delay = child.ended(now)
        self._look_within(LOOK_INTERVAL)
        if self._stopping is not None:
            child.stopped = True
            return
        log.warning(
            "an actor is replaced",
            extra={"actor": child.spec.name, "reason": reason, "delay": delay, "restarts": child.life.restarts},
        )
        if child.spec.pipeline:
            self._epochs.demand()

    def _follow(self) -> None:
        """Do as the new standing says: end the actors of roles that are lost, add those of roles that were taken."""
        self._do(self._role_actors.follow())
        new = self._role_actors.missing()
        loaded = [*new, *self._role_actors.expected()]
        if loaded and self._stopping is None:
            # It takes a second, for the first time.
            import_actors(loaded)
        for spec in new:
            self._children.add(spec)
            if spec.pipeline:
                self._epochs.demand()
        if self._stopping is not None:
            self._do(self._stopping.leave())

    def _end_what_is_over(self) -> None:
        """Kill what may go on no longer, and see which processes are gone that were killed."""
        for pid in self._roles.ending:
            if not is_running(pid):
                self._roles.ended(pid)
        if self._role_actors.are_over(boot_time()):
            working = len(self._children.working)
            log.error(
                "the lease was not renewed in time, the actors that need it are killed", extra={"actors": working}
            )
            self._do(self._role_actors.end_all())

    def _stop_next(self) -> None:
        if self._stopping is not None:
            self._do(self._stopping.go_on(self.name, time.monotonic()))

    def _do(self, acts: Acts) -> None:
        for act in acts:
            if isinstance(act, Tell):
                self.send(act.address, act.message)
            else:
                kill(act.pid)
