"""Each nats-server of a cluster fails in turn while events flow: nothing is lost, nothing comes twice."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kigeon.standin.apiserver import ApiServer
from tests.replicas.rig import BACK_WITHIN, STREAMS, Rig
from tests.support.events import assert_once, make_event
from tests.support.http import checks, get
from tests.support.kigeon import Kigeon, loki_sender
from tests.support.loki import Loki
from tests.support.nats import NatsCluster
from tests.support.processes import wait_until


@pytest.fixture
def rig(tmp_path: Path, cluster: NatsCluster) -> Iterator[Rig]:
    with Rig(tmp_path, cluster) as running:
        yield running


def status_that_fails(rig: Rig) -> str:
    """Return what ``kigeon status`` says when it can't tell the accounts."""
    command = [sys.executable, "-P", "-m", "kigeon", "status", "--config", str(rig.kigeon.config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    return done.stderr


def test_each_server_is_killed(rig: Rig) -> None:
    for node in rig.cluster.nodes:
        node.kill()
        rig.flows(BACK_WITHIN)
        node.start()
        rig.is_whole()
    rig.settle()


@pytest.mark.long
def test_the_leader_is_killed_again_and_again(rig: Rig) -> None:
    for _ in range(3):
        leader = rig.leader()
        leader.kill()
        rig.flows(BACK_WITHIN)
        leader.start()
        rig.is_whole()
    rig.settle()


@pytest.mark.long
def test_each_server_hangs_for_ten_seconds(rig: Rig) -> None:
    for node in rig.cluster.nodes:
        node.freeze()
        rig.flows(BACK_WITHIN + 5)
        rig.lasts(10)
        node.thaw()
        rig.flows(BACK_WITHIN)
        rig.is_whole()
    rig.settle()


def test_one_server_after_the_other_is_restarted(rig: Rig) -> None:
    for node in rig.cluster.nodes:
        node.stop()
        rig.flows(BACK_WITHIN)
        node.start()
        rig.is_whole()
    rig.settle()


def test_leaders_move(rig: Rig) -> None:
    for _ in range(3):
        for stream in STREAMS:
            rig.cluster.step_down(stream)
            rig.flows(BACK_WITHIN)
    rig.settle()


@pytest.mark.parametrize("seconds", [20, pytest.param(60, marks=pytest.mark.long)])
def test_the_majority_is_lost_for_a_while(rig: Rig, seconds: float) -> None:
    """Everything waits, and says so; then it goes on."""
    for node in rig.cluster.nodes[1:]:
        node.kill()
    wait_until(lambda: get(rig.kigeon, "/readyz")[0] == 503, what="a readiness that fails")
    rig.lasts(seconds)
    wait_until(lambda: "nats-server" in checks(rig.kigeon, "/readyz"), what="a reason that names the servers")
    assert get(rig.kigeon, "/livez") == (200, "ok\n")
    assert "more than half of the servers" in status_that_fails(rig)
    assert any(line["level"] in ("warn", "error") and "cure" in line for line in rig.kigeon.log())
    for node in rig.cluster.nodes[1:]:
        node.start()
    rig.flows()
    rig.is_whole()
    wait_until(lambda: get(rig.kigeon, "/readyz")[0] == 200, what="a readiness that is well")
    rig.settle()


@pytest.mark.long
def test_a_single_event_after_a_server_was_lost_in_a_silence(tmp_path: Path, cluster: NatsCluster) -> None:
    """Whoever reads or writes nothing has to notice it, too."""
    with ApiServer() as api, Loki() as loki:
        events = [make_event(0)]
        api.put_events(events)
        queue = cluster.queue(tmp_path / "secrets")
        with Kigeon(tmp_path / "kigeon", api, [loki_sender(loki)], queue=queue) as kigeon:
            loki.wait_for(1)
            for number, node in enumerate(cluster.nodes, 1):
                wait_until(lambda: cluster.is_whole(*STREAMS), timeout=60, what="streams that are whole")
                node.kill()
                events.append(make_event(number))
                api.put_events(events[-1:])
                loki.wait_for(number + 1, timeout=BACK_WITHIN)
                node.start()
            assert kigeon.stop() == 0
        assert_once(loki.lines, events)
