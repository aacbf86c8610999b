"""kigeon as one of two replicas: faults can be armed in the first, the other comes and goes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

from actors.restarts import FAILS_AFTER
from tests.faults.actors.moments import Moment, kill
from tests.faults.actors.rig import CHILDREN, IMPATIENT, SENDERS, Rig
from tests.replicas.several import told as last_status
from tests.support.kigeon import Kigeon, loki_sender
from tests.support.nats import NatsNode
from tests.support.processes import wait_until


class SharingRig(Rig):
    """A context manager. Between two tests the first replica has every role, and the other does not run."""

    def __init__(self, folder: Path) -> None:
        self._node = NatsNode(folder / "nats")
        queue = {"url": self._node.url}
        super().__init__(folder / "first", IMPATIENT, pusher={"pushTimeout": "1s"}, queue=queue)
        senders = [
            loki_sender(account.loki, name.removeprefix("sender/"))
            for name, account in zip(SENDERS, self.accounts, strict=True)
        ]
        self.other = Kigeon(folder / "other", self.api, senders, pusher={"pushTimeout": "1s"}, queue=queue)

    def __enter__(self) -> Self:
        self._stack.enter_context(self._node)
        self._stack.callback(self.other.kill_tree)
        return super().__enter__()

    def settle(self, timeout: float = 40.0) -> None:
        """Give the verdict, and have the first replica alone again."""
        super().settle(timeout)
        self.is_settled = False
        self.alone()
        self.moving()
        self.is_settled = True

    def share(self) -> None:
        """Have the other come and take a sender."""
        self.alone()
        self.other.start()
        wait_until(lambda: self._works(self.other, SENDERS), what="a sender at the other")

    def leave(self) -> None:
        """Have the first end, which leaves its roles to the other, and come again."""
        if self.other.has_ended:
            self.share()
        self.stop()
        self.kigeon.start()
        self.moving()

    def alone(self) -> None:
        """Have the other end."""
        if not self.other.has_ended:
            assert self.other.stop() == 0
        wait_until(lambda: self._works(self.kigeon, CHILDREN) == len(CHILDREN), what="every role at the first")

    def told(self, message: str, **fields: Any) -> list[dict[str, Any]]:
        """Return the records of both logs with this message and these fields."""
        others = self.other.log() if self.other.log_path.exists() else []
        found = (
            record
            for record in others
            if record["message"] == message and all(record.get(key) == value for key, value in fields.items())
        )
        return [*super().told(message, **fields), *found]

    @staticmethod
    def _works(kigeon: Kigeon, actors: tuple[str, ...]) -> int:
        """Return how many of *actors* run at a replica, as it said last."""
        children = last_status(kigeon)
        return sum(children.get(name, {}).get("ready", False) for name in actors)


def share(rig: Rig) -> None:
    """Have a sender move to the other replica."""
    assert isinstance(rig, SharingRig)
    rig.share()


def fail(rig: Rig) -> None:
    """Have a sender end again and again."""
    for _ in range(FAILS_AFTER):
        rig.replaced("sender/one", rig.kill("sender/one"))


def leave(rig: Rig) -> None:
    """Have the first replica leave, and come again."""
    assert isinstance(rig, SharingRig)
    rig.leave()


MOMENTS = (
    Moment("Standing", "supervisor"),
    *(Moment("Tenured", name) for name in CHILDREN),
    Moment("RoleStopped", "membership", share),
    Moment("Failing", "membership", fail),
    Moment("Leave", "membership", leave),
    Moment("Start", "membership", kill("membership")),
    Moment("Ping", "membership"),
    Moment("Stop", "membership", leave),
)
"""Every message that is sent only where there are replicas, and every one that the Membership is sent."""
