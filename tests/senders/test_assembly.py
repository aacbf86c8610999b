"""What a sender asks the cluster for, against an API server that does not say."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kigeon.config.settings import FilterSettings, HookSettings, OnError, QueueSettings, SenderSettings
from kigeon.kube import namespace_lookups
from kigeon.kube.access import ClusterAccess
from kigeon.kube.namespaces import Namespaces
from kigeon.kube.source import ClusterSource
from kigeon.queue.broker.connection import connected
from kigeon.queue.broker.process import NatsServer
from kigeon.queue.broker.stream_configs import file_store_bytes
from kigeon.queue.broker.streams import LABELS_KEY, declare
from kigeon.queue.stores.state import StateRecord
from kigeon.senders.assembly import HookTransform, NamespaceMatcher
from kigeon.senders.kept_labels import KeptLabels
from kigeon.standin.apiserver import ApiServer
from kigeon.standin.faults import Misbehaviour
from kigeon.throttle import MOST_LINES
from tests.support.events import make_event
from tests.support.paths import ANSWERS
from tests.support.processes import wait_until


@pytest.fixture
def access(tmp_path: Path, api: ApiServer) -> ClusterAccess:
    return ClusterAccess(ClusterSource(api.write_kubeconfig(tmp_path / "config")))


@pytest.fixture
def namespaces(access: ClusterAccess, api: ApiServer) -> Iterator[Namespaces]:
    api.put_namespace("shop", {"team": "web"})
    namespaces = Namespaces(access, 60.0)
    namespaces.start()
    wait_until(lambda: any(request.query.get("watch") for request in list(api.requests)))
    yield namespaces
    namespaces.stop()


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_event_whose_namespace_can_not_be_looked_up_does_not_hold_up_the_others(
    namespaces: Namespaces, api: ApiServer, monkeypatch: pytest.MonkeyPatch, answer: Misbehaviour
) -> None:
    monkeypatch.setattr(namespace_lookups, "LOOKUP_TIMEOUT", 0.5)
    passes = NamespaceMatcher(FilterSettings({"team": "web"}), namespaces)
    events = [make_event(1), *(make_event(number, f"unknown-{number}") for number in range(500)), make_event(2)]
    api.faults.always("/api/v1/namespaces", answer)
    began = time.monotonic()
    for _ in range(20):
        assert passes(events) == [True, *[None] * 500, True]
    assert time.monotonic() - began < 10.0
    asked = sum("fieldSelector" in request.query for request in list(api.requests))
    assert 1 <= asked <= 40


def test_a_namespace_that_is_gone_and_that_nobody_saw_has_no_labels(
    namespaces: Namespaces, caplog: pytest.LogCaptureFixture
) -> None:
    passes = NamespaceMatcher(FilterSettings({"team": "web"}), namespaces)
    assert passes([make_event(1, "gone"), make_event(2, "no,name"), make_event(3)]) == [False, False, True]
    assert "was never seen" in caplog.text


def test_labels_are_kept_by_several_that_write_the_same_record(
    tmp_path: Path, access: ClusterAccess, namespaces: Namespaces
) -> None:
    settings = QueueSettings(events_max_bytes=4 * 2**20)

    async def test(server: NatsServer) -> None:
        async with connected(server.address, "test") as client:
            await declare(client, settings)
            others = Namespaces(access, 60.0)
            kept = []
            for known in (namespaces, others):
                record = StateRecord(client, LABELS_KEY)
                await record.read()
                kept.append(KeptLabels(record, known))
            for number in range(3):
                for book, known in zip(kept, (namespaces, others), strict=True):
                    name = f"{'one' if known is others else 'two'}-{number}"
                    known.on_list_page([({"metadata": {"name": name, "labels": {"of": name}}}, b"")], "")
                    await book.save()
            again = Namespaces(access, 60.0)
            again.recall(await StateRecord(client, LABELS_KEY).read())
            for name in [f"{word}-{number}" for word in ("one", "two") for number in range(3)]:
                assert again._book.last_known(name) == {"of": name}

    with NatsServer(tmp_path / "data", file_store_bytes(settings)) as server:
        server.start()
        asyncio.run(test(server))


def test_labels_that_were_listed_before_they_are_kept_are_kept(tmp_path: Path, access: ClusterAccess) -> None:
    """The informer runs already when the record is taken over: its first list may be quicker."""
    settings = QueueSettings()

    async def test(server: NatsServer) -> None:
        async with connected(server.address, "test") as client:
            await declare(client, settings)
            record = StateRecord(client, LABELS_KEY)
            listed = Namespaces(access, 60.0)
            listed.recall(await record.read())
            listed.on_list_page([({"metadata": {"name": "shop", "labels": {"team": "web"}}}, b"")], "7")
            await KeptLabels(record, listed).save()
            again = Namespaces(access, 60.0)
            again.recall(await StateRecord(client, LABELS_KEY).read())
            assert again._book.last_known("shop") == {"team": "web"}

    with NatsServer(tmp_path / "data", file_store_bytes(settings)) as server:
        server.start()
        asyncio.run(test(server))


@pytest.mark.parametrize("on_error", ["use-default", "skip", "fail"])
def test_a_hook_that_fails_for_each_event_does_not_fill_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, on_error: OnError
) -> None:
    script = tmp_path / "hook.star"
    script.write_text("def transform(config, event):\n    fail('no')\n")
    hook = HookSettings(script, timeout=1.0, on_error=on_error)
    transform = HookTransform(SenderSettings("one", "loki"), hook, None)
    try:
        for number in range(4):
            transform([make_event(number * 100 + more) for more in range(100)])
    finally:
        transform.close()
    assert len([record for record in caplog.records if record.message == "the hook failed"]) == MOST_LINES


def test_a_hook_tells_what_it_took(tmp_path: Path) -> None:
    script = tmp_path / "hook.star"
    script.write_text("def transform(config, event):\n    return config\n")
    transform = HookTransform(SenderSettings("one", "loki"), HookSettings(script, timeout=1.0), None)
    try:
        transform([make_event(number) for number in range(40)])
        report = transform.report()
    finally:
        transform.close()
    assert report["hookSeconds"]["counts"][-1] == 40
    assert 0 < report["hookSeconds"]["sum"] < 40
    assert report["hookPids"][0] > 0
    assert report["hookKills"] == 0
