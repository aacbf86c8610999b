"""A real cluster and a real Loki, kigeon between them: each is killed, with events coming all the while."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conformance.cluster import Cluster
from tests.conformance.holding import assert_held_once, sender, wait_for_held
from tests.conformance.load import Load
from tests.conformance.loki import RealLoki
from tests.support.kigeon import Kigeon, accounts
from tests.support.processes import wait_until

Kill = Callable[[Kigeon, Cluster, RealLoki], None]


def kill_kigeon(kigeon: Kigeon, cluster: Cluster, loki: RealLoki) -> None:
    kigeon.kill_tree()
    # What is reported from now on is of the new one.
    kigeon.log_path.write_text("")
    kigeon.start()


def kill_api(kigeon: Kigeon, cluster: Cluster, loki: RealLoki) -> None:
    cluster.api.end(signal.SIGKILL)
    cluster.api.start()


def kill_etcd(kigeon: Kigeon, cluster: Cluster, loki: RealLoki) -> None:
    cluster.etcd.end(signal.SIGKILL)
    cluster.etcd.start()
    cluster.wait()


def kill_loki(kigeon: Kigeon, cluster: Cluster, loki: RealLoki) -> None:
    loki.server.end(signal.SIGKILL)
    loki.server.start()


def kill_everything(kigeon: Kigeon, cluster: Cluster, loki: RealLoki) -> None:
    for server in (cluster.api, cluster.etcd, loki.server):
        server.end(signal.SIGKILL)
    kigeon.kill_tree()
    kigeon.log_path.write_text("")
    kigeon.start()
    for server in (loki.server, cluster.etcd, cluster.api):
        server.start()


@pytest.mark.parametrize("kill", [kill_kigeon, kill_api, kill_etcd, kill_loki, kill_everything])
def test_killed_while_events_come(cluster: Cluster, real_loki: RealLoki, folder: Path, tenant: str, kill: Kill) -> None:
    with Kigeon(folder, cluster, [sender(real_loki, tenant)]) as kigeon:
        # What was repeated before it watched, a list shows once.
        wait_until(lambda: accounts(kigeon, "watcher").get("watching"), 60, "a watch")
        with Load(cluster) as load:
            for _ in range(2):
                written = len(load.history)
                wait_until(lambda written=written: len(load.history) > written + 50, 60, "events that come")
                wait_until(lambda: accounts(kigeon).get("sent"), 60, "events that go")
                kill(kigeon, cluster, real_loki)
            written = len(load.history)
            wait_until(lambda: len(load.history) > written + 50, 60, "events that come")
        wait_for_held(real_loki, tenant, load.history)
        assert kigeon.ask("audit", "--loki")["unaccounted"] == 0
        assert kigeon.stop() == 0
    assert_held_once(real_loki, tenant, load.history)
