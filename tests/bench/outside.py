"""What being looked at costs: ``python -m tests.bench.outside [--rounds N] [--seconds S]``.

Events at 200 a second. Of the process that serves HTTP it prints the memory, what a scrape of ``/metrics`` and a load
of the page take of the processor, and how much of a core that is where each comes every 15 seconds, with what it takes
when nobody looks. Then all kinds of visitors come, one after another; before each of them nobody does. Printed is what
changes for the flow: the latency of an event and the processor time of those that work with events, as ratios to the
quiet turn before. The stand-ins run in this process, the visitors in one of their own, on the same processors.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median

from kigeon.standin.apiserver import ApiServer
from tests.bench.memory import size_of
from tests.bench.steady import SETTLED, Cluster, latencies, processor, put_steadily
from tests.support.http import DIRECT, LISTEN, address, get
from tests.support.kigeon import Kigeon, loki_sender
from tests.support.loki import Loki
from tests.support.processes import end_with, wait_until

RATE = 200
SCRAPES = 20
EVERY = 15.0
"""Seconds between two scrapes, as Prometheus is mostly configured."""

REQUESTS = 1000
"""Requests a second, if the machine can make as many."""

MANY = 1000
LARGE = 100 * 2**20
VISITORS = ("requests", "connections", "streams", "slow", "large", "noise")


def main() -> None:
    """Measure, or be a visitor."""
    parser = argparse.ArgumentParser(description="what being looked at costs")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0, help="for each turn")
    parser.add_argument("--visitor", nargs=2, metavar=("KIND", "ADDRESS"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.visitor:
        visit(*asked.visitor)
        return
    with ApiServer() as api, Loki() as loki, tempfile.TemporaryDirectory() as folder:
        cluster = Cluster(api, loki)
        sections = {"global_": {"logLevel": "info"}, "http": LISTEN}
        with Kigeon(Path(folder) / "kigeon", api, [loki_sender(loki)], **sections) as kigeon:
            api.wait_for_watches(timeout=30.0)
            wait_until(lambda: get(kigeon, "/readyz")[0] == 200, what="a kigeon that is ready")
            time.sleep(SETTLED)
            serving = kigeon.process("kigeon.http.process")
            tell_of_scrapes(kigeon, cluster, serving, asked.seconds)
            for kind in VISITORS:
                tell_of_visitors(kigeon, cluster, serving, kind, asked)
            say("memory in the end, PSS, own", size_of(serving, "Pss"), size_of(serving, "Private_Dirty"))


def tell_of_scrapes(kigeon: Kigeon, cluster: Cluster, serving: int, seconds: float) -> None:
    """Print what the process takes unasked, and what it takes when it is asked."""
    began = processor(serving)
    put_steadily(cluster.put, RATE, seconds)
    idle = (processor(serving) - began) / seconds
    costs = {path: cost_of(kigeon, cluster, serving, path) for path in ("/metrics", "/", "/api/status")}
    say("unasked, % of a core", idle * 100)
    for path, cost in costs.items():
        say(f"{path}, ms of the processor", cost * 1e3)
    say(f"/metrics and / every {EVERY:g} s, % of a core", 100 * (idle + (costs["/metrics"] + costs["/"]) / EVERY))
    say("memory, PSS, own", size_of(serving, "Pss"), size_of(serving, "Private_Dirty"))


def cost_of(kigeon: Kigeon, cluster: Cluster, serving: int, path: str) -> float:
    """Return the seconds of the processor for one request, each a second apart: what is fresh is not written again."""
    used = 0.0
    for _ in range(SCRAPES):
        put_steadily(cluster.put, RATE, 1.1)
        before = processor(serving)
        assert get(kigeon, path)[0] == 200
        used += processor(serving) - before
    return used / SCRAPES


def tell_of_visitors(kigeon: Kigeon, cluster: Cluster, serving: int, kind: str, asked: argparse.Namespace) -> None:
    """Print what *kind* of visitors changes, as ratios of what it is with them to what it is without."""
    ratios: list[list[float]] = []
    answered = shares = 0.0
    for _ in range(asked.rounds):
        quiet = turn(kigeon, cluster, serving, asked.seconds)
        with visitors(kind, address(kigeon)) as process:
            loud = turn(kigeon, cluster, serving, asked.seconds)
        answered += float(process.stdout.read() or 0) if process.stdout else 0.0
        shares += loud[-1]
        ratios.append([after / before for before, after in zip(quiet[:3], loud[:3], strict=True)])
    found = [median(column) for column in zip(*ratios, strict=True)]
    say(f"{kind}: latency p50, p99, processor of the flow", *found)
    say(
        f"{kind}: visits a second, % of a core for HTTP", answered / asked.rounds / asked.seconds, shares / asked.rounds
    )


def turn(kigeon: Kigeon, cluster: Cluster, serving: int, seconds: float) -> tuple[float, float, float, float]:
    """Return latency at p50 and p99, seconds of the processor of those that work with events, % of a core of HTTP."""
    held, pids = cluster.made, [pid for pid in kigeon.tree() if pid != serving]
    before, own, began = sum(map(processor, pids)), processor(serving), time.monotonic()
    made = put_steadily(cluster.put, RATE, seconds)
    cluster.await_all()
    took = time.monotonic() - began
    found = latencies(cluster.loki, held, made)
    used = sum(map(processor, pids)) - before
    share = (processor(serving) - own) / took * 100
    return median(found), found[len(found) * 99 // 100], used, share


@contextmanager
def visitors(kind: str, where: str) -> Iterator[subprocess.Popen[str]]:
    """Have visitors for the length of a block; what their process prints is how many visits there were."""
    command = [sys.executable, "-m", "tests.bench.outside", "--visitor", kind, where]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=end_with(os.getpid())
    )
    assert process.stdout is not None
    process.stdout.readline()
    try:
        yield process
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait()


def visit(kind: str, where: str) -> None:
    """Be *kind* of visitors until standard input ends; print how many visits there were."""
    os.set_blocking(0, False)
    host, _, port = where.rpartition(":")
    sys.stdout.write("here\n")
    sys.stdout.flush()
    visits, open_ones, began = 0, list[socket.socket](), time.monotonic()
    while not _is_over():
        due = int((time.monotonic() - began) * REQUESTS)
        with suppress(OSError):
            if kind == "requests" and visits < due:
                visits += DIRECT.open(f"http://{where}/metrics", timeout=10).read() != b""
            elif kind != "requests" and len(open_ones) < MANY:
                open_ones.append(socket.create_connection((host, int(port)), timeout=1))
                visits += 1
                behave(kind, open_ones[-1])
            elif kind in ("large", "noise", "slow"):
                open_ones.pop(0).close()
            else:
                time.sleep(0.0005)
    sys.stdout.write(f"{visits}\n")


def behave(kind: str, visitor: socket.socket) -> None:
    """Do on a new connection what *kind* of visitor does."""
    if kind == "streams":
        visitor.sendall(b"GET /api/stream HTTP/1.1\r\n\r\n")
    elif kind == "slow":
        visitor.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        visitor.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
    elif kind == "noise":
        visitor.sendall(os.urandom(65536))
    elif kind == "large":
        visitor.sendall(b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % LARGE)
        for _ in range(LARGE // 65536):
            visitor.sendall(bytes(65536))


def _is_over() -> bool:
    try:
        return os.read(0, 1) == b""
    except BlockingIOError:
        return False


def say(what: str, *figures: float) -> None:
    """Print *figures*."""
    sys.stdout.write(f"{what:60}" + "".join(f" {figure:9.2f}" for figure in figures) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
