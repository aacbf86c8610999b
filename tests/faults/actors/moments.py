"""Every message that an actor, or the root, is sent: who is told, and what makes it come at a chosen moment."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, is_dataclass

from actors import messages
from tests.faults.actors.injection import DELAY
from tests.faults.actors.rig import CHILDREN, PIPELINE, SENDERS, Rig
from tests.support.names import EVENTS_SUBJECT

PARTS = {"QueueAddress", "ChildSpec"}
"""Parts of messages, no messages themselves."""


def nothing(rig: Rig) -> None:
    """Let events flow: it comes by itself."""


def kill(name: str) -> Callable[[Rig], None]:
    """Have an actor replaced."""

    def provoke(rig: Rig) -> None:
        rig.kill(name)

    return provoke


def lose_a_batch(rig: Rig) -> None:
    """Let the Queue find that a batch is missing."""
    rig.arm("drop", "Store@queue")


def lose_answers(rig: Rig) -> None:
    """Let storing time out, again and again: the root restarts nats-server."""
    rig.arm("timeout", f"publish@{EVENTS_SUBJECT}", times=4)


def restart(rig: Rig) -> None:
    """End kigeon, in time, and start it again."""
    rig.stop()
    rig.kigeon.start()


@dataclass(frozen=True, slots=True)
class Moment:
    """A message of class *kind* comes to *receiver* after *provoke*."""

    kind: str
    receiver: str
    provoke: Callable[[Rig], None] = nothing

    @property
    def point(self) -> str:
        """Where a fault is armed."""
        return f"{self.kind}@{self.receiver}"

    def goes_wrong(self, rig: Rig, action: str) -> None:
        """Do *action* to it once, and see that all is well afterwards."""
        fault = rig.arm(action, self.point)
        self.meet(rig, fault)
        if action == "delay":
            rig.moving_for(DELAY)
        rig.settle()

    def meet(self, rig: Rig, fault: str) -> None:
        """Provoke it until *fault*, which is armed at its point, has happened.

        Where a stop has to be quick, it may be over before a message of it was sent: then there is another.
        """
        for _ in range(3):
            self.provoke(rig)
            with suppress(TimeoutError):
                rig.fired(fault)
                return
        raise TimeoutError(f"{fault} did not happen")


MOMENTS = (
    Moment("Supervise", "supervisor", kill("supervisor")),
    *(Moment("Start", name, kill(name)) for name in CHILDREN),
    *(Moment("Ping", name) for name in (*CHILDREN, "supervisor")),
    Moment("Pong", "supervisor"),
    Moment("Status", "root"),
    *(Moment("Connect", name, kill("queue")) for name in PIPELINE),
    Moment("QueueOpened", "deduplicator", kill("watcher")),
    Moment("Resume", "watcher", kill("deduplicator")),
    Moment("Batch", "deduplicator"),
    Moment("Store", "queue"),
    Moment("Stored", "watcher"),
    Moment("Stored", "deduplicator"),
    Moment("Resync", "supervisor", lose_a_batch),
    Moment("BrokerFailing", "supervisor", lose_answers),
    Moment("Stop", "supervisor", restart),
    *(Moment("Stop", name, restart) for name in CHILDREN),
    Moment("Stopped", "supervisor", restart),
    Moment("Stopped", "root", restart),
)

OF_THESPIAN = (
    Moment("ChildActorExited", "supervisor", kill(SENDERS[0])),
    Moment("WakeupMessage", "supervisor"),
)
"""What Thespian tells: of one process to itself, or twice by its own doing."""


OF_REPLICAS = {"Tenured", "Standing", "RoleStopped", "Failing", "Leave"}
"""What is sent only where kigeon is one of several replicas: :mod:`tests.faults.actors.sharing` has those."""


def message_kinds() -> set[str]:
    """Return the names of all classes of messages that a kigeon with a queue of its own sends."""
    names = {name for name in messages.__all__ if is_dataclass(getattr(messages, name))}
    return names - {*PARTS, *OF_REPLICAS}
