"""Everything that can happen to three replicas happens at random while events flow; at the end each is accounted for.

``python -m tests.replicas.chaos --minutes 5 --seed 7`` on one nats-server, ``--servers 3`` on a cluster of three. It
prints what was done and for how long nothing arrived meanwhile, and ends with the median, the 99th percentile and the
maximum. ``--pauses FILE`` adds them to a file as lines of JSON, of which ``--summary FILE`` tells the same.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Self

import orjson

from kigeon.standin.apiserver import ApiServer
from tests.replicas.several import Several, flowing, pauses
from tests.replicas.strikes import ClusterStrikes, Strikes
from tests.support.flow import Flow
from tests.support.loki import Loki
from tests.support.nats import NatsCluster, NatsNode

REPLICAS = 3

AT_ONCE = (1, 1, 1, 2)
"""How many strikes follow one another without a rest."""

PATIENCE = 90.0
"""Seconds for events to flow again."""


@dataclass(frozen=True, slots=True)
class Found:
    """For how many seconds nothing arrived while *strike* was done, and until events flowed again."""

    strike: str
    servers: int
    seconds: float


class Chaos:
    """A context manager: within it replicas run on so many nats-servers, while events flow."""

    def __init__(self, folder: Path, size: int, random: Random) -> None:
        self._folder = folder
        self._size = size
        self._random = random
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            api = stack.enter_context(ApiServer())
            self.lokis = {name: stack.enter_context(Loki()) for name in ("one", "two")}
            self._strikes = self._prepare(stack, api)
            stack.callback(self._strikes.close)
            for _ in range(REPLICAS):
                self._strikes.start_one()
            self.flow = stack.enter_context(Flow(api, pause=0.02))
            for loki in self.lokis.values():
                loki.wait_for(100)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def _prepare(self, stack: ExitStack, api: ApiServer) -> Strikes:
        if self._size > 1:
            cluster = stack.enter_context(NatsCluster(self._folder / "nats", self._size))
            queue = cluster.queue(self._folder / "queue", replicas=self._size)
            self.replicas = stack.enter_context(Several(self._folder, api, queue, self.lokis))
            return ClusterStrikes(cluster, self._folder, api, self.replicas, cluster.nodes, self._random)
        server = stack.enter_context(NatsNode(self._folder / "nats"))
        self.replicas = stack.enter_context(Several(self._folder, api, {"url": server.url}, self.lokis))
        return Strikes(self._folder, api, self.replicas, [server], self._random)

    def strike(self) -> Found:
        """Do something, and wait until events flow again."""
        chosen = self._random.choices(self._strikes.all, k=self._random.choice(AT_ONCE))
        name = " + ".join(strike.__name__ for strike in chosen)
        say(f"     {time.strftime('%X')} {name}")
        with pauses(self.lokis) as longest:
            for strike in chosen:
                strike()
            flowing(self.replicas, PATIENCE)
        return Found(name, self._size, round(max(pause.longest for pause in longest.values()), 2))

    def finish(self) -> None:
        """See that each event arrived once, and that the accounts of all replicas agree with it."""
        self.replicas.finish(self.flow)
        repeats = {name: loki.repeats for name, loki in self.lokis.items()}
        say(f"{len(self.flow.events)} events: none lost, none doubled; repeats that Loki dropped: {repeats}")


def say(text: str) -> None:
    """Write a line."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def run(folder: Path, given: argparse.Namespace) -> list[Found]:
    """Return for how long nothing arrived after each thing that was done."""
    found: list[Found] = []
    with Chaos(folder, given.servers, Random(given.seed)) as chaos:
        until = time.monotonic() + 60 * given.minutes
        while time.monotonic() < until:
            found.append(chaos.strike())
            say(f"{len(found):4} {found[-1].strike:45} {found[-1].seconds:6.2f} s")
            if given.pauses is not None:
                with given.pauses.open("ab") as file:
                    file.write(orjson.dumps(asdict(found[-1])) + b"\n")
        chaos.finish()
    return found


def tell(found: Iterable[Found]) -> None:
    """Write what the pauses come to: of each strike that was done alone, and of all."""
    by_strike: dict[str, list[float]] = {}
    for each in found:
        by_strike.setdefault(each.strike if " + " not in each.strike else "two at once", []).append(each.seconds)
    by_strike = dict(sorted(by_strike.items())) | {"all": [value for values in by_strike.values() for value in values]}
    for name, values in by_strike.items():
        high = sorted(values)[min(int(len(values) * 0.99), len(values) - 1)]
        middle = statistics.median(values)
        say(f"{name:32} {len(values):4} median {middle:5.2f} s, p99 {high:5.2f} s, maximum {max(values):5.2f} s")


def main() -> None:
    """Run as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--servers", type=int, default=1, choices=(1, 3))
    parser.add_argument("--folder", type=Path, help="where logs and data stay; by default nothing stays")
    parser.add_argument("--pauses", type=Path, help="the file to which the pauses are added")
    parser.add_argument("--summary", type=Path, help="tell of such a file, and do nothing else")
    given = parser.parse_args()
    if given.summary is not None:
        tell(Found(**orjson.loads(line)) for line in given.summary.read_bytes().splitlines())
        return
    with ExitStack() as stack:
        if given.folder is None:
            given.folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="replicas-")))
        given.folder.mkdir(exist_ok=True)
        tell(run(given.folder, given))


if __name__ == "__main__":
    main()
