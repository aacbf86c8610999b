"""What a replica does about leases and roles: decided here, without I/O and without a clock of its own.

Why no two replicas work at one role at a time, whatever is delayed and however the clocks of their machines differ:

1. A replica works at a role only after it has written, by compare-and-set, that it holds it; not after it has begun to
   give it back; and not after its *tenure* has ended: ``hold`` seconds after the moment *before* the renewal was sent
   that was acknowledged last.
2. A role passes from one replica to another by compare-and-set, after the holder has given it back (its actors have
   ended), or after the holder's lease has ended.
3. A lease ends by a compare-and-set on a revision that whoever ends it has seen unchanged for ``lease`` seconds. It saw
   it after it was written, that is after it was sent. So the tenure has ended, ``lease`` - ``hold`` seconds ago if both
   clocks go at one pace. A renewal that comes later is refused: its revision is not the last.

A read may be as old as it likes: whoever sees a lease unchanged that was renewed fails at the compare-and-set.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from kigeon.leases.assignment import assign
from kigeon.leases.records import Found, Replica, Role, View
from kigeon.roles import PIPELINE

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds: a ``lease`` that is not renewed for so long ends; its holder works for ``hold`` after a renewal.

    It renews its lease and looks at the others every ``renew``.
    """

    lease: float = 5.0
    hold: float = 3.5
    renew: float = 1.0
    forget: float = 600.0
    """For how long a lease that has ended is kept: whoever it belonged to learns from it that it has ended."""


@dataclass(frozen=True, slots=True)
class End:
    """End the lease of a replica, if it has this revision still; 0: if there is none."""

    replica: Replica
    revision: int


@dataclass(frozen=True, slots=True)
class Take:
    """Take a role, if its record has this revision still."""

    role: str
    revision: int


@dataclass(frozen=True, slots=True)
class GiveBack:
    """Give a role back, if its record has this revision still: its actors have ended."""

    role: str
    revision: int


@dataclass(frozen=True, slots=True)
class Forget:
    """Delete the record of a lease that ended long ago."""

    lease: str


Step = End | Take | GiveBack | Forget


class Keeper:
    """One lease and the roles that it holds. Times are seconds on a steady clock of the caller's."""

    def __init__(self, me: Replica, timing: Timing) -> None:
        self.me = me
        self._timing = timing
        self.until = -math.inf
        """When the tenure ends."""
        self._replicas: dict[str, tuple[Found[Replica], float]] = {}
        self._roles: dict[str, tuple[Found[Role], float]] = {}
        self._confirmed: dict[str, int] = {}
        """The revisions by which this keeper's own writes made a role its own."""
        self._let_go: dict[str, int] = {}
        """The last revision as which each role was given back although nothing is known of its being taken."""
        self._giving: set[str] = set()
        self._ended: set[str] = set()
        self.is_leaving = False

    # -------------------------------------------------------------------------------------------------- what happened

    def renewed(self, sent_at: float) -> None:
        """Note that a renewal was acknowledged that was sent at *sent_at* or later."""
        self.until = max(self.until, sent_at + self._timing.hold)

    def saw(self, view: View, now: float) -> None:
        """Note what was read; *now* is a moment after the answer came, not before."""
        for name, found in view.replicas.items():
            _note(self._replicas, name, found, now)
        for name, role in view.roles.items():
            self.noted(name, role, now)
        for holder in {found.record.holder for found, _ in self._roles.values()} - {""}:
            # One that nobody has seen: it has to be seen missing for as long as another unchanged.
            self._replicas.setdefault(holder, (Found(Replica(holder, "", ""), 0), now))

    def noted(self, name: str, found: Found[Role], now: float) -> None:
        """Note the record of a role that was read."""
        _note(self._roles, name, found, now)

    def wrote(self, name: str, found: Found[Role], now: float) -> None:
        """Note the record of a role that was written, which was acknowledged, however late."""
        if found.record.holder == self.me.id and self._let_go.get(name) != found.revision:
            self._confirmed[name] = found.revision
        self.noted(name, found, now)

    def forgot(self, lease: str) -> None:
        """Note that the record of a *lease* that ended is deleted."""
        self._replicas.pop(lease, None)

    def stopped(self, role: str, revision: int) -> None:
        """Note that no actor of *role* runs here any more that began when it was taken as *revision*."""
        if role in self._giving and self._confirmed.get(role) == revision:
            self._ended.add(role)

    def looked(self, sees: bool | None) -> None:
        """Note whether the API server answers this replica; None where it was not asked."""
        self.me = replace(self.me, sees=sees)

    def failing(self, roles: Iterable[str]) -> None:
        """Note the *roles* whose actors do not keep running here."""
        self.me = replace(self.me, fails=tuple(sorted(roles)))

    def leave(self) -> None:
        """Give every role back, and take none: the lease is to say so from its next renewal on."""
        self.is_leaving = True
        self.me = replace(self.me, roles=())

    # ------------------------------------------------------------------------------------------------------ what is

    @property
    def mine(self) -> frozenset[str]:
        """The roles that this replica made its own, as far as is known."""
        confirmed = self._confirmed
        return frozenset(name for name, (found, _) in self._roles.items() if found.revision == confirmed.get(name))

    def running(self, now: float) -> frozenset[str]:
        """The roles whose actors may run here now."""
        return self.mine - self._giving if now < self.until else frozenset()

    @property
    def giving(self) -> dict[str, int]:
        """The roles to be given back when their actors have ended, each with the revision as which it was taken."""
        return {role: self._confirmed[role] for role in self.mine & self._giving}

    @property
    def known_roles(self) -> frozenset[str]:
        """Every role that anybody is configured for, or was."""
        return frozenset(self._roles) | set(self.me.roles)

    def holder_of(self, role: str) -> Role:
        """Return who holds a role."""
        entry = self._roles.get(role)
        return entry[0].record if entry is not None else Role()

    def others(self, now: float) -> list[Replica]:
        """Return the other replicas whose leases have not ended."""
        return [r for r in self._live(now) if r.id != self.me.id]

    def expected(self, now: float) -> frozenset[str]:
        """The roles that may be this replica's soon: their holder leaves, or has not renewed its lease for a while."""
        live = self._live(now, self._timing.lease / 2)
        soon = assign(live, self.known_roles, self._holders())
        return frozenset(role for role, holder in soon.items() if holder == self.me.id) - self.mine

    def should_look_at_cluster(self, now: float) -> bool:
        """Whether it matters if the API server answers here: who has the pipeline is this replica, or is cut off."""
        holder = self.holder_of(PIPELINE).holder
        return any(r.id == holder and (r is self.me or r.sees is False) for r in self._live(now))

    # ------------------------------------------------------------------------------------------------- what to do now

    def steps(self, now: float) -> list[Step]:
        """Return what to do now, in this order; each is a compare-and-set that may fail."""
        if now >= self.until:
            # Whoever has no tenure takes nothing; and what it does not know it gives back by losing it.
            return []
        live = self._live(now)
        wanted = assign(live, self.known_roles, self._holders())
        self._give(wanted)
        return [*self._ends(now), *self._backs(wanted), *self._takes(wanted, now), *self._forgets(now)]

    def _give(self, wanted: Mapping[str, str]) -> None:
        mine = self.mine
        self._giving &= mine
        self._giving |= {role for role in mine if self.is_leaving or wanted.get(role) != self.me.id}
        self._ended &= self._giving

    def _ends(self, now: float) -> Iterable[End]:
        for name, (found, since) in self._replicas.items():
            if name != self.me.id and not found.record.left and now - since >= self._timing.lease:
                yield End(replace(found.record, left=True), found.revision)

    def _backs(self, wanted: Mapping[str, str]) -> Iterable[GiveBack]:
        for role in sorted(self._ended):
            yield GiveBack(role, self._roles[role][0].revision)
        for role, (found, _) in self._roles.items():
            # Its answer was lost when it was taken, and by now it is another's to take: it never began here.
            is_begun = role in self.mine
            if found.record.holder == self.me.id and not is_begun and wanted.get(role) != self.me.id:
                self._let_go[role] = found.revision
                yield GiveBack(role, found.revision)

    def _takes(self, wanted: Mapping[str, str], now: float) -> Iterable[Take]:
        if self.is_leaving:
            return
        for role in self.me.roles:
            found, since = self._roles.get(role, (Found(Role(), 0), now))
            is_for_me = wanted.get(role) == self.me.id
            # Where the replicas do not agree whose it is, it is better held by any of them than by none.
            is_left_over = not found.record.holder and now - since >= self._timing.lease
            if role not in self.mine and self._is_free(found.record) and (is_for_me or is_left_over):
                yield Take(role, found.revision)

    def _forgets(self, now: float) -> Iterable[Forget]:
        holders = set(self._holders().values())
        for name, (found, since) in self._replicas.items():
            is_old = found.record.left and found.revision and now - since >= self._timing.forget
            if is_old and name not in holders:
                yield Forget(name)

    def _holders(self) -> dict[str, str]:
        return {name: found.record.holder for name, (found, _) in self._roles.items() if found.record.holder}

    def _is_free(self, role: Role) -> bool:
        # What says that it is this replica's, and was not confirmed, was written in an earlier life, or just now.
        if role.holder in ("", self.me.id):
            return True
        holder = self._replicas.get(role.holder)
        return holder is not None and holder[0].record.left

    def _live(self, now: float, silent: float = math.inf) -> list[Replica]:
        within = min(self._timing.lease, silent)
        others = [
            found.record
            for name, (found, since) in self._replicas.items()
            if name != self.me.id and not found.record.left and now - since < within
        ]
        return others if self.is_leaving else [self.me, *others]


def _note(known: dict[str, tuple[Found[T], float]], name: str, found: Found[T], now: float) -> None:
    """Note a record, at *now*, if it is newer than what is known of it."""
    before = known.get(name)
    if before is None or found.revision > before[0].revision:
        known[name] = (found, now)
