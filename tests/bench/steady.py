"""What an ordinary day costs: ``python -m tests.bench.steady [--rounds N] [--seconds S] [--other PYTHON] [--cluster]``.

Events at 0, 20, 200 and 2,000 a second, one stream. kigeon runs as its user runs it; the stand-ins run in this process,
on the same processors. It prints how much of a core each process of kigeon's takes, how often its threads are woken,
and all of them together; the latency of an event, from its creation in the API server to its being held, the n-th held
being taken for the n-th made; that of an event after a silence; and the memory (PSS) of the whole tree. The *floor* is
what :mod:`tests.bench.floor` takes for the same. ``--other`` is the Python of another installation of kigeon (an
earlier version): it is measured in the same turns, so that what else the machine does falls on all alike.
``--profile FOLDER`` draws what each process does as flames (:mod:`tests.bench.profiling`); figures are then higher.
``--cluster`` measures kigeon on a JetStream cluster of three nats-servers, each stream on all three, too; they run on
the same processors and disk, and count together as ``nats-server``.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from statistics import median

from kigeon.standin.apiserver import ApiServer
from tests.bench.profiling import profiled
from tests.bench.streams import wait_for_lines
from tests.support.events import make_event
from tests.support.kigeon import Kigeon, loki_sender
from tests.support.loki import Loki
from tests.support.nats import NatsCluster
from tests.support.processes import children, end_with, proportional_memory, title

RATES = (0, 20, 200, 2000)
STEP = 0.005
"""Seconds between two puts, at the least; at high rates several events are put at once."""

SETTLED = 2.0
"""Seconds after the first event until nothing of the start goes on."""

SILENCE = 0.6
SINGLE_EVENTS = 9

Figures = dict[str, float]
Roles = Callable[[], dict[int, str]]
"""Says what each process is for."""


class Cluster:
    """The stand-ins, and how many events were made so far."""

    def __init__(self, api: ApiServer, loki: Loki) -> None:
        self.api, self.loki = api, loki
        self.made = 0

    def put(self, count: int) -> None:
        """Make *count* events."""
        self.api.put_events(make_event(self.made + number) for number in range(count))
        self.made += count

    def await_all(self) -> None:
        """Return when Loki holds every event."""
        wait_for_lines(self.loki, self.made)

    def catch_up(self) -> None:
        """Return when nothing is on its way any more that would be counted with what comes next."""
        self.await_all()

    def latency(self) -> float:
        """Return the seconds from an event's creation to its being held."""
        began = time.monotonic()
        self.put(1)
        self.await_all()
        return self.loki.pushes[-1].time - began


Run = Callable[[Cluster], AbstractContextManager[Roles]]


def _running(python: str) -> Run:
    return lambda cluster: kigeon(python, cluster)


@contextmanager
def kigeon(python: str, cluster: Cluster) -> Iterator[Roles]:
    """Run *python*'s kigeon."""
    with tempfile.TemporaryDirectory() as folder:
        running = Kigeon(
            Path(folder) / "kigeon", cluster.api, [loki_sender(cluster.loki)], global_={"logLevel": "info"}
        )
        running.python = python
        with running:
            yield lambda: roles_of(running)


def roles_of(running: Kigeon) -> dict[int, str]:
    """Return what each process of *running* is for."""
    started = [(line["pid"], line["actor"]) for line in running.log() if line["message"] == "started"]
    actors = {pid: "pipeline" if [found for found, _ in started].count(pid) > 1 else name for pid, name in started}
    roles = {pid: actors.get(pid, "logger") for pid in running.tree()}
    for pid in roles:
        below = {actors.get(child, "") for child in children(pid)}
        if {"watcher", "pipeline"} & below:
            roles[pid] = "supervisor"
        elif below and pid != running.pid:
            roles[pid] = "admin"
        for part, role in (("nats-server", "nats-server"), ("kigeon.http", "http")):
            if part in title(pid):
                roles[pid] = role
    return {**roles, running.pid: "root"}


@contextmanager
def on_three_servers(cluster: Cluster) -> Iterator[Roles]:
    """Run this kigeon on a JetStream cluster."""
    with tempfile.TemporaryDirectory() as folder, NatsCluster(Path(folder) / "nats") as servers:
        running = Kigeon(
            Path(folder) / "kigeon",
            cluster.api,
            [loki_sender(cluster.loki)],
            global_={"logLevel": "info"},
            queue=servers.queue(Path(folder) / "secrets"),
        )
        with running:
            yield lambda: {**roles_of(running), **{node.pid: "nats-server" for node in servers.nodes}}


@contextmanager
def floor(cluster: Cluster) -> Iterator[Roles]:
    """Run the least that does the same."""
    with tempfile.TemporaryDirectory() as folder:
        kubeconfig = cluster.api.write_kubeconfig(Path(folder) / "kubeconfig")
        command = [sys.executable, "-m", "tests.bench.floor", str(kubeconfig), cluster.loki.url, f"{folder}/events"]
        process = subprocess.Popen(command, preexec_fn=end_with(os.getpid()))
        try:
            yield lambda: {process.pid: "floor"}
        finally:
            process.kill()
            process.wait()


def measure(cluster: Cluster, roles: Roles, seconds: float, profile: Path | None = None) -> dict[str, Figures]:
    """Return the figures of each rate; where a folder for it is given, *profile* each process at each."""
    cluster.api.wait_for_watches(timeout=30.0)
    cluster.latency()
    time.sleep(SETTLED)
    found = {}
    for rate in RATES:
        with profiled(profile and profile / f"{rate}-per-second", roles()):
            found[f"{rate} events/s"] = at_rate(cluster, roles(), rate, seconds)
    time.sleep(SILENCE)
    found["0 events/s"]["after a silence, ms"] = median(_after_silence(cluster) for _ in range(SINGLE_EVENTS)) * 1e3
    return found


def at_rate(cluster: Cluster, roles: dict[int, str], rate: int, seconds: float) -> Figures:
    """Return the figures of one rate, over so many *seconds*."""
    held, used, began = cluster.made, {pid: (processor(pid), wakes(pid)) for pid in roles}, time.monotonic()
    made = put_steadily(cluster.put, rate, seconds)
    # What is on its way is not left to the next rate.
    cluster.catch_up()
    took = time.monotonic() - began
    names = ("all", *sorted(set(roles.values())))
    figures = {f"{what}: {role}": 0.0 for what in ("% of a core", "wakes/s") for role in names}
    for pid, role in roles.items():
        seconds_before, wakes_before = used[pid]
        for name in ("all", role):
            figures[f"% of a core: {name}"] += (processor(pid) - seconds_before) / took * 100
            figures[f"wakes/s: {name}"] += (wakes(pid) - wakes_before) / took
    figures["PSS, MiB"] = proportional_memory(list(roles)) / 2**20
    cluster.await_all()
    found = latencies(cluster.loki, held, made)
    if found:
        figures["latency, p50, ms"] = median(found) * 1e3
        figures["latency, p99, ms"] = found[len(found) * 99 // 100] * 1e3
    return figures


def latencies(loki: Loki, held: int, made: Sequence[float]) -> list[float]:
    """Return the seconds from an event's creation to its push, sorted; the n-th pushed is taken for the n-th *made*.

    They came after *held* others.
    """
    pushed = [push.time for push in loki.pushes for _ in range(push.lines)][held:]
    return sorted(at - since for at, since in zip(pushed, made, strict=True))


def put_steadily(put: Callable[[int], object], rate: int, seconds: float) -> list[float]:
    """Have *put* make *rate* events a second, evenly; return when each was made."""
    began = time.monotonic()
    made: list[float] = []
    while (now := time.monotonic()) < began + seconds:
        due = min(int((now - began) * rate) + 1, int(rate * seconds)) - len(made)
        if due > 0:
            made += [now] * due
            put(due)
        time.sleep(max(STEP, 1 / rate) if rate else seconds)
    return made


def _after_silence(cluster: Cluster) -> float:
    time.sleep(SILENCE)
    return cluster.latency()


def processor(pid: int) -> float:
    """Return the seconds of processor time of a process, by its own clock: /proc counts in hundredths."""
    return time.clock_gettime((~pid << 3) | 2)


def wakes(pid: int) -> int:
    """Return how often a process's threads have slept, and were woken, so far."""
    found = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(OSError):  # A thread that has ended meanwhile.
            status = (task / "status").read_text()
            found += int(status.partition("\nvoluntary_ctxt_switches:")[2].split()[0])
    return found


def tell(what: str, rounds: Sequence[dict[str, Figures]]) -> None:
    """Print the least, the median and the most of each figure."""
    for rate in rounds[0]:
        for name in rounds[0][rate]:
            found = sorted(figures[rate].get(name, 0.0) for figures in rounds)
            line = f"{what:12.12} {rate:14} {name:38} {found[0]:9.2f} {median(found):9.2f} {found[-1]:9.2f}\n"
            sys.stdout.write(line)


def arguments() -> argparse.Namespace:
    """Return what to measure."""
    parser = argparse.ArgumentParser(description="what an ordinary day costs")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0, help="for each rate")
    parser.add_argument("--other", action="append", default=[], help="the Python of another installation")
    parser.add_argument("--profile", type=Path, help="the folder for flame graphs of this kigeon's processes")
    parser.add_argument("--cluster", action="store_true", help="also on a JetStream cluster")
    return parser.parse_args()


def main() -> None:
    """Measure in turns."""
    asked = arguments()
    kinds: dict[str, Run] = {
        "kigeon": _running(sys.executable),
        **({"on three": on_three_servers} if asked.cluster else {}),
        **{f"other {number}": _running(python) for number, python in enumerate(asked.other)},
        "floor": floor,
    }
    found: dict[str, list[dict[str, Figures]]] = {}
    for _ in range(asked.rounds):
        for kind, run in kinds.items():
            with ApiServer() as api, Loki() as loki:
                cluster = Cluster(api, loki)
                with run(cluster) as roles:
                    profile = asked.profile if kind == "kigeon" else None
                    found.setdefault(kind, []).append(measure(cluster, roles, asked.seconds, profile))
    sys.stdout.write(f"{'':66} {'least':>9} {'median':>9} {'most':>9}\n")
    for kind, rounds in found.items():
        tell(kind, rounds)


if __name__ == "__main__":
    main()
