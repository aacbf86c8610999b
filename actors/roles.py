"""Which actors may run here, where there are other replicas, as the Supervisor knows it. Pure: times are handed in."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

from actors.messages import ChildSpec, Standing
from kigeon.leases.records import Replica
from kigeon.queue.broker.address import QueueAddress
from kigeon.roles import PIPELINE, sender_role

MEMBERSHIP = ChildSpec("membership", "actors.membership.Membership")
"""The actor that takes part among the replicas; it has no role."""

HAND_OVER = 1.0
"""Seconds for the actors of a role to finish that another replica takes: it goes on where they end."""


SPENT_AFTER = 30.0
"""Seconds without a role after which what it took to work at one is too much for a replica that waits."""


def role_of(spec: ChildSpec) -> str:
    """Return the role that an actor is a part of."""
    if spec.pipeline:
        return PIPELINE
    return sender_role(spec.sender.name) if spec.sender is not None else ""


class Roles:
    """The last standing of this replica, and what of it has been done."""

    def __init__(self, replica: Replica | None = None) -> None:
        self.replica = replica
        """Who this replica is; None where no other can be."""
        self.standing: Standing | None = None
        self._deadlines: dict[str, float] = {}
        self._ending: dict[int, str] = {}
        self._used_at: float | None = None

    def note(self, standing: Standing) -> bool:
        """Note a *standing*; return whether it is news: messages may overtake one another."""
        if self.standing is not None and standing.number <= self.standing.number:
            return False
        self.standing = standing
        if self.replica is not None:
            # Another Membership goes on with the lease that there is, which may not be the first.
            self.replica = replace(self.replica, id=standing.replica.id, since=standing.replica.since)
        self._deadlines = {role: end for role, end in self._deadlines.items() if role in standing.giving}
        return True

    def forget(self) -> None:
        """Forget the standing: nobody keeps the lease now, nothing may run."""
        self.standing = None
        self._deadlines.clear()

    # ------------------------------------------------------------------------------------------------- what may run

    @property
    def until(self) -> float:
        """When whatever runs has to have ended, by :func:`~kigeon.clock.boot_time`, if nothing is renewed."""
        if self.replica is None:
            return math.inf
        return self.standing.until if self.standing is not None else -math.inf

    def may_begin(self, spec: ChildSpec) -> bool:
        """Whether an actor may be created now: not before those of its role that were killed are gone."""
        if self.replica is None:
            return True
        role = role_of(spec)
        if not role:
            return not self._ending
        return self.standing is not None and role in self.standing.running and role not in self._ending.values()

    def may_go_on(self, spec: ChildSpec) -> bool:
        """Whether an actor that runs may go on: its role is this replica's, if only to be given back."""
        standing, role = self.standing, role_of(spec)
        if self.replica is None or not role:
            return True
        return standing is not None and (role in standing.running or role in standing.giving)

    def by_way_of(self, queue: QueueAddress) -> QueueAddress:
        """Return *queue* with the server first by which the lease was renewed: another may be parted from the rest."""
        return replace(queue, preferred=self.standing.server) if self.standing is not None else queue

    def is_spent(self, works: bool, now: float) -> bool:
        """Whether no role has been held or expected here for long, after one was; *works*: whether one is now."""
        if works or (self.standing is not None and self.standing.expected):
            self._used_at = now
        return self.standing is not None and self._used_at is not None and now - self._used_at >= SPENT_AFTER

    # ---------------------------------------------------------------------------------------------- what is given back

    @property
    def giving(self) -> list[str]:
        """The roles whose actors are to end."""
        return sorted(self.standing.giving) if self.standing is not None else []

    def deadline(self, role: str, now: float) -> float:
        """Return until when the actors of a role that is given back may finish."""
        return self._deadlines.setdefault(role, now + HAND_OVER)

    def killed(self, spec: ChildSpec, pid: int) -> None:
        """Note that an actor was killed: its process may take a moment to end."""
        self._ending[pid] = role_of(spec)

    @property
    def ending(self) -> Iterable[int]:
        """The processes that were killed and may not have ended."""
        return list(self._ending)

    @property
    def is_busy(self) -> bool:
        """Whether something is to end: a process that was killed, or the actors of a role."""
        return bool(self._ending or self.giving)

    def ended(self, pid: int) -> None:
        """Note that a process is gone."""
        self._ending.pop(pid, None)

    def is_over(self, role: str, running: Iterable[ChildSpec]) -> bool:
        """Whether no actor of *role* is left."""
        return role not in self._ending.values() and all(role_of(spec) != role for spec in running)
