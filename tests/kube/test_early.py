"""A watch that is read beside a list."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from kigeon.kube.access import ClusterAccess
from kigeon.kube.early import EarlyWatch
from kigeon.kube.informer import Informer
from kigeon.kube.lines import WatchEvent
from kigeon.kube.source import ClusterSource
from kigeon.standin.apiserver import ApiServer
from tests.support.events import make_event
from tests.support.informing import EVENTS, Seen, name, put, wait_for
from tests.support.processes import wait_until


class Slow(Seen):
    """Something happens with every page."""

    def __init__(self, with_page: Callable[[int], None]) -> None:
        super().__init__()
        self.with_page = with_page

    def on_list_page(self, items: Sequence[tuple[dict[str, Any], bytes]], resource_version: str) -> None:
        super().on_list_page(items, resource_version)
        self.with_page(len(self.versions))


@contextmanager
def listing_slowly(api: ApiServer, folder: Path, with_page: Callable[[int], None]) -> Iterator[Seen]:
    """Have an informer at work that watches early, for the length of a block."""
    access = ClusterAccess(ClusterSource(api.write_kubeconfig(folder / "config")))
    seen = Slow(with_page)
    informer = Informer(access, EVENTS, seen, watches_early=True)
    thread = Thread(target=informer.run)
    thread.start()
    try:
        yield seen
    finally:
        informer.stop()
        thread.join(10)
        assert not thread.is_alive()


def test_a_list_that_takes_longer_than_the_cluster_keeps_its_history_ends(api: ApiServer, tmp_path: Path) -> None:
    """And what happens meanwhile, among what was listed already, is not missed."""
    put(api, *range(2000))

    def forget(pages: int) -> None:
        api.wait_for_watches()
        api.store.expire_tokens()
        api.store.expire_history()
        if pages < 4:
            api.put_events([make_event(0, count=pages + 1), make_event(3000 + pages)])

    with listing_slowly(api, tmp_path, forget) as seen:
        wait_until(lambda: any(seen.versions))
        wait_for(seen, *range(2000), 3001, 3002, 3003)
        assert seen.names.count(name(0)) == 1 + 3
        put(api, 4000)
        wait_for(seen, 4000)
    assert seen.reasons == []
    assert seen.pauses == []
    assert sum("watch" in request.query for request in api.requests) == 1
    assert [bool(version) for version in seen.versions].count(True) == 1


def test_a_list_is_gone_on_from_no_earlier_than_the_watch_beside_it(api: ApiServer, tmp_path: Path) -> None:
    put(api, *range(600))
    first = api.store.version

    def add(pages: int) -> None:
        api.wait_for_watches()
        if pages == 1:
            # The next page takes a while.
            api.faults.fail_next(1, 503, "page")
            put(api, 700)

    with listing_slowly(api, tmp_path, add) as seen:
        wait_until(lambda: any(seen.versions))
        assert int(seen.versions[-1]) == first + 1


def test_what_comes_between_a_list_and_what_follows_it_is_not_held_with_the_list() -> None:
    told = Event()
    beside: list[Any] = []
    after: list[Any] = []
    ended = WatchEvent("ADDED", {"metadata": {"name": "a", "resourceVersion": "8"}}, b"{}")

    def watch(version: str, is_over: Callable[[], bool]) -> Iterator[list[WatchEvent]]:
        told.wait()
        yield [ended]

    def take(lines: Sequence[WatchEvent]) -> bool:
        after.extend(lines)
        return True

    early = EarlyWatch("7", "7", watch, beside.extend)
    assert early.complete(lambda version: None)
    told.set()
    assert early.go_on(take) == 1
    assert (beside, after) == ([], [ended])


@pytest.mark.parametrize("lost", ["drop", "close", "expire"])
def test_a_watch_beside_a_list_may_be_lost(api: ApiServer, tmp_path: Path, lost: str) -> None:
    """It is made anew; where it can't be, the list is."""
    put(api, *range(1200))

    def lose(pages: int) -> None:
        if pages == 1:
            api.wait_for_watches()
            put(api, 2000)
            api.faults.fail_next(1, 503, "page")
            if lost == "expire":
                api.store.expire_history()
            api.faults.end_watches(lost)
            put(api, 2001)

    with listing_slowly(api, tmp_path, lose) as seen:
        wait_for(seen, *range(1200), 2000, 2001)
        wait_until(lambda: any(seen.versions))
        put(api, 2002)
        wait_for(seen, 2002)
    assert not seen.reasons or lost == "expire"
