"""Which replica is to hold which role. Pure: all replicas that see the same compute the same.

Whoever holds a role keeps it, as long as the senders are spread evenly: no replica has two more than another that could
take one. The pipeline stays where it is unless the API server does not answer there and does elsewhere. A role whose
actors do not keep running where it is held goes to a replica of which nobody says so, if there is one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from kigeon.leases.records import Replica
from kigeon.roles import PIPELINE

_SIGHT = {True: 0, None: 1, False: 2}
"""Whom the pipeline is given to first: those whom the API server answers, last those whom it does not."""


def assign(replicas: Collection[Replica], roles: Iterable[str], holders: Mapping[str, str]) -> dict[str, str]:
    """Return the id of the replica for each of the *roles* that one of the *replicas*, all alive, can take.

    *holders* are the ids of those who hold a role now, alive or not.
    """
    able = {role: _able(replicas, role) for role in roles}
    kept = {role: holder for role, holder in holders.items() if any(r.id == holder for r in able.get(role, ()))}
    assigned: dict[str, str] = {}
    if able.get(PIPELINE):
        assigned[PIPELINE] = _pipeline(able[PIPELINE], kept)
    senders = {role: [r.id for r in who] for role, who in sorted(able.items()) if role != PIPELINE and who}
    return assigned | _spread(senders, kept, assigned.get(PIPELINE, ""))


def _able(replicas: Iterable[Replica], role: str) -> list[Replica]:
    """Return who is configured for *role*: those where it works, or all where it works nowhere."""
    configured = sorted((r for r in replicas if role in r.roles), key=lambda r: r.id)
    return [r for r in configured if role not in r.fails] or configured


def _pipeline(able: Sequence[Replica], kept: Mapping[str, str]) -> str:
    held = list(kept.values())
    best = min(able, key=lambda r: (_SIGHT[r.sees], held.count(r.id), r.id))
    holder = next((r for r in able if r.id == kept.get(PIPELINE)), None)
    if holder is not None and (holder.sees is not False or not best.sees):
        return holder.id
    return best.id


def _spread(able: Mapping[str, Sequence[str]], kept: Mapping[str, str], leader: str) -> dict[str, str]:
    """Return who takes each sender: who holds it, then who has the fewest, then moved until it is even."""
    spread = {role: kept[role] for role in able if role in kept}
    load = {replica: 0 for who in able.values() for replica in who}
    for holder in spread.values():
        load[holder] += 1
    for role, who in able.items():
        if role not in spread:
            spread[role] = min(who, key=lambda replica: (load[replica], replica == leader, replica))
            load[spread[role]] += 1
    while move := _uneven(able, spread, load, leader):
        role, to = move
        load[spread[role]] -= 1
        load[to] += 1
        spread[role] = to
    return spread


def _uneven(
    able: Mapping[str, Sequence[str]], spread: Mapping[str, str], load: Mapping[str, int], leader: str
) -> tuple[str, str] | None:
    """Return a sender that is to move, and where to; None where it is even."""
    for role in sorted(spread, key=lambda role: (-load[spread[role]], role)):
        to = min(able[role], key=lambda replica: (load[replica], replica == leader, replica))
        if load[to] + 1 < load[spread[role]]:
            return role, to
    return None
