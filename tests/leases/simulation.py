"""Replicas on a bucket, in a time that does not pass: requests, answers whole replicas are late, lost, or frozen."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import count
from random import Random
from typing import Any

from kigeon.leases.keeper import End, Forget, GiveBack, Keeper, Step, Take, Timing
from kigeon.leases.records import Found, Replica, Role, View

ATTEMPT = 1.0
"""Seconds after which a renewal that was not answered is sent again."""


class Bucket:
    """A key-value bucket with compare-and-set; it remembers what it held before, for reads that are late."""

    def __init__(self) -> None:
        self.now: dict[str, Found[Any]] = {}
        self._sequence = 0
        self._before: list[dict[str, Found[Any]]] = [{}]

    def put(self, key: str, record: Any, revision: int) -> int:
        """Store *record* if *revision* is the last; return the new revision, 0 where it is not."""
        if (self.now[key].revision if key in self.now else 0) != revision:
            return 0
        self._sequence += 1
        self._change({**self.now, key: Found(record, self._sequence)})
        return self._sequence

    def delete(self, key: str) -> None:
        """Delete a record."""
        self._change({name: found for name, found in self.now.items() if name != key})

    def view(self, late: int) -> View:
        """Return what was there so many changes ago."""
        held = self._before[max(len(self._before) - 1 - late, 0)]
        leases = {key[6:]: found for key, found in held.items() if key.startswith("lease.")}
        return View(leases, {key[5:]: found for key, found in held.items() if key.startswith("role.")})

    def _change(self, held: dict[str, Found[Any]]) -> None:
        self.now = held
        self._before = [*self._before[-40:], held]


class World:
    """Everything that happens, in its order; ``violations`` are the moments in which two worked at one role."""

    def __init__(self, seed: int, timing: Timing) -> None:
        self.random = Random(seed)
        self.timing = timing
        self.time = 0.0
        self.bucket = Bucket()
        self.nodes: list[Node] = []
        self.is_quiet = False
        """Whether nothing is late or lost any more."""
        self.violations: list[tuple[float, str, list[str]]] = []
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()

    def later(self, delay: float, do: Callable[[], None]) -> None:
        """Have something done in so many seconds."""
        heapq.heappush(self._events, (self.time + delay, next(self._order), do))

    def delay(self) -> float:
        """Return for how long a message is on its way: mostly short, sometimes as long as anything here takes."""
        if self.is_quiet or self.random.random() < 0.8:
            return self.random.uniform(0.001, 0.05)
        return self.random.choice((0.5, 1.5, 4.0, 7.0)) * self.random.uniform(0.5, 1.5)

    def is_lost(self) -> bool:
        """Whether a message does not arrive."""
        return not self.is_quiet and self.random.random() < 0.1

    def start(self, roles: tuple[str, ...]) -> Node:
        """Have another replica come."""
        node = Node(self, f"r{len(self.nodes)}", roles)
        self.nodes.append(node)
        node.begin()
        return node

    def run(self, until: float) -> None:
        """Let time pass."""
        while self._events and self._events[0][0] <= until:
            self.time, _, do = heapq.heappop(self._events)
            do()
            self._check()
        self.time = until

    def workers(self, role: str) -> list[str]:
        """Return who works at *role* now: a frozen one does nothing, and one that wakes looks at its clock first."""
        return [node.keeper.me.id for node in self.nodes if node.is_awake and role in node.working()]

    def _check(self) -> None:
        for role in {role for node in self.nodes for role in node.roles}:
            workers = self.workers(role)
            if len(workers) > 1:
                self.violations.append((self.time, role, workers))


class Node:
    """A replica: what :mod:`kigeon.leases.member` does, with a clock of its own."""

    def __init__(self, world: World, name: str, roles: tuple[str, ...]) -> None:
        self._world = world
        self.roles = roles
        self._name = name
        self._lives = count()
        self._offset = world.random.uniform(-1e6, 1e6)
        self._rate = world.random.uniform(0.95, 1.05)
        self._wakes_at = 0.0
        self.is_dead = False
        self.keeper = self._new()

    def _new(self) -> Keeper:
        self._revision = self._beat = 0
        return Keeper(
            Replica(f"{self._name}-{next(self._lives)}", self._name, "", roles=self.roles), self._world.timing
        )

    @property
    def is_awake(self) -> bool:
        """Whether it runs, and is not frozen."""
        return not self.is_dead and self._world.time >= self._wakes_at

    def clock(self) -> float:
        """Return the time on its own clock."""
        return self._offset + self._rate * self._world.time

    def working(self) -> frozenset[str]:
        """Return the roles that it works at."""
        return self.keeper.running(self.clock())

    def freeze(self, seconds: float) -> None:
        """Have it do nothing for a while."""
        self._wakes_at = max(self._wakes_at, self._world.time + seconds)

    def begin(self) -> None:
        """Begin a life: a lease of its own."""
        self._renew(self.keeper)
        self._look(self.keeper)

    def _soon(self, delay: float, do: Callable[[], None], keeper: Keeper) -> None:
        """Do something here later, in this life; when it wakes, if it is frozen then."""

        def here() -> None:
            if self.is_dead or keeper is not self.keeper:
                return
            if not self.is_awake:
                self._world.later(self._wakes_at - self._world.time, here)
            else:
                do()

        self._world.later(delay, here)

    def _ask(self, do: Callable[[], Any], then: Callable[[Any], None], keeper: Keeper) -> None:
        """Have the bucket do something, and hear of it; both may come late or never."""

        def arrives() -> None:
            answer = do()
            if not self._world.is_lost():
                self._soon(self._world.delay(), lambda: then(answer), keeper)

        if not self._world.is_lost():
            self._world.later(self._world.delay(), arrives)

    def _renew(self, keeper: Keeper) -> None:
        self._beat += 1
        lease, sent_at, expected = replace(keeper.me, beat=self._beat), self.clock(), self._revision
        key, bucket = f"lease.{keeper.me.id}", self._world.bucket
        done = False

        def attempt() -> None:
            if not done:
                self._ask(lambda: bucket.put(key, lease, expected) or bucket.now.get(key), answered, keeper)
                self._soon(ATTEMPT, attempt, keeper)

        def answered(answer: Any) -> None:
            nonlocal done
            if done:
                return
            done = True
            if isinstance(answer, Found) and answer.record == lease:
                answer = answer.revision
            if isinstance(answer, int):
                self._revision = answer
                keeper.renewed(sent_at)
                self._act(keeper)
                self._soon(self._world.timing.renew, lambda: self._renew(keeper), keeper)
            else:
                self.keeper = self._new()
                self.begin()

        attempt()

    def _look(self, keeper: Keeper) -> None:
        late = 0 if self._world.is_quiet else self._world.random.choice((0, 0, 0, 1, 5, 30))

        def answered(view: View) -> None:
            keeper.saw(view, self.clock())
            self._act(keeper)

        self._ask(lambda: self._world.bucket.view(late), answered, keeper)
        self._soon(self._world.timing.renew / 2, lambda: self._look(keeper), keeper)

    def _act(self, keeper: Keeper) -> None:
        for step in keeper.steps(self.clock()):
            self._do(step, keeper)
        for role, revision in keeper.giving.items():
            self._soon(self._world.random.uniform(0, 1), partial(keeper.stopped, role, revision), keeper)

    def _do(self, step: Step, keeper: Keeper) -> None:
        bucket = self._world.bucket
        if isinstance(step, End):
            self._ask(lambda: bucket.put(f"lease.{step.replica.id}", step.replica, step.revision), _ignore, keeper)
        elif isinstance(step, Forget):
            self._ask(lambda: bucket.delete(f"lease.{step.lease}"), _ignore, keeper)
        else:
            self._write(step, keeper)

    def _write(self, step: Take | GiveBack, keeper: Keeper) -> None:
        role = Role(keeper.me.id if isinstance(step, Take) else "")

        def answered(revision: int) -> None:
            if revision:
                keeper.wrote(step.role, Found(role, revision), self.clock())

        put = self._world.bucket.put
        self._ask(lambda: put(f"role.{step.role}", role, step.revision), answered, keeper)


def _ignore(answer: Any) -> None:
    """What came of it is read."""
