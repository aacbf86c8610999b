"""How a replica stands among the others: what it holds, and until when."""

from __future__ import annotations

from dataclasses import dataclass

from kigeon.leases.records import Replica, Role


@dataclass(frozen=True, slots=True)
class Standing:
    """What a replica holds: until when it may work, at which roles, and which it is to give back.

    ``giving`` has of each the revision as which it was taken. ``holders`` says of each role who holds it, ``others``
    how many other replicas there are, ``expected`` which roles may soon be this replica's. ``number`` counts the
    standings of a member, from 1. ``server`` is host and port of the queue's server that the lease was renewed by.
    """

    number: int
    replica: Replica
    until: float
    running: frozenset[str]
    giving: dict[str, int]
    holders: dict[str, Role]
    others: int
    expected: frozenset[str] = frozenset()
    server: str = ""
