"""The Supervisor: creates the actors, watches them, replaces those that fail; it holds no data.

Watcher, Deduplicator and Queue share an epoch: whenever one of them is replaced or asks for it, and all three are
there, a new one begins.

Where there are other replicas, only the actors of the roles run that this replica holds (:mod:`actors.roles`). They are
killed when their role is lost, or the lease is not renewed in time; they finish first when the role is given back.
"""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Any

from thespian.actors import ChildActorExited, WakeupMessage

from actors.base import KigeonActor
from actors.imports import import_actors
from actors.messages import (
    BrokerFailing,
    ChildSpec,
    Connect,
    Failing,
    Leave,
    Ping,
    Pong,
    Resync,
    RoleStopped,
    Standing,
    Start,
    Status,
    Stop,
    Stopped,
    Supervise,
    Tenured,
)
from actors.restarts import Lifeline
from actors.roles import MEMBERSHIP, Roles, role_of
from kigeon.clock import boot_time
from kigeon.observability.logs import configure
from kigeon.processes import is_running, kill

log = logging.getLogger(__name__)

LOOK_INTERVAL = 0.1
"""Seconds between two looks at the children while something is due."""

PING_EVERY = 2.0
PING_OFTEN = 0.5
"""Seconds between two questions to each child. While something begins they are asked often; at debug always, since
their reports are logged and are to be fresh."""

OWED = 2.0
"""Seconds after which a loop that does not answer hangs."""

END_WITHIN = 1.5
"""Seconds for a lease to be ended at the end; otherwise it runs out."""

CONNECT_AGAIN = 2.0
"""Seconds for an epoch to begin; then its beginning is repeated."""


@dataclass(slots=True)
class Child:
    """One child: what it is, where it is, how it fares."""

    spec: ChildSpec
    life: Lifeline = field(default_factory=Lifeline)
    address: Any = None
    pid: int = 0
    ready: bool = False
    report: dict[str, Any] = field(default_factory=dict)
    told: bool = False
    """Whether it was told to stop."""
    stopped: bool = False


class Supervisor(KigeonActor):
    """Begins with ``Supervise``; answers ``Ping`` with ``Status``; ``Stop`` stops the children as the events flow."""

    def __init__(self, capabilities: Mapping[str, Any] | None = None) -> None:
        super().__init__(capabilities)
        self._children: dict[str, Child] = {}
        self._specs: dict[str, ChildSpec] = {}
        self._roles = Roles(None)
        self._plan: Supervise | None = None
        self._epoch = 0
        self._epoch_due = False
        self._connected_at = 0.0
        self._broker_failing = ""
        self._ping_every = PING_EVERY
        self._pinged_at = 0.0
        self._wakes_at = math.inf
        self._looks = 0
        self._nonce = 0
        self._stopping: tuple[Stop, Any, float] | None = None
        self._leaves = False
        """Whether kigeon stops and another replica takes over."""

    def receiveMsg_Supervise(self, message: Supervise, sender: Any) -> None:
        """Create the children and begin to watch them."""
        if self._plan is not None:
            return
        settings = message.settings.global_
        configure(settings.log_level, settings.log_format, context={"actor": self.name})
        self._ping_every = PING_OFTEN if settings.log_level == "debug" else PING_EVERY
        self._plan = message
        self._roles = Roles(message.replica)
        self._specs = {spec.name: spec for spec in message.children}
        first = message.children if message.replica is None else (MEMBERSHIP,)
        self._children = {spec.name: Child(spec) for spec in first}
        self._look()

    def receiveMsg_WakeupMessage(self, message: WakeupMessage, sender: Any) -> None:
        """Look at the children again, unless an earlier look was asked for since."""
        if message.payload == self._looks:
            self._wakes_at = math.inf
            self._look()

    def receiveMsg_Ping(self, message: Ping, sender: Any) -> None:
        """Tell how every child fares; the root asks every second."""
        failing, self._broker_failing = self._broker_failing, ""
        works = any(role_of(child.spec) for child in self._children.values())
        is_planned, is_spent = self._plan is not None, self._roles.is_spent(works, time.monotonic())
        told = self._status(), failing, self._scripts(), is_planned, is_spent
        self.send(sender, Status(message.nonce, os.getpid(), *told))

    def receiveMsg_Pong(self, message: Pong, sender: Any) -> None:
        """Note a child's sign of life; one whose loop hangs gives none."""
        child = self._children.get(message.name)
        if child is None or child.pid != message.pid:
            return
        child.report = dict(message.report)
        if message.script is not None:
            child.spec = replace(child.spec, script=message.script)
        if message.owed < OWED:
            child.life.answered(time.monotonic())
        if not child.ready:
            child.ready, child.address = True, sender
            log.info("started", extra={"actor": message.name, "pid": message.pid})
            self._begin_epoch_if_due()

    def receiveMsg_Standing(self, message: Standing, sender: Any) -> None:
        """Run the actors of the roles that this replica holds, and no others."""
        membership = self._children.get(MEMBERSHIP.name)
        if membership is not None and sender == membership.address:
            self._end_what_is_over()
            if self._roles.note(message):
                self._follow()
            self._look()

    def receiveMsg_ChildActorExited(self, message: ChildActorExited, sender: Any) -> None:
        """Have the child replaced. Thespian may tell the same end twice."""
        for child in list(self._children.values()):
            if child.address is not None and child.address == message.childAddress:
                self._ended(child, "it ended")

    def receiveMsg_Resync(self, message: Resync, sender: Any) -> None:
        """Begin an epoch, unless one has begun since."""
        if message.epoch == self._epoch:
            log.warning("the pipeline begins a new epoch", extra={"reason": message.reason})
            self._epoch_due = True
            self._begin_epoch_if_due()
            self._look_within(LOOK_INTERVAL)

    def receiveMsg_BrokerFailing(self, message: BrokerFailing, sender: Any) -> None:
        """Keep it for the root's next Ping."""
        self._broker_failing = message.reason

    def receiveMsg_Stop(self, message: Stop, sender: Any) -> None:
        """Stop the children: the Watcher first, then what is on the way, then the senders.

        Where another replica can take over, each role is given back as soon as its own actors have finished.
        """
        self._stopping = (message, sender, time.monotonic() + message.grace)
        standing = self._roles.standing
        self._leaves = standing is not None and standing.others > 0
        self._leave()
        self._stop_next()

    def receiveMsg_Stopped(self, message: Stopped, sender: Any) -> None:
        """Go on with the next child."""
        child = self._children.get(message.name)
        if child is not None:
            child.stopped = True
            child.report = dict(message.report) or child.report
        self._hand_over()
        self._stop_next()

    def _look(self) -> None:
        self._end_what_is_over()
        self._hand_over()
        if self._roles.replica is not None:
            self._stop_next()
        now = time.monotonic()
        for child in list(self._children.values()):
            if child.spec.name not in self._children:
                continue  # It was the Membership's end that ended it.
            if self._stopping is None and child.life.is_due(now) and self._roles.may_begin(child.spec):
                self._create(child, now)
            elif child.life.is_hung(now):
                self._kill(child)
            elif child.pid and not child.ready and not is_running(child.pid):
                self._ended(child, "it ended before it began")
        self._connect_again(now)
        is_busy = self._is_busy()
        if now - self._pinged_at >= (PING_OFTEN if is_busy else self._ping_every):
            self._pinged_at = now
            self._ping()
        self._look_within(LOOK_INTERVAL if is_busy else self._next_deadline() - now)

    def _is_busy(self) -> bool:
        """Whether a child begins or is to begin, or an epoch is."""
        begins = any(child.life.due_at is not None or not child.ready for child in self._children.values())
        ends = bool(self._roles.ending or self._roles.giving)
        return begins or ends or (self._epoch_due and self._has_pipeline) or self._begins_epoch()

    @property
    def _has_pipeline(self) -> bool:
        return any(child.spec.pipeline for child in self._children.values())

    def _next_deadline(self) -> float:
        over = time.monotonic() + self._roles.until - boot_time() if len(self._children) > 1 else math.inf
        hangs = (child.life.hangs_at for child in self._children.values())
        return min([self._pinged_at + self._ping_every, over, *hangs])

    def _look_within(self, seconds: float) -> None:
        """Look in so many *seconds*, if not earlier; what was asked for before is void then."""
        at = time.monotonic() + max(seconds, 0.001)
        if at < self._wakes_at:
            self._wakes_at, self._looks = at, self._looks + 1
            self.wakeupAfter(at - time.monotonic(), self._looks)

    def _create(self, child: Child, now: float) -> None:
        assert self._plan is not None, "children come with the plan"  # noqa: S101 - for the types
        plan = self._plan
        module, _, name = child.spec.actor.rpartition(".")
        child.life.created(now)
        child.ready, child.told, child.stopped = False, False, False
        self._look_within(LOOK_INTERVAL)
        child.address = self.createActor(getattr(import_module(module), name))
        # Thespian (4.0.1) has forked it by now. One that dies before it has connected back is told by nobody.
        child.pid = self._myRef._child_procs[-1].childProc.pid
        until = self._roles.until if role_of(child.spec) else math.inf
        queue = self._roles.by_way_of(plan.queue)
        self.send(child.address, Start(child.spec, plan.settings, queue, plan.cluster, until, self._roles.replica))
        self.send(child.address, Ping(0))

    def _ping(self) -> None:
        self._nonce += 1
        self._tell_what_fails()
        settled = time.monotonic() - PING_OFTEN
        for child in self._children.values():
            # A new one was sent a Ping with its Start; another might overtake both.
            if child.life.due_at is None and child.address is not None and child.life.created_at < settled:
                self.send(child.address, Ping(self._nonce))

    def _tell_what_fails(self) -> None:
        """Say of which roles the actors do not keep running, where another replica may hold them instead."""
        membership = self._children.get(MEMBERSHIP.name)
        if membership is not None and membership.address is not None:
            for role in {role_of(child.spec) for child in self._children.values() if child.life.fails} - {""}:
                self.send(membership.address, Failing(role))

    def _kill(self, child: Child) -> None:
        """Kill a child that does not answer."""
        log.error("an actor does not answer, it is killed", extra={"actor": child.spec.name, "pid": child.pid})
        kill(child.pid)
        self._ended(child, "it did not answer")

    def _follow(self) -> None:
        """Do as the new standing says: end the actors of roles that are lost, add those of roles that were taken."""
        standing = self._roles.standing
        for child in list(self._children.values()):
            if not self._roles.may_go_on(child.spec):
                self._drop(child)
            elif child.address is not None and role_of(child.spec):
                self.send(child.address, Tenured(self._roles.until))
        running = standing.running if standing is not None else frozenset()
        new = [s for s in self._specs.values() if role_of(s) in running and s.name not in self._children]
        coming = [s for s in self._specs.values() if standing is not None and role_of(s) in standing.expected]
        if (new or coming) and self._stopping is None:
            # It takes a second, for the first time.
            import_actors([*new, *coming])
        for spec in new:
            self._children[spec.name] = Child(spec)
            self._epoch_due = self._epoch_due or spec.pipeline
        self._leave()

    def _end_what_is_over(self) -> None:
        """Kill what may go on no longer, and see which processes are gone that were killed."""
        for pid in self._roles.ending:
            if not is_running(pid):
                self._roles.ended(pid)
        working = [child for child in self._children.values() if role_of(child.spec)]
        if working and boot_time() >= self._roles.until:
            log.error(
                "the lease was not renewed in time, the actors that need it are killed", extra={"actors": len(working)}
            )
            for child in working:
                self._drop(child)

    def _drop(self, child: Child) -> None:
        """Kill a child that may not run here any more; it is not replaced."""
        if child.pid:
            kill(child.pid)
            self._roles.killed(child.spec, child.pid)
        self._specs[child.spec.name] = child.spec
        del self._children[child.spec.name]

    def _hand_over(self) -> None:
        """Have the actors finish whose roles are given back, and say which roles have none left."""
        standing = self._roles.standing
        for role in self._roles.giving:
            children = [child for child in self._children.values() if role_of(child.spec) == role]
            self._wind_up(children, self._roles.deadline(role, boot_time()))
            if standing is not None and self._roles.is_over(role, [child.spec for child in self._children.values()]):
                self.send(self._children[MEMBERSHIP.name].address, RoleStopped(role, standing.giving[role]))

    def _wind_up(self, children: list[Child], deadline: float) -> None:
        """Stop *children*, one after the other, and kill them when they have finished or the time is up."""
        left = deadline - boot_time()
        for child in children:
            if left > 0 and child.ready and not child.stopped:
                self._stop_once(child, left)
                return
        for child in children:
            self._drop(child)

    def _leave(self) -> None:
        """Have every role given back, where kigeon stops and others are there; it is said again until it is heard."""
        membership, standing = self._children.get(MEMBERSHIP.name), self._roles.standing
        if self._leaves and membership is not None and standing is not None and standing.replica.roles:
            self.send(membership.address, Leave(standing.replica.id))

    def _ended(self, child: Child, reason: str) -> None:
        if child.life.due_at is not None:
            return
        if child.spec == MEMBERSHIP:
            self._lose_membership(child.pid)
        delay = child.life.ended(time.monotonic())
        child.address, child.ready, child.pid = None, False, 0
        self._look_within(LOOK_INTERVAL)
        if self._stopping is not None:
            child.stopped = True
            self._stop_next()
            return
        log.warning(
            "an actor is replaced",
            extra={"actor": child.spec.name, "reason": reason, "delay": delay, "restarts": child.life.restarts},
        )
        self._epoch_due = self._epoch_due or child.spec.pipeline
        if child.life.is_due(time.monotonic()) and self._roles.may_begin(child.spec):
            self._create(child, time.monotonic())

    def _lose_membership(self, pid: int) -> None:
        """Kill the actors of all roles: the next Membership begins, when they are gone, as one that runs none."""
        self._roles.forget()
        self._roles.killed(MEMBERSHIP, pid)
        for other in list(self._children.values()):
            if role_of(other.spec):
                self._drop(other)

    def _begin_epoch_if_due(self) -> None:
        pipeline = {name: child for name, child in self._children.items() if child.spec.pipeline}
        if not pipeline or not all(child.ready for child in pipeline.values()):
            return
        if self._epoch and not self._epoch_due:
            return
        self._epoch, self._epoch_due = self._epoch + 1, False
        self._send_connect()

    def _connect_again(self, now: float) -> None:
        """Repeat what begins an epoch while the Watcher is not in it: a message of its beginning may be lost."""
        if self._begins_epoch() and now - self._connected_at > CONNECT_AGAIN and self._stopping is None:
            self._send_connect()

    def _begins_epoch(self) -> bool:
        """Whether the Watcher is not known to be in the epoch that was begun."""
        watcher = self._children.get("watcher")
        return bool(watcher and self._epoch and not self._epoch_due and watcher.report.get("epoch") != self._epoch)

    def _send_connect(self) -> None:
        self._connected_at = time.monotonic()
        pipeline = {name: child for name, child in self._children.items() if child.spec.pipeline}
        addresses = {name: child.address for name, child in pipeline.items()}
        connect = Connect(self._epoch, addresses.get("watcher"), addresses.get("deduplicator"), addresses.get("queue"))
        for child in pipeline.values():
            if child.ready:
                self.send(child.address, connect)

    def _stop_next(self) -> None:
        if self._stopping is None:
            return
        order, asker, deadline = self._stopping
        left = max(deadline - time.monotonic(), 0.1)
        if not self._stop_roles(left) or not self._stop_membership(left):
            return
        self._stopping = (order, None, deadline)
        if asker is not None:
            self.send(asker, Stopped(self.name, self._status()))

    def _stop_roles(self, left: float) -> bool:
        """Have what works finish, the pipeline first; return whether it has."""
        children = [child for child in self._children.values() if role_of(child.spec)]
        if self._leaves:
            return not children
        for child in children:
            if child.spec.pipeline and not child.stopped and child.ready:
                self._stop_once(child, left)
                return False
        senders = [child for child in children if not child.spec.pipeline]
        for child in senders:
            self._stop_once(child, left)
        return all(child.stopped or not child.ready for child in senders)

    def _stop_membership(self, left: float) -> bool:
        """Have the lease ended once nothing runs here that it is for; return whether that is done."""
        membership = self._children.get(MEMBERSHIP.name)
        if membership is None:
            return True
        for child in list(self._children.values()):
            if child is not membership:
                # It has finished, and would go on with what comes next.
                self._drop(child)
        if self._roles.ending:
            return False
        self._stop_once(membership, min(left, END_WITHIN))
        return membership.stopped or not membership.ready

    def _stop_once(self, child: Child, grace: float) -> None:
        if not child.stopped and child.ready and not child.told:
            child.told = True
            self.send(child.address, Stop(grace))

    def _scripts(self) -> dict[str, str]:
        specs = self._specs | {name: child.spec for name, child in self._children.items()}
        return {name: spec.script for name, spec in specs.items() if spec.script is not None}

    def _status(self) -> dict[str, dict[str, Any]]:
        return {
            name: {
                **child.report,
                "pid": child.pid,
                "ready": child.ready,
                "restarts": child.life.restarts,
            }
            for name, child in self._children.items()
        }
