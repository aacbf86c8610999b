"""What a sender asks the cluster for, against an API server that does not say."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from actors import sending
from actors.sending import HookTransform, NamespaceJudge
from kigeon.config.settings import FilterSettings, HookSettings, OnError, SenderSettings, Settings
from kigeon.kube.access import ClusterAccess
from kigeon.kube.source import ClusterSource
from kigeon.senders.retrying import retry_delay
from kigeon.standin.apiserver import ApiServer
from kigeon.throttle import MOST
from tests.support.events import make_event
from tests.support.processes import wait_until

SENDER = SenderSettings("one", "stdout", FilterSettings({"team": "web"}))


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with ApiServer() as server:
        yield server


@pytest.fixture
def judge(tmp_path: Path, api: ApiServer) -> Iterator[NamespaceJudge]:
    access = ClusterAccess(ClusterSource(api.write_kubeconfig(tmp_path / "config")))
    judge = NamespaceJudge(SENDER, Settings((SENDER,)), access)
    wait_until(lambda: any(request.query.get("watch") for request in list(api.requests)))
    yield judge
    judge.close()


def test_a_namespace_that_can_not_be_looked_up_is_not_asked_for_with_every_event(
    judge: NamespaceJudge, api: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look_ups() -> int:
        return sum("fieldSelector" in request.query for request in list(api.requests))

    events = [make_event(number, "unknown") for number in range(100)]
    monkeypatch.setattr(sending, "ASK_AGAIN", 60.0)
    api.faults.fail_next(1, 500, "list")
    assert judge(events) + judge(events) == [None] * 200
    assert look_ups() == 1
    monkeypatch.setattr(sending, "ASK_AGAIN", 0.0)
    assert judge(events) == [False] * 100
    assert look_ups() == 2


def test_the_next_try_of_an_event_asks_again() -> None:
    assert min(retry_delay(1) for _ in range(1000)) > sending.ASK_AGAIN


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
    assert len([record for record in caplog.records if record.message == "the hook failed"]) == MOST


def test_namespaces_that_can_not_be_looked_up_do_not_fill_the_log(
    judge: NamespaceJudge, api: ApiServer, caplog: pytest.LogCaptureFixture
) -> None:
    api.faults.fail_next(200, 500, "list")
    judge([make_event(number, f"unknown-{number}") for number in range(200)])
    told = [record for record in caplog.records if record.message == "a namespace can't be looked up"]
    assert len(told) == MOST
