"""The end of kigeon: which children finish, in which order, and when all have. Pure: times are handed in.

The Watcher stops first, then what is on the way, then the senders, then the Membership: by then nothing runs that the
lease is for. Where another replica takes over, each role is given back instead, as soon as its own actors have finished
(:mod:`actors.role_actors`).
"""

from __future__ import annotations

from typing import Any

from actors.acts import Acts, Tell
from actors.children import Child, Children
from actors.messages import Stopped
from actors.role_actors import RoleActors
from actors.roles import Roles

END_WITHIN = 1.5
"""Seconds for a lease to be ended at the end; otherwise it runs out."""

LEAST = 0.1
"""Seconds that a child has in which to finish, however late it is told."""


class Stopping:
    """What *asker* has asked for, and is told when it is done; the children finish by *deadline* if they can."""

    def __init__(self, asker: Any, deadline: float, children: Children, roles: Roles) -> None:
        self._asker = asker
        self._deadline = deadline
        self._children = children
        self._roles = roles
        self._role_actors = RoleActors(children, roles)
        standing = roles.standing
        self._leaves = standing is not None and standing.others > 0
        """Whether another replica takes over."""

    def leave(self) -> Acts:
        """Have every role given back where another replica takes over."""
        return self._role_actors.leave() if self._leaves else []

    def go_on(self, name: str, now: float) -> Acts:
        """Stop whoever is next; when all have stopped, tell the asker, once, in the name of the actor *name*."""
        left = max(self._deadline - now, LEAST)
        acts = [act for child in self._next() for act in child.stop(left)]
        if self._roles_stopped:
            acts += self._end_lease(left)
        if self._asker is not None and self._is_over:
            acts.append(Tell(self._asker, Stopped(name, self._children.status())))
            self._asker = None
        return acts

    def _next(self) -> list[Child]:
        """Return whose end is waited for now, of those that work: one of the pipeline, or all senders."""
        if self._leaves:
            return []
        at_work = [child for child in self._children.working if child.is_at_work]
        return [child for child in at_work if child.spec.pipeline][:1] or at_work

    @property
    def _roles_stopped(self) -> bool:
        """Whether nothing works any more; where another replica takes over, nothing is left that did."""
        return not (self._children.working if self._leaves else self._next())

    @property
    def _is_over(self) -> bool:
        membership = self._children.membership
        if not self._roles_stopped:
            return False
        return membership is None or not (self._children.working or self._roles.ending or membership.is_at_work)

    def _end_lease(self, left: float) -> Acts:
        """Have the lease ended once nothing runs here that it is for."""
        membership = self._children.membership
        if membership is None:
            return []
        # They have finished, and would go on with what comes next.
        acts = self._role_actors.end_all()
        return acts if self._roles.ending else acts + membership.stop(min(left, END_WITHIN))
