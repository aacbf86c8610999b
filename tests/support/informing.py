"""An informer at work against the stand-in API server, and a handler that remembers."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

from kigeon.kube.access import ClusterAccess
from kigeon.kube.informer import Informer
from kigeon.kube.lines import WatchEvent
from kigeon.kube.source import ClusterSource
from kigeon.kube.watch import Resource
from kigeon.standin.apiserver import ApiServer
from tests.support.events import make_event
from tests.support.processes import wait_until

EVENTS = Resource("/api/v1/events")


class Seen:
    """A handler that remembers what it was handed, and may be held."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.versions: list[str] = []
        self.reasons: list[str] = []
        self.skipped = 0
        self.pauses: list[float] = []
        self.free = Event()
        self.free.set()

    def on_list_page(self, items: Sequence[tuple[dict[str, Any], bytes]], resource_version: str) -> None:
        self.names += [item["metadata"]["name"] for item, _ in items]
        self.versions.append(resource_version)

    def on_events(self, lines: Sequence[WatchEvent]) -> None:
        self.free.wait()
        self.names += [line.object["metadata"]["name"] for line in lines if line.type != "BOOKMARK"]

    def on_early_events(self, lines: Sequence[WatchEvent]) -> None:
        self.free.wait()
        self.names += [line.object["metadata"]["name"] for line in lines if line.type != "BOOKMARK"]

    def on_relist(self, reason: str, resume_from: str) -> None:
        self.reasons.append(reason)

    def on_unreadable(self, count: int) -> None:
        self.skipped += count

    def on_backoff(self, seconds: float) -> None:
        self.pauses.append(seconds)


@contextmanager
def informing(
    api: ApiServer, folder: Path, silence: float = 60.0, resume_from: str = "", early: bool = False
) -> Iterator[Seen]:
    """Have an informer at work for the length of a block."""
    access = ClusterAccess(ClusterSource(api.write_kubeconfig(folder / "config")))
    seen = Seen()
    informer = Informer(access, EVENTS, seen, resume_from, silence, watches_early=early)
    thread = Thread(target=informer.run)
    thread.start()
    try:
        yield seen
    finally:
        seen.free.set()
        informer.stop()
        api.resume()
        thread.join(10)
        assert not thread.is_alive()


def put(api: ApiServer, *numbers: int) -> None:
    api.put_events(make_event(number) for number in numbers)


def name(number: int) -> str:
    return f"web-{number}.17a"


def wait_for(seen: Seen, *numbers: int) -> None:
    wait_until(lambda: {name(number) for number in numbers} <= set(seen.names))
