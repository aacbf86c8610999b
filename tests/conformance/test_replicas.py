"""Three replicas on a JetStream cluster, between a real cluster and a real Loki: who leads is killed and rolled."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from uuid import uuid4

import pytest

from tests.conformance.cluster import Cluster
from tests.conformance.holding import assert_held_once, held_of, sender, wait_for_held
from tests.conformance.load import Load
from tests.conformance.loki import RealLoki
from tests.replicas.several import PIPELINE, Several, told
from tests.support.nats import NatsCluster
from tests.support.processes import wait_until


@pytest.fixture
def tenants() -> Mapping[str, str]:
    """Two that no other test has written to, by the sender's name."""
    return {name: f"t{uuid4().hex[:10]}" for name in ("one", "two")}


def flows(load: Load, loki: RealLoki, tenants: Mapping[str, str]) -> None:
    """Return when fifty more have come, and arrived everywhere."""
    written = len(load.history) + 50
    wait_until(lambda: len(load.history) >= written, 60, "events that come")
    for tenant in tenants.values():
        wait_until(lambda tenant=tenant: held_of(loki, tenant).total() >= written, 60, "events that arrive")


@pytest.mark.long
def test_each_event_is_held_once_whoever_does_the_work(
    cluster: Cluster, real_loki: RealLoki, tmp_path: Path, tenants: Mapping[str, str]
) -> None:
    senders = [{**sender(real_loki, tenant), "name": name} for name, tenant in tenants.items()]
    with (
        NatsCluster(tmp_path / "nats") as nats,
        Several(tmp_path, cluster, nats.queue(tmp_path / "queue"), {}, senders) as replicas,
    ):
        replicas.start(3)
        wait_until(lambda: replicas.spread() == [0, 1, 1], what="senders that are spread")
        # What was repeated before anybody watched, a list shows once.
        leader = replicas.holder(PIPELINE)
        wait_until(lambda: told(leader)["watcher"].get("watching"), 60, "a watch")
        with Load(cluster) as load:
            flows(load, real_loki, tenants)
            leader.kill_tree()
            flows(load, real_loki, tenants)
            leaving = replicas.holder(PIPELINE)
            replicas.start()
            assert leaving.stop() == 0
            flows(load, real_loki, tenants)
            replicas.holder("sender.two").kill_tree()
            flows(load, real_loki, tenants)
        for tenant in tenants.values():
            wait_for_held(real_loki, tenant, load.history)
        for replica in replicas.running:
            audit = replica.ask("audit", "--loki")
            assert audit["unaccounted"] == 0
            assert audit["loki"] == {name: {"once": audit["listed"]} for name in tenants}
        status = replicas.running[0].ask("status")
    assert status["watcher"]["stored"] == len(load.history)
    assert {name: (found["sent"], found["unaccounted"]) for name, found in status["senders"].items()} == {
        name: (len(load.history), 0) for name in tenants
    }
    for tenant in tenants.values():
        assert_held_once(real_loki, tenant, load.history)
