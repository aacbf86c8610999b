"""The informer against the stand-in API server, which misbehaves."""

from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest

from kigeon.kube.access import ClusterAccess
from kigeon.kube.informer import Informer
from kigeon.kube.source import ClusterSource
from kigeon.standin.apiserver import ApiServer
from tests.support.informing import EVENTS, Seen, informing, name, put, wait_for
from tests.support.processes import wait_until


def test_a_list_in_pages_then_a_watch(api: ApiServer, tmp_path: Path) -> None:
    put(api, *range(1200))
    with informing(api, tmp_path) as seen:
        wait_for(seen, *range(1200))
        assert [bool(version) for version in seen.versions] == [False, False, True]
        put(api, 1200)
        wait_for(seen, 1200)
    assert len(seen.names) == 1201


@pytest.mark.parametrize("how", ["close", "drop"])
def test_a_watch_that_ends_is_resumed_where_it_was(api: ApiServer, tmp_path: Path, how: str) -> None:
    with informing(api, tmp_path) as seen:
        api.wait_for_watches()
        put(api, 1)
        wait_for(seen, 1)
        api.faults.end_watches(how)
        put(api, 2)
        wait_for(seen, 2)
    assert seen.names == [name(1), name(2)]
    assert seen.reasons == []


def expire_under_way(api: ApiServer) -> None:
    api.faults.end_watches("expire")


def expire_while_away(api: ApiServer) -> None:
    put(api, 50)
    api.store.expire_history()
    api.faults.end_watches("close")


def answer_gone(api: ApiServer) -> None:
    api.faults.fail_next(1, 410, "watch")
    api.faults.end_watches("close")


@pytest.mark.parametrize("expire", [expire_under_way, expire_while_away, answer_gone])
def test_an_expired_version_is_listed_anew(api: ApiServer, tmp_path: Path, expire: Callable[[ApiServer], None]) -> None:
    with informing(api, tmp_path, resume_from="1000") as seen:
        api.wait_for_watches()
        put(api, 1)
        wait_for(seen, 1)
        expire(api)
        wait_until(lambda: seen.reasons)
        put(api, 2)
        wait_for(seen, 1, 2)
    assert seen.names.count(name(1)) == 2


def test_a_continue_token_that_expires_begins_the_list_anew(api: ApiServer, tmp_path: Path) -> None:
    put(api, *range(600))
    api.faults.latency = 0.05
    with informing(api, tmp_path) as seen:
        wait_until(lambda: seen.names)
        api.store.expire_tokens(for_good=True)
        api.faults.latency = 0.0
        wait_until(lambda: any(seen.versions))
    assert set(seen.names) == {name(number) for number in range(600)}


def test_lists_are_asked_for_compressed(api: ApiServer, tmp_path: Path) -> None:
    put(api, *range(600))
    with informing(api, tmp_path) as seen:
        wait_for(seen, *range(600))
        assert {kind for kind, encoding in api.encodings if "gzip" in encoding} == {"list"}


def test_a_half_open_connection_is_noticed(api: ApiServer, tmp_path: Path) -> None:
    with informing(api, tmp_path, silence=0.3) as seen:
        api.wait_for_watches()
        api.hang()
        api.faults.answering.set()  # New requests are answered; the open watch is not told, and stays silent.
        put_silently = api.store.collections["events"]
        assert put_silently.lines == []
        watches = sum("watch" in request.query for request in list(api.requests))
        wait_until(lambda: sum("watch" in request.query for request in list(api.requests)) > watches)
        put(api, 1)
        wait_for(seen, 1)
    assert seen.reasons == []


def test_garbage_is_counted_and_skipped(api: ApiServer, tmp_path: Path) -> None:
    with informing(api, tmp_path) as seen:
        api.wait_for_watches()
        for garbage in (b"rubbish", b'{"type":"ADDED","object":{}}', b"[]"):
            api.faults.inject(garbage)
        put(api, 1)
        wait_for(seen, 1)
        wait_until(lambda: seen.skipped == 3)
    assert seen.reasons == []


def test_a_handler_that_holds_it_back_loses_nothing(api: ApiServer, tmp_path: Path) -> None:
    with informing(api, tmp_path) as seen:
        api.wait_for_watches()
        seen.free.clear()
        put(api, *range(500))
        api.faults.end_watches("drop")
        seen.free.set()
        wait_for(seen, *range(500))
    assert len(set(seen.names)) == 500


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
def test_an_api_server_in_trouble_is_asked_again(api: ApiServer, tmp_path: Path, status: int) -> None:
    put(api, 1)
    api.faults.fail_next(1, status, retry_after=0)
    with informing(api, tmp_path) as seen:
        wait_for(seen, 1)
    assert seen.names == [name(1)]
    assert len(seen.pauses) == 1


def test_it_tells_when_the_server_was_heard_and_what_it_refuses(api: ApiServer, tmp_path: Path) -> None:
    access = ClusterAccess(ClusterSource(api.write_kubeconfig(tmp_path / "config")))
    seen = Seen()
    informer = Informer(access, EVENTS, seen)
    api.faults.fail_next(2, 403)
    thread = Thread(target=informer.run)
    thread.start()
    try:
        problem = wait_until(lambda: informer.report()["problem"], what="a refusal")
        assert "403" in str(problem)
        api.wait_for_watches()
        wait_until(lambda: informer.report()["watching"], what="a watch")
        listed = informer.report()
        assert (listed["lists"], listed["errors"], listed["problem"]) == (1, 2, "")
        put(api, 1)
        wait_until(lambda: informer.report()["heardAt"] > listed["heardAt"], what="another sign of life")
    finally:
        informer.stop()
        thread.join(10)
    assert not thread.is_alive()
