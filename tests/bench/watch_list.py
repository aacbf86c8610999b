"""Everything that is there, once in pages and once by a watch that begins with it (WatchList), from a real API server.

``python -m tests.bench.watch_list 20000 100000``: for each number of Events, what each way takes of time, of kigeon's
processor, and of the API server's and etcd's memory; then how each ends when etcd compacts under it.
"""

from __future__ import annotations

import json
import multiprocessing
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from kigeon.errors import KubernetesError
from kigeon.kube.access import ClusterAccess
from kigeon.kube.chunks import WatchBody
from kigeon.kube.lines import LineSplitter, parse_line, parse_page
from kigeon.kube.reflector import PAGE_SIZE
from kigeon.kube.source import ClusterSource
from tests.conformance.cluster import Cluster
from tests.support.events import make_event

ROUNDS = 5
SLOWLY = 10_000.0
"""Events a second that the slow reader takes."""

BATCH = 500
INITIAL = {
    "watch": "true",
    "sendInitialEvents": "true",
    "resourceVersionMatch": "NotOlderThan",
    "allowWatchBookmarks": "true",
    "timeoutSeconds": "300",
}
END = b"k8s.io/initial-events-end"

Batches = Iterator[list[dict[str, Any]]]


def in_pages(access: ClusterAccess) -> Batches:
    """List as kigeon does; a token that has expired ends it."""
    token = ""
    while True:
        query = {"limit": str(PAGE_SIZE), **({"continue": token} if token else {})}
        try:
            page = parse_page(access.read("/api/v1/events", query))
        except KubernetesError as error:
            if not error.continue_token:
                raise
            token = error.continue_token
            continue
        yield [item for item, _ in page.items]
        token = page.continue_token
        if not token:
            return


def by_watch(access: ClusterAccess) -> Batches:
    """Read what a watch begins with, up to the bookmark that ends it."""
    response, splitter = access.get("/api/v1/events", INITIAL), LineSplitter()
    for chunk in WatchBody(response):
        lines = splitter.feed(chunk)
        parsed = [parse_line(line) for line in lines]
        yield [line.object for line in parsed if line.type == "ADDED"]
        errors = [line.raw for line in parsed if line.type == "ERROR"]
        if errors:
            raise KubernetesError(errors[0].decode()[:300])
        if any(line.type == "BOOKMARK" and END in line.raw for line in parsed):
            response.close()
            return
    raise KubernetesError("the watch ended before it had told everything")


WAYS: dict[str, Callable[[ClusterAccess], Batches]] = {"pages": in_pages, "watch": by_watch}


def read(kubeconfig: Path, way: str, into: Any) -> None:
    """Read everything in a process of its own, and tell what it took."""
    access = ClusterAccess(ClusterSource(kubeconfig))
    before = resource.getrusage(resource.RUSAGE_SELF)
    began, count, first, order = time.monotonic(), 0, 0.0, []
    for batch in WAYS[way](access):
        first = first or (time.monotonic() - began if batch else 0.0)
        count += len(batch)
        order += [(event["metadata"]["namespace"], event["metadata"]["name"]) for event in batch[:1]]
    took = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_SELF)
    into.send(
        {
            "events": count,
            "seconds": took,
            "first": first,
            "processor": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
            "by key": order == sorted(order),
        }
    )


def measured(cluster: Cluster, kubeconfig: Path, way: str) -> dict[str, Any]:
    """Return what one reading takes; the memory of the servers is what they grew by at most, in MiB."""
    servers = {"API server": cluster.api.pid, "etcd": cluster.etcd.pid}
    for pid in servers.values():
        Path(f"/proc/{pid}/clear_refs").write_text("5")
    before = {name: peak(pid) for name, pid in servers.items()}
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=read, args=(kubeconfig, way, theirs))
    process.start()
    found: dict[str, Any] = ours.recv()
    process.join()
    return {**found, **{name: peak(pid) - before[name] for name, pid in servers.items()}}


def peak(pid: int) -> float:
    """Return the most memory that a process had resident since that was last forgotten, in MiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def under_compaction(cluster: Cluster, kubeconfig: Path, way: str, events: int) -> str:
    """Return how a slow reading ends under which something happens, and etcd forgets, twice a second."""
    access, count, compactions = ClusterAccess(ClusterSource(kubeconfig)), 0, 0
    began = due = time.monotonic()
    try:
        for batch in WAYS[way](access):
            for start in range(0, len(batch), BATCH):
                part = batch[start : start + BATCH]
                count += len(part)
                time.sleep(len(part) / SLOWLY)
                if time.monotonic() > due:
                    due, compactions = time.monotonic() + 0.5, compactions + 1
                    cluster.store_events([make_event(0, count=2 + compactions)])
                    cluster.compact()
    except KubernetesError as error:
        return f"{count} of {events} after {time.monotonic() - began:.1f} s: {error}"
    return f"{count} of {events} after {time.monotonic() - began:.1f} s and {compactions} compactions"


def say(what: str, found: object) -> None:
    sys.stdout.write(f"{what}: {json.dumps(found)}\n")
    sys.stdout.flush()


def in_rounds(cluster: Cluster, kubeconfig: Path, way: str) -> dict[str, Any]:
    """Return the middle of what several readings take, and the extremes of their time."""
    rounds = [measured(cluster, kubeconfig, way) for _ in range(ROUNDS)]
    middle = {key: round(statistics.median(one[key] for one in rounds), 2) for key in rounds[0]}
    seconds = [round(one["seconds"], 2) for one in rounds]
    return {**middle, "fastest": min(seconds), "slowest": max(seconds)}


def main() -> None:
    """Measure for each number of Events that is given."""
    with tempfile.TemporaryDirectory() as name, Cluster(Path(name)) as cluster:
        kubeconfig = cluster.write_kubeconfig(Path(name) / "kubeconfig")
        cluster.put_namespace("shop")
        for events in map(int, sys.argv[1:]):
            cluster.clear()
            cluster.store_events(map(make_event, range(events)))
            for way in WAYS:
                say(f"{events} by {way}", in_rounds(cluster, kubeconfig, way))
            for way in WAYS:
                say(f"{events} by {way}, slowly", under_compaction(cluster, kubeconfig, way, events))


if __name__ == "__main__":
    main()
