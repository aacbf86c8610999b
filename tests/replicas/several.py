"""Several kigeons on one JetStream, as their user runs them, and how long nothing arrived while one took over."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import orjson

from kigeon.leases.member import TIMING
from tests.support.events import assert_once
from tests.support.flow import Flow
from tests.support.kigeon import Api, Kigeon, loki_sender
from tests.support.loki import Loki
from tests.support.processes import freeze, wait_until

PIPELINE = "pipeline"

WRONG_CLOCK = """
import time
true_time = time.time
time.time = lambda: true_time() + {seconds}
"""
"""A module ``sitecustomize`` for a replica whose wall clock is wrong."""

TAIL = 256 * 1024
"""Bytes of a log in which the last status is looked for."""


class Several:
    """A context manager: within it as many replicas run as are started; they have ended when it is left.

    *queue* is the section ``queue`` of all of them, *lokis* the destinations by the name of the sender. Other
    *senders* are those to destinations of another kind.
    """

    def __init__(
        self,
        folder: Path,
        api: Api,
        queue: Mapping[str, Any],
        lokis: Mapping[str, Loki],
        senders: Sequence[dict[str, Any]] = (),
    ) -> None:
        self._folder = folder
        self._api = api
        self._queue = queue
        self._senders = [*(loki_sender(loki, name) for name, loki in lokis.items()), *senders]
        self.lokis = lokis
        self.all: list[Kigeon] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for replica in self.all:
            if not replica.has_ended:
                thaw(replica)
            replica.kill_tree()

    def start(
        self,
        count: int = 1,
        api: Api | None = None,
        url: str = "",
        environ: Mapping[str, str] | None = None,
        prepare: Callable[[], None] | None = None,
    ) -> Kigeon:
        """Start more replicas; return the last of them when all take part.

        They reach the cluster by *api*, the queue at *url*, with more in their environment, where that is said.
        *prepare* is done in their processes before they are executed.
        """
        for _ in range(count):
            queue = {**self._queue, **({"url": url} if url else {})}
            replica = Kigeon(self._folder / f"replica-{len(self.all)}", api or self._api, self._senders, queue=queue)
            replica.environ.update(environ or {})
            replica.prepare = prepare
            self.all.append(replica)
            replica.start()
        wait_until(lambda: all(standing(replica) for replica in self.all), what="the replicas' standing")
        return self.all[-1]

    @property
    def running(self) -> list[Kigeon]:
        """Those that run."""
        return [replica for replica in self.all if not replica.has_ended]

    def holder(self, role: str) -> Kigeon:
        """Return who works at *role*, once somebody does."""
        found = wait_until(lambda: [each for each in self.running if role in works_at(each)], what=role)
        return found[0]

    def spread(self) -> list[int]:
        """Return how many senders each that runs works at."""
        return sorted(len(works_at(replica) - {PIPELINE}) for replica in self.running)

    def finish(self, flow: Flow) -> None:
        """Let no more come; see that each event arrived once, and that the accounts of all agree with it."""
        events = flow.stop()
        for loki in self.lokis.values():
            loki.wait_for(len(events), timeout=60)
            assert_once(loki.lines, events)
            assert not loki.malformed
        for replica in self.running:
            wait_until(lambda replica=replica: _is_told(replica.ask("status"), len(events)), what="the accounts")


def _is_told(status: Mapping[str, Any], count: int) -> bool:
    """Whether the accounts say that *count* events were received once, and sent."""
    senders = status["senders"].values()
    return status["watcher"]["stored"] == count and all(
        (told["sent"], told["waiting"], told["unaccounted"]) == (count, 0, 0) for told in senders
    )


def told(replica: Kigeon) -> Mapping[str, Any]:
    """Return what a replica logged last of its actors, nothing before it did. It is read from the log's end."""
    if not replica.log_path.exists():
        return {}
    with replica.log_path.open("rb") as log:
        log.seek(max(log.seek(0, os.SEEK_END) - TAIL, 0))
        *lines, _ = log.read().split(b"\n")
    found = next((line for line in reversed(lines) if b'"message":"status"' in line and line.startswith(b"{")), None)
    children: Mapping[str, Any] = orjson.loads(found)["children"] if found else {}
    return children


def standing(replica: Kigeon) -> Mapping[str, Any]:
    """Return what its Membership told last."""
    membership: Mapping[str, Any] = told(replica).get("membership", {})
    return membership if "holders" in membership else {}


def works_at(replica: Kigeon) -> frozenset[str]:
    """Return the roles whose actors run at a replica."""
    running = {name for name, child in told(replica).items() if child["ready"]}
    pipeline = {PIPELINE} if {"watcher", "deduplicator", "queue"} <= running else set()
    return frozenset(pipeline | {f"sender.{name[7:]}" for name in running if name.startswith("sender/")})


def stop_all(replica: Kigeon) -> None:
    """Let every process of a replica hang."""
    for pid in replica.tree():
        freeze(pid)


def thaw(replica: Kigeon) -> None:
    """Let every process of a replica go on."""
    for pid in replica.tree():
        try:
            os.kill(pid, signal.SIGCONT)
        except ProcessLookupError:
            continue


def watched(
    replicas: Several, disturb: Callable[[], object], record: Callable[[str, object], None], within: float = 60.0
) -> dict[str, float]:
    """Disturb a flow of events; return for how long at most nothing arrived, by sender, until it flows again.

    It has to flow again *within* so many seconds.
    """
    for loki in replicas.lokis.values():
        loki.wait_for(200)
    with pauses(replicas.lokis) as found:
        disturb()
        flowing(replicas, within)
    longest = {name: round(pause.longest, 2) for name, pause in found.items()}
    record("longest pauses", longest)
    record("repeats", {name: loki.repeats for name, loki in replicas.lokis.items()})
    return longest


def flowing(replicas: Several, within: float = 30.0) -> None:
    """Wait until what comes now arrives everywhere."""
    for loki in replicas.lokis.values():
        loki.wait_for(len(loki.held) + 500, within)


TAKEOVER = 10.0
"""Seconds until another goes on with what one did that is gone or hangs."""

LEASE = TIMING.lease


def on_this_machine(seconds: float) -> float:
    """Return what so many *seconds* come to where others want the processors, too."""
    return seconds * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


class Pause:
    """Watches what arrives, and for how long nothing did at most, in seconds."""

    def __init__(self, loki: Loki) -> None:
        self._loki = loki
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.longest = 0.0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        count, since = len(self._loki.held), time.monotonic()
        while not self._stop.wait(0.005):
            now, found = time.monotonic(), len(self._loki.held)
            self.longest = max(self.longest, now - since)
            if found != count:
                count, since = found, now


@contextmanager
def pauses(lokis: Mapping[str, Loki]) -> Iterator[dict[str, Pause]]:
    """Watch each of *lokis*."""
    found = {name: Pause(loki) for name, loki in lokis.items()}
    for pause in found.values():
        pause.__enter__()
    try:
        yield found
    finally:
        for pause in found.values():
            pause.__exit__()
