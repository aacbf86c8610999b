"""Everything that can happen to three replicas happens at random while events flow; at the end each is accounted for.

``python -m tests.replicas.chaos --minutes 5 --seed 7`` on one nats-server, ``--servers 3`` on a cluster of three. It
prints what was done and for how long nothing arrived after it, and ends with the median, the 99th percentile and the
maximum.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from random import Random

from kigeon.standin.apiserver import ApiServer
from tests.replicas.several import Several, flowing, pauses, stop_all, thaw
from tests.support.flow import Flow
from tests.support.kigeon import Kigeon
from tests.support.loki import Loki
from tests.support.nats import NatsCluster, NatsNode
from tests.support.processes import wait_until

REPLICAS = 3


class Chaos:
    """What can happen, by the name of a method; each leaves as many replicas as there were."""

    def __init__(self, replicas: Several, servers: list[NatsNode], random: Random) -> None:
        self._replicas = replicas
        self._servers = servers
        self._random = random

    def kill_a_replica(self) -> None:
        """Kill every process of one at once; another comes."""
        self._one().kill_tree()
        self._replicas.start()

    def stop_a_replica(self) -> None:
        """End one as a user does; another comes."""
        assert self._one().stop() == 0
        self._replicas.start()

    def roll_a_replica(self) -> None:
        """Another comes, then one leaves."""
        leaving = self._one()
        self._replicas.start()
        assert leaving.stop() == 0

    def suspend_a_replica(self) -> None:
        """Let one hang for a while, which may be longer than a lease."""
        replica = self._one()
        stop_all(replica)
        self._rest(0.5, 12.0)
        thaw(replica)

    def kill_a_process(self) -> None:
        """Kill one process of one replica, not its root."""
        below = self._one().tree()[1:]
        if below:
            os.kill(self._random.choice(below), signal.SIGKILL)

    def suspend_a_process(self) -> None:
        """Let one process of one replica hang for a while."""
        below = self._one().tree()[1:]
        if not below:
            return
        pid = self._random.choice(below)
        for number, least in ((signal.SIGSTOP, 0.5), (signal.SIGCONT, 0.0)):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                return
            self._rest(least, 10.0 if least else 0.1)

    def kill_a_server(self) -> None:
        """Kill a nats-server; it comes back."""
        server = self._random.choice(self._servers)
        server.kill()
        self._rest(0.0, 4.0)
        server.start()

    def _one(self) -> Kigeon:
        return self._random.choice(self._replicas.running)

    def _rest(self, least: float, most: float) -> None:
        until = time.monotonic() + self._random.uniform(least, most)
        wait_until(lambda: time.monotonic() >= until, what="the time")

    @property
    def actions(self) -> list[Callable[[], None]]:
        """All of them."""
        return [
            self.kill_a_replica,
            self.stop_a_replica,
            self.roll_a_replica,
            self.suspend_a_replica,
            self.kill_a_process,
            self.suspend_a_process,
            self.kill_a_server,
        ]


def say(text: str) -> None:
    """Write a line."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def run(folder: Path, minutes: float, seed: int, size: int) -> list[float]:
    """Return for how long nothing arrived after each thing that was done, in seconds."""
    random, found = Random(seed), []
    with ExitStack() as stack:
        api = stack.enter_context(ApiServer())
        lokis = {name: stack.enter_context(Loki()) for name in ("one", "two")}
        if size > 1:
            cluster = stack.enter_context(NatsCluster(folder / "nats", size))
            servers, queue = cluster.nodes, cluster.queue(folder / "queue", replicas=size)
        else:
            server = stack.enter_context(NatsNode(folder / "nats"))
            servers, queue = [server], {"url": server.url}
        replicas = stack.enter_context(Several(folder, api, queue, lokis))
        replicas.start(REPLICAS)
        flow = stack.enter_context(Flow(api))
        for loki in lokis.values():
            loki.wait_for(100)
        chaos, until = Chaos(replicas, servers, random), time.monotonic() + 60 * minutes
        while time.monotonic() < until:
            action = random.choice(chaos.actions)
            with pauses(lokis) as longest:
                action()
                flowing(replicas)
            found.append(max(pause.longest for pause in longest.values()))
            say(f"{len(found):4} {action.__name__:20} {found[-1]:6.2f} s")
        replicas.finish(flow)
        repeats = {name: loki.repeats for name, loki in lokis.items()}
        say(f"{len(flow.events)} events: none lost, none doubled; repeats that Loki dropped: {repeats}")
    return found


def main() -> None:
    """Run as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--servers", type=int, default=1, choices=(1, 3))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="replicas-") as folder:
        found = sorted(run(Path(folder), given.minutes, given.seed, given.servers))
    high = found[min(int(len(found) * 0.99), len(found) - 1)]
    say(f"pauses: median {statistics.median(found):.2f} s, p99 {high:.2f} s, maximum {found[-1]:.2f} s")


if __name__ == "__main__":
    main()
