"""The Supervisor's children: what each is, where it is, how it fares. Pure: times and process ids are handed in."""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from actors.acts import Acts, Tell
from actors.messages import ChildSpec, Pong, Stop
from actors.places import Place, process_of
from actors.restarts import Lifeline
from actors.roles import MEMBERSHIP, role_of


@dataclass(slots=True)
class Child:
    """One child: what it is, where it is, how it fares."""

    spec: ChildSpec
    life: Lifeline = field(default_factory=Lifeline)
    address: Any = None
    pid: int = 0
    ready: bool = False
    """Whether it has answered since it was created."""
    report: dict[str, Any] = field(default_factory=dict)
    told: bool = False
    """Whether it was told to stop."""
    stopped: bool = False

    @property
    def role(self) -> str:
        """The role that it is a part of; "" for the Membership."""
        return role_of(self.spec)

    @property
    def is_at_work(self) -> bool:
        """Whether it works, and has not finished."""
        return self.ready and not self.stopped

    @property
    def process(self) -> Any:
        """The address by which Thespian knows its process; None where there is none."""
        return process_of(self.address)

    def created(self, now: float, process: Any, pid: int) -> None:
        """Note that it is created now, in that process."""
        self.life.created(now)
        self.ready, self.told, self.stopped = False, False, False
        self._found(process)
        self.pid = pid

    def _found(self, process: Any) -> None:
        """Note where it is: those of the pipeline share a process."""
        self.address = Place(process, self.spec.name) if self.spec.pipeline else process

    def answered(self, pong: Pong, process: Any, now: float) -> bool:
        """Note its sign of life, by way of its *process*; one that hangs gives none. Return whether it is its first."""
        self.report = dict(pong.report)
        if pong.script is not None:
            self.spec = replace(self.spec, script=pong.script)
        self.life.answered(now)
        if self.ready:
            return False
        self.ready = True
        self._found(process)
        return True

    def stop(self, grace: float) -> Acts:
        """Have it told to stop within *grace* seconds, once, if it is at work."""
        if self.told or not self.is_at_work:
            return []
        self.told = True
        return [Tell(self.address, Stop(grace))]

    def ended(self, now: float) -> float:
        """Note that it is gone; return in how many seconds the next one is due."""
        self.address, self.ready, self.pid = None, False, 0
        return self.life.ended(now)


class Children:
    """The children that there are or are to be, in the order in which they were added; of others, their specs alone."""

    def __init__(self, specs: Iterable[ChildSpec] = ()) -> None:
        self._specs: dict[str, ChildSpec] = {}
        self._children: dict[str, Child] = {}
        self.know(specs)

    def know(self, specs: Iterable[ChildSpec]) -> None:
        """Note what there may be."""
        self._specs.update({spec.name: spec for spec in specs})

    def __iter__(self) -> Iterator[Child]:
        """Go through those that there are now, whatever is added or removed meanwhile."""
        return iter(list(self._children.values()))

    def __len__(self) -> int:
        return len(self._children)

    def __contains__(self, child: Child) -> bool:
        return self._children.get(child.spec.name) is child

    def get(self, name: str) -> Child | None:
        """Return the child of this name."""
        return self._children.get(name)

    @property
    def membership(self) -> Child | None:
        """What takes part among the replicas; None where there are none."""
        return self._children.get(MEMBERSHIP.name)

    @property
    def working(self) -> list[Child]:
        """All that are part of a role: the pipeline and the senders."""
        return [child for child in self if child.role]

    @property
    def pipeline(self) -> list[Child]:
        """The actors that share an epoch."""
        return [child for child in self if child.spec.pipeline]

    def beside(self, child: Child) -> Child | None:
        """Return one in whose process *child* is to be, too; None where it is to have one of its own."""
        return next((each for each in self.pipeline if child.spec.pipeline and each.pid), None)

    def of_process(self, pid: int) -> list[Child]:
        """Return those that live in the process with this id."""
        return [child for child in self if pid and child.pid == pid]

    def pid_of(self, process: Any) -> int:
        """Return the id of the process with this address; 0 where no child is there.

        Of those that share one, some may not have answered yet: their address is another one, of the same process.
        """
        return next((child.pid for child in self if child.address is not None and child.process == process), 0)

    def add(self, spec: ChildSpec) -> None:
        """Add a child that is to be created."""
        self._children[spec.name] = Child(spec)

    def remove(self, child: Child) -> None:
        """Remove *child*; its spec is kept for the next one of its name."""
        self._specs[child.spec.name] = child.spec
        del self._children[child.spec.name]

    def of(self, roles: Container[str]) -> list[ChildSpec]:
        """Return the specs of *roles*, whether they are children now or not."""
        return [spec for spec in self._specs.values() if role_of(spec) in roles]

    @property
    def are_beginning(self) -> bool:
        """Whether one of them begins, or is to begin."""
        return any(not child.ready for child in self)

    @property
    def hangs_at(self) -> float:
        """When the first of them counts as hung if none answers; infinity where there is none."""
        return min((child.life.hangs_at for child in self), default=math.inf)

    def scripts(self) -> dict[str, str]:
        """Return the hooks' texts that were loaded last, by the child's name."""
        specs = self._specs | {child.spec.name: child.spec for child in self}
        return {name: spec.script for name, spec in specs.items() if spec.script is not None}

    def status(self) -> dict[str, dict[str, Any]]:
        """Return how each child fares, by its name."""
        return {
            child.spec.name: {
                **child.report,
                "pid": child.pid,
                "ready": child.ready,
                "restarts": child.life.restarts,
            }
            for child in self
        }
