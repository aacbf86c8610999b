"""What can happen to replicas, their nats-servers, and the network between them; each leaves as many as there were."""

from __future__ import annotations

import os
import resource
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from kigeon.standin.apiserver import ApiServer
from tests.replicas.cable import Cable
from tests.replicas.several import WRONG_CLOCK, Several, stop_all, thaw
from tests.support.kigeon import Kigeon
from tests.support.nats import NatsCluster, NatsNode
from tests.support.processes import is_running, wait_until

CLOCKS = (0, 0, 0, 3600, -3600)
"""By how many seconds a replica's wall clock is wrong."""


@dataclass(slots=True)
class Wired:
    """A replica, and the cables by which it reaches the API server and each nats-server."""

    kigeon: Kigeon
    api: Cable
    queue: list[Cable]
    stack: ExitStack = field(default_factory=ExitStack)


class Strikes:
    """Each method is a strike; :attr:`all` has them. *queue* is the section ``queue`` of each replica."""

    def __init__(
        self, folder: Path, api: ApiServer, replicas: Several, servers: list[NatsNode], random: Random
    ) -> None:
        self._folder = folder
        self._api = api
        self._replicas = replicas
        self._servers = servers
        self._random = random
        self._wired: list[Wired] = []

    def start_one(self) -> None:
        """Start a replica with cables of its own, its wall clock right or wrong."""
        stack = ExitStack()
        api = stack.enter_context(Cable(self._api.url, self._api.token))
        queue = [stack.enter_context(Cable(server.url)) for server in self._servers]
        environ = self._clock(self._random.choice(CLOCKS))
        url = ",".join(cable.url for cable in queue)
        kigeon = self._replicas.start(api=api, url=url, environ=environ)
        self._wired.append(Wired(kigeon, api, queue, stack))

    def close(self) -> None:
        """Take the cables away."""
        for wired in self._wired:
            wired.stack.close()

    def _clock(self, wrong: int) -> dict[str, str]:
        folder = self._folder / f"clock{wrong}"
        folder.mkdir(exist_ok=True)
        (folder / "sitecustomize.py").write_text(WRONG_CLOCK.format(seconds=wrong))
        return {"PYTHONPATH": str(folder)} if wrong else {}

    # --------------------------------------------------------------------------------------------------- replicas

    def kill_a_replica(self) -> None:
        """Kill every process of one at once; another comes."""
        self._kill(self._one())
        self.start_one()

    def stop_a_replica(self) -> None:
        """End one as a user does; another comes."""
        self._stop(self._one())
        self.start_one()

    def roll_a_replica(self) -> None:
        """Another comes, then one leaves."""
        leaving = self._one()
        self.start_one()
        self._stop(leaving)

    def suspend_a_replica(self) -> None:
        """Let one hang for a while, which may be longer than a lease."""
        replica = self._one().kigeon
        stop_all(replica)
        self._rest(0.5, 12.0)
        thaw(replica)

    # -------------------------------------------------------------------------------------------------- processes

    def kill_a_process(self) -> None:
        """Kill one process of one replica, not its root."""
        for pid in self._below():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def suspend_a_process(self) -> None:
        """Let one process of one replica hang for a while."""
        for pid in self._below():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
                self._rest(0.5, 10.0)
                os.kill(pid, signal.SIGCONT)

    def starve_a_process(self) -> None:
        """Let one process of one replica have no more memory for a while."""
        for pid in self._below():
            with suppress(ProcessLookupError):
                resource.prlimit(pid, resource.RLIMIT_AS, (1, resource.RLIM_INFINITY))
                self._rest(0.5, 5.0)
                resource.prlimit(pid, resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    # ---------------------------------------------------------------------------------------------------- network

    def cut_off_from_the_api_server(self) -> None:
        """Let what one replica and the API server send each other not arrive for a while."""
        self._cut([self._one().api])

    def cut_off_from_the_queue(self) -> None:
        """The same of one replica and every nats-server."""
        self._cut(self._one().queue)

    def cut_off_from_a_server(self) -> None:
        """The same of one replica and one nats-server."""
        self._cut([self._random.choice(self._one().queue)])

    def cut_off_from_everything(self) -> None:
        """The same of one replica and everything but its destinations."""
        wired = self._one()
        self._cut([wired.api, *wired.queue])

    # ---------------------------------------------------------------------------------------------------- servers

    def kill_a_server(self) -> None:
        """Kill a nats-server; it comes back."""
        server = self._random.choice(self._servers)
        server.kill()
        self._rest(0.0, 4.0)
        server.start()

    def stop_a_server(self) -> None:
        """End a nats-server as a service manager does; it comes back."""
        server = self._random.choice(self._servers)
        server.stop()
        self._rest(0.0, 2.0)
        server.start()

    def suspend_a_server(self) -> None:
        """Let a nats-server hang for a while."""
        server = self._random.choice(self._servers)
        server.freeze()
        self._rest(0.5, 10.0)
        server.thaw()

    # ----------------------------------------------------------------------------------------------------- inside

    @property
    def all(self) -> list[Callable[[], None]]:
        """Every strike."""
        return [
            self.kill_a_replica,
            self.stop_a_replica,
            self.roll_a_replica,
            self.suspend_a_replica,
            self.kill_a_process,
            self.suspend_a_process,
            self.starve_a_process,
            self.cut_off_from_the_api_server,
            self.cut_off_from_the_queue,
            self.cut_off_from_a_server,
            self.cut_off_from_everything,
            self.kill_a_server,
            self.stop_a_server,
            self.suspend_a_server,
        ]

    def _one(self) -> Wired:
        return self._random.choice(self._wired)

    def _kill(self, wired: Wired) -> None:
        wired.kigeon.kill_tree()
        self._forget(wired)

    def _stop(self, wired: Wired) -> None:
        assert wired.kigeon.stop() == 0
        self._forget(wired)

    def _forget(self, wired: Wired) -> None:
        self._wired.remove(wired)
        wired.stack.close()

    def _below(self) -> list[int]:
        """Return one process below a replica's root, if there is one."""
        below = [pid for pid in self._one().kigeon.tree()[1:] if is_running(pid)]
        return [self._random.choice(below)] if below else []

    def _cut(self, cables: list[Cable]) -> None:
        for cable in cables:
            cable.cut()
        self._rest(0.5, 12.0)
        for cable in cables:
            cable.mend()

    def _rest(self, least: float, most: float) -> None:
        until = time.monotonic() + self._random.uniform(least, most)
        wait_until(lambda: time.monotonic() >= until, what="the time")


class ClusterStrikes(Strikes):
    """What can happen to a cluster of nats-servers besides."""

    def __init__(self, cluster: NatsCluster, *others: Any) -> None:
        super().__init__(*others)
        self._cluster = cluster

    def move_a_leader(self) -> None:
        """Have another server lead a stream."""
        streams = ("kigeon-events", "KV_kigeon-state", "kigeon-retry-one", "kigeon-seen")
        self._cluster.step_down(self._random.choice(streams))

    def lose_the_majority(self) -> None:
        """Kill two servers; they come back."""
        lost = self._random.sample(self._servers, 2)
        for server in lost:
            server.kill()
        self._rest(0.0, 6.0)
        for server in lost:
            server.start()

    def lose_a_machine(self) -> None:
        """Kill a replica together with a nats-server; others come."""
        server = self._random.choice(self._servers)
        server.kill()
        self._kill(self._one())
        self._rest(0.0, 4.0)
        server.start()
        self.start_one()

    @property
    def all(self) -> list[Callable[[], None]]:
        """Every strike."""
        return [*super().all, self.move_a_leader, self.lose_the_majority, self.lose_a_machine]
