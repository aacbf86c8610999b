"""The actors of the roles that this replica holds: which go on, which finish, which end. Pure: times are handed in.

They are killed when their role is lost, or the lease is not renewed in time; they finish first when the role is given
back.
"""

from __future__ import annotations

from actors.acts import Acts, Kill, Tell
from actors.children import Child, Children
from actors.messages import ChildSpec, Failing, Leave, RoleStopped, Tenured
from actors.roles import MEMBERSHIP, Roles


class RoleActors:
    """Does with the children what the roles say; times are by :func:`~kigeon.clock.boot_time`."""

    def __init__(self, children: Children, roles: Roles) -> None:
        self._children = children
        self._roles = roles

    def are_over(self, now: float) -> bool:
        """Whether some work whose lease was not renewed in time."""
        return bool(self._children.working) and now >= self._roles.until

    def end_all(self) -> Acts:
        """Kill all of them."""
        return [act for child in self._children.working for act in self._end(child)]

    def follow(self) -> Acts:
        """Do as the new standing says: end the actors of roles that are lost, extend the others' tenure."""
        acts: Acts = []
        for child in self._children:
            if not self._roles.may_go_on(child.spec):
                acts += self._end(child)
            elif child.address is not None and child.role:
                acts.append(Tell(child.address, Tenured(self._roles.until)))
        return acts

    def missing(self) -> list[ChildSpec]:
        """Return the actors of roles that were taken, and that are no children yet."""
        standing = self._roles.standing
        running = standing.running if standing is not None else frozenset()
        return [spec for spec in self._children.of(running) if self._children.get(spec.name) is None]

    def expected(self) -> list[ChildSpec]:
        """Return the actors of roles that may be taken soon."""
        return self._children.of(self._roles.standing.expected) if self._roles.standing is not None else []

    def lose_membership(self, pid: int) -> Acts:
        """Kill the actors of all roles: the next Membership begins, when they are gone, as one that runs none."""
        self._roles.forget()
        self._roles.killed(MEMBERSHIP, pid)
        return self.end_all()

    def hand_over(self, now: float) -> Acts:
        """Have the actors finish whose roles are given back, and say which roles have none left."""
        acts: Acts = []
        standing, membership = self._roles.standing, self._children.membership
        for role in self._roles.giving:
            acts += self._wind_up(role, self._roles.deadline(role, now) - now)
            is_over = self._roles.is_over(role, [child.spec for child in self._children])
            if is_over and standing is not None and membership is not None:
                acts.append(Tell(membership.address, RoleStopped(role, standing.giving[role])))
        return acts

    def failing(self) -> Acts:
        """Say of which roles the actors do not keep running: another replica may hold them instead."""
        membership = self._children.membership
        if membership is None or membership.address is None:
            return []
        failing = {child.role for child in self._children.working if child.life.fails}
        return [Tell(membership.address, Failing(role)) for role in sorted(failing)]

    def leave(self) -> Acts:
        """Have every role given back, since kigeon stops and others are there; it is said again until it is heard."""
        membership, standing = self._children.membership, self._roles.standing
        if membership is None or standing is None or not standing.replica.roles:
            return []
        return [Tell(membership.address, Leave(standing.replica.id))]

    def _wind_up(self, role: str, left: float) -> Acts:
        """Stop the actors of *role*, one after the other; kill them when they have finished or no time is *left*."""
        children = [child for child in self._children if child.role == role]
        for child in children:
            if left > 0 and child.is_at_work:
                return child.stop(left)
        return [act for child in children for act in self._end(child)]

    def _end(self, child: Child) -> Acts:
        """Kill a child that may not run here any more; it is not replaced."""
        self._children.remove(child)
        if not child.pid or child.pid in self._roles.ending:
            return []  # Another of its process has had it killed.
        self._roles.killed(child.spec, child.pid)
        return [Kill(child.pid)]
