"""Pods are shown to a hook for comfort's sake: whatever the API server does, most of the flow goes on."""

import time
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from actors.sending import HookTransform
from kigeon.config.settings import HookSettings, SenderSettings
from kigeon.kube.access import ClusterAccess
from kigeon.kube.pods import PodLookup
from kigeon.kube.source import ClusterSource
from kigeon.senders.steps import Use
from kigeon.standin.apiserver import ApiServer
from tests.support.events import make_event

BATCHES = 30
BATCH = 500


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with ApiServer() as server:
        yield server


def refuse(api: ApiServer) -> None:
    api.faults.always("/api/v1/namespaces/.*/pods/.*", 403)


def fall_silent(api: ApiServer) -> None:
    api.faults.always("/api/v1/namespaces/.*/pods/.*", "silence")


def fail(api: ApiServer) -> None:
    api.faults.always("/api/v1/namespaces/.*/pods/.*", 503)


def be_slow(api: ApiServer) -> None:
    api.faults.latency = 0.9


def go_away(api: ApiServer) -> None:
    api.stop()


def flow(transform: HookTransform, numbers: Iterator[int]) -> float:
    """Return how many events a second go through, each about another Pod."""
    batches: list[list[dict[str, Any]]] = [
        [make_event(next(numbers), f"shop-{number % 50}") for _ in range(BATCH)] for number in range(BATCHES)
    ]
    began = time.monotonic()
    for batch in batches:
        assert all(isinstance(step, Use) for step in transform(batch))
    return BATCHES * BATCH / (time.monotonic() - began)


@pytest.mark.parametrize("misbehave", [refuse, fall_silent, fail, be_slow, go_away])
def test_the_flow_is_at_least_a_tenth_of_what_it_is_without_pods(
    api: ApiServer, tmp_path: Path, misbehave: Any
) -> None:
    script = tmp_path / "h.star"
    script.write_text("def transform(config, event):\n    return config\n")
    hook = HookSettings(script, enrich_pod=True)
    sender = SenderSettings("one", "stdout", hook=hook)
    numbers = count()
    pods = PodLookup(ClusterAccess(ClusterSource(api.write_kubeconfig(tmp_path / "config"))))
    with closing(HookTransform(sender, hook, None)) as bare, closing(HookTransform(sender, hook, pods)) as enriching:
        without = flow(bare, numbers)
        misbehave(api)
        found = flow(enriching, numbers)
        api.faults.heal()
    assert found > without / 10
