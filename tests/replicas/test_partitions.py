"""Replicas and nats-servers on hosts of their own, between which packets vanish: all, or those in one direction."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from kigeon.standin.apiserver import ApiServer
from tests.replicas.network import Host, Network
from tests.replicas.several import PIPELINE, Several, flowing, on_this_machine, standing, watched, works_at
from tests.support.flow import Flow
from tests.support.kigeon import Kigeon
from tests.support.loki import Loki
from tests.support.nats import NatsCluster
from tests.support.processes import wait_until

REPLICAS, SERVERS = ["k1", "k2", "k3"], ["n1", "n2", "n3"]

WITHIN = 15.0
"""Seconds until events flow again: a server is lost to some, and streams may have to elect."""

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(shutil.which("ip") is None, reason="there is no iproute2 here"),
]


@dataclass(slots=True)
class Machines:
    """Three replicas and three nats-servers, each on a host of its own."""

    network: Network
    cluster: NatsCluster
    replicas: Several

    def leader(self) -> tuple[str, Kigeon]:
        """Return the host of the replica that has the pipeline, and it."""
        leader = self.replicas.holder(PIPELINE)
        return REPLICAS[self.replicas.all.index(leader)], leader

    def leading(self, stream: str) -> str:
        """Return the host of the server that leads *stream*."""
        found = wait_until(lambda: self.cluster.leader(stream), what=f"a leader of {stream}")
        assert found is not None
        return found.name

    def heal(self) -> None:
        """Let everything arrive; return when the cluster has got over what was."""
        self.network.join()
        wait_until(lambda: self.cluster.is_whole("kigeon-events", "KV_kigeon-state"), what="streams that are whole")

    def moves_from(self, leader: Kigeon) -> None:
        """Return when another has the pipeline."""
        others = [replica for replica in self.replicas.all if replica is not leader]
        wait_until(lambda: any(PIPELINE in works_at(each) for each in others), what="another leader")


@pytest.fixture
def machines(tmp_path: Path, api: ApiServer, lokis: Mapping[str, Loki]) -> Iterator[Machines]:
    with ExitStack() as stack:
        network = stack.enter_context(Network(*REPLICAS, *SERVERS))
        servers = [network.hosts[name] for name in SERVERS]
        cluster = stack.enter_context(NatsCluster(tmp_path / "nats", places=servers, at=network.hosts[""]))
        replicas = stack.enter_context(Several(tmp_path, api, cluster.queue(tmp_path / "queue"), lokis))
        for name in REPLICAS:
            serve(network.hosts[name], api, lokis, stack)
            replicas.start(prepare=network.hosts[name].enter)
        wait_until(lambda: replicas.spread() == [0, 1, 1], what="senders that are spread")
        yield Machines(network, cluster, replicas)


def serve(host: Host, api: ApiServer, lokis: Mapping[str, Loki], stack: ExitStack) -> None:
    """Give a host the API server and the destinations."""
    for url in (api.url, *(loki.url for loki in lokis.values())):
        host.serve(urlsplit(url).port or 0, stack)


def test_the_leader_reaches_one_server_alone(
    machines: Machines, flow: Flow, record_property: Callable[[str, object], None]
) -> None:
    """The one that it reaches is well: it goes on by way of that one, or another takes over."""
    host, _ = machines.leader()
    longest = watched(machines.replicas, lambda: machines.network.part([host], ["n2", "n3"]), record_property)
    assert max(longest.values()) <= on_this_machine(WITHIN)
    machines.heal()
    machines.replicas.finish(flow)


def test_a_server_is_parted_from_the_others(
    machines: Machines, flow: Flow, record_property: Callable[[str, object], None]
) -> None:
    """The replicas reach it, and it knows nothing new."""
    server = machines.leading("kigeon-events")
    others = [name for name in SERVERS if name != server]
    longest = watched(machines.replicas, lambda: machines.network.part([server], others), record_property)
    assert max(longest.values()) <= on_this_machine(WITHIN)
    machines.heal()
    flowing(machines.replicas)
    machines.replicas.finish(flow)


def test_a_leader_and_its_server_are_parted_from_the_others(
    machines: Machines, flow: Flow, record_property: Callable[[str, object], None]
) -> None:
    """They go on talking to each other, and to the API server and the destinations; the others have the majority."""
    host, leader = machines.leader()
    server = machines.leading("kigeon-events")
    here, there = [host, server], [name for name in REPLICAS + SERVERS if name not in (host, server)]

    def part() -> None:
        machines.network.part(here, there)
        machines.moves_from(leader)
        flowing(machines.replicas)
        machines.heal()
        wait_until(lambda: standing(leader).get("others") == 2, what="its return")

    longest = watched(machines.replicas, part, record_property)
    assert max(longest.values()) <= on_this_machine(WITHIN)
    machines.replicas.finish(flow)


@pytest.mark.parametrize("direction", ["sent", "received"])
def test_nothing_arrives_in_one_direction_between_the_leader_and_the_servers(
    direction: str, machines: Machines, flow: Flow, record_property: Callable[[str, object], None]
) -> None:
    host, leader = machines.leader()

    def lose() -> None:
        for server in SERVERS:
            machines.network.lose(*((host, server) if direction == "sent" else (server, host)))
        machines.moves_from(leader)
        flowing(machines.replicas)
        machines.heal()
        wait_until(lambda: standing(leader).get("others") == 2, what="its return")

    longest = watched(machines.replicas, lose, record_property)
    assert max(longest.values()) <= on_this_machine(WITHIN)
    machines.replicas.finish(flow)


@pytest.mark.parametrize("direction", ["sent", "received"])
def test_nothing_arrives_in_one_direction_between_a_server_and_the_others(
    direction: str, machines: Machines, flow: Flow, record_property: Callable[[str, object], None]
) -> None:
    server = machines.leading("kigeon-events")

    def lose() -> None:
        for other in SERVERS:
            if other != server:
                machines.network.lose(*((server, other) if direction == "sent" else (other, server)))

    longest = watched(machines.replicas, lose, record_property)
    assert max(longest.values()) <= on_this_machine(WITHIN)
    machines.heal()
    flowing(machines.replicas)
    machines.replicas.finish(flow)
