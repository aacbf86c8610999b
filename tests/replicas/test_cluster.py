"""Three replicas on three nats-servers: a machine is lost that runs one of each, a server alone, or two of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from kigeon.standin.apiserver import ApiServer
from tests.replicas.several import PIPELINE, Several, on_this_machine, watched, works_at
from tests.support.flow import Flow
from tests.support.loki import Loki
from tests.support.nats import NatsCluster, NatsNode
from tests.support.processes import wait_until

TAKEOVER = 15.0
"""Seconds until another goes on where a nats-server is lost too: its streams have to elect first."""


@pytest.fixture
def replicas(tmp_path: Path, api: ApiServer, lokis: Mapping[str, Loki], cluster: NatsCluster) -> Iterator[Several]:
    """Three of them; the senders are spread."""
    with Several(tmp_path, api, cluster.queue(tmp_path / "queue"), lokis) as several:
        several.start(3)
        wait_until(lambda: several.spread() == [0, 1, 1], what="senders that are spread")
        yield several


def leading(cluster: NatsCluster, stream: str) -> NatsNode:
    """Return the server that leads *stream*, once one does."""
    found = wait_until(lambda: cluster.leader(stream), what=f"a leader of {stream}")
    assert found is not None
    return found


def test_the_leader_is_lost_with_the_server_that_leads_its_streams(
    replicas: Several, cluster: NatsCluster, flow: Flow, record_property: Callable[[str, object], None]
) -> None:
    leader = replicas.holder(PIPELINE)
    server = leading(cluster, "KV_kigeon-state")

    def lose() -> None:
        server.kill()
        leader.kill_tree()

    longest = watched(replicas, lose, record_property)
    assert max(longest.values()) <= on_this_machine(TAKEOVER)
    replicas.finish(flow)


@pytest.mark.long
def test_a_server_is_lost(
    replicas: Several, cluster: NatsCluster, flow: Flow, record_property: Callable[[str, object], None]
) -> None:
    server = leading(cluster, "kigeon-events")
    longest = watched(replicas, server.kill, record_property)
    assert max(longest.values()) <= on_this_machine(TAKEOVER)
    server.start()
    replicas.finish(flow)


@pytest.mark.long
def test_without_a_majority_everything_waits_and_then_goes_on(
    replicas: Several, cluster: NatsCluster, flow: Flow, record_property: Callable[[str, object], None]
) -> None:
    lost = cluster.nodes[:2]

    def lose() -> None:
        for node in lost:
            node.kill()
        wait_until(lambda: not any(map(works_at, replicas.running)), what="the end of all work")
        began = time.monotonic()
        wait_until(lambda: time.monotonic() - began > 5)
        for node in lost:
            node.start()

    watched(replicas, lose, record_property)
    replicas.finish(flow)
