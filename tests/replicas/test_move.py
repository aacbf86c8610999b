"""A queue goes from one volume to three nats-servers while events come, and back; servers and the move are killed."""

from __future__ import annotations

import random
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from nats.js import JetStreamContext

from kigeon.queue.broker.mark import Mark, MoveState, put_mark
from kigeon.standin.apiserver import ApiServer
from tests.replicas.several import Several
from tests.support.events import assert_once
from tests.support.flow import Flow
from tests.support.kigeon import Kigeon, loki_sender
from tests.support.loki import Loki
from tests.support.moving import Moving, held
from tests.support.nats import NatsCluster
from tests.support.processes import wait_until

Lokis = Mapping[str, Loki]

KEPT = Path(__file__).parents[1] / "upgrades" / "data" / "0.1.0.tar.gz"


class Rig:
    """Where a queue may be: in a data directory, or in a cluster under another name."""

    def __init__(self, folder: Path, api: ApiServer, lokis: Lokis, cluster: NatsCluster) -> None:
        self.folder = folder
        self.api = api
        self.lokis = lokis
        self.queue = cluster.queue(folder / "queue", "prod")
        self.moving = Moving(folder / "move", folder / "kigeon" / "data", self.queue, tuple(lokis))

    @contextmanager
    def embedded(self) -> Iterator[Kigeon]:
        """Run a kigeon without queue.url."""
        senders = [loki_sender(loki, name) for name, loki in self.lokis.items()]
        with Kigeon(self.folder / "kigeon", self.api, senders) as kigeon:
            yield kigeon

    @contextmanager
    def replicas(self, count: int = 3) -> Iterator[Several]:
        """Run replicas in the cluster; they are stopped as a Deployment is that is scaled to none."""
        with Several(self.folder / "several", self.api, self.queue, self.lokis) as several:
            several.start(count)
            yield several
            assert [replica.stop(30) for replica in several.running] == [0] * count


@pytest.fixture
def rig(tmp_path: Path, api: ApiServer, lokis: Lokis, cluster: NatsCluster) -> Rig:
    (tmp_path / "several").mkdir()
    return Rig(tmp_path, api, lokis, cluster)


def more(rig: Rig) -> None:
    """Wait until what comes now arrives where it may."""
    rig.lokis["one"].wait_for(len(rig.lokis["one"].lines) + 300)


def all_arrived(rig: Rig, flow: Flow) -> int:
    """Let nothing more come, and see that all arrived at each destination, once; return how many events it was."""
    events = flow.stop()
    for loki in rig.lokis.values():
        loki.wait_for(len(events), timeout=60)
        assert_once(loki.lines, events)
    return len(events)


def accounts(kigeon: Kigeon, name: str) -> dict[str, Any]:
    told: dict[str, Any] = kigeon.ask("status")["senders"][name]
    return told


def test_events_keep_coming_while_a_queue_is_moved_out_and_back(rig: Rig, flow: Flow) -> None:
    """One of two destinations is away all the time: what waits for it goes along, and is sent once in the end."""
    two = rig.lokis["two"]
    two.always = lambda tenant: 503
    with rig.embedded() as kigeon:
        more(rig)
        wait_until(lambda: accounts(kigeon, "two")["waiting"] > 300, what="events that wait")
        kigeon.kill_tree()
    out = rig.moving.done("external")
    assert set(held(out)) >= {"prod-events", "KV_prod-state", "prod-retry-two"}
    with rig.replicas() as several:
        more(rig)
        waiting = accounts(several.running[0], "two")["waiting"]
        assert waiting > held(out)["prod-events"][0]
    rig.moving.done("embedded")
    assert two.lines == []
    two.always = lambda tenant: 0
    with rig.embedded() as kigeon:
        more(rig)
        count = all_arrived(rig, flow)
        assert not any(loki.malformed for loki in rig.lokis.values())
        wait_until(lambda: accounts(kigeon, "two")["waiting"] == 0, what="accounts without what waits")
        status = kigeon.ask("status")["senders"]
        assert all(told["sent"] == count and not told["unaccounted"] for told in status.values()), status
        assert kigeon.stop() == 0


@pytest.mark.long
@pytest.mark.parametrize("to", ["external", "embedded"])
def test_killed_at_many_points_nothing_is_lost_and_nothing_is_double(rig: Rig, flow: Flow, to: str) -> None:
    with rig.embedded() as kigeon:
        more(rig)
        assert kigeon.stop() == 0
    whole = None
    if to == "embedded":
        whole = rig.moving.done("external")
    kills = 0
    for _ in range(8):
        seen, count = 0, random.randrange(2, 16)

        def after(line: str, count: int = count) -> bool:
            nonlocal seen
            seen += line.startswith("{")
            return seen == count

        kills += rig.moving.killed(to, after)
    assert kills > 3
    told = rig.moving.done(to)
    if whole is not None and told["streams"]:
        assert sorted(found[0] for found in held(told).values()) == sorted(found[0] for found in held(whole).values())
    with rig.replicas(1) if to == "external" else rig.embedded():
        more(rig)
        all_arrived(rig, flow)


@pytest.mark.long
@pytest.mark.parametrize("to", ["external", "embedded"])
def test_a_server_of_the_cluster_is_lost_in_the_midst_of_it(
    rig: Rig, flow: Flow, cluster: NatsCluster, to: str
) -> None:
    """The move goes on by way of the others, or gives up and is repeated; what it has done is whole."""
    with rig.embedded() as kigeon:
        more(rig)
        assert kigeon.stop() == 0
    if to == "embedded":
        rig.moving.done("external")
    lost = cluster.leader("prod-events") if to == "embedded" else cluster.nodes[0]
    assert lost is not None

    def lose(line: str) -> bool:
        if '"message":"a stream was copied"' in line and lost.runs:
            lost.kill()
        return False

    try:
        rig.moving.killed(to, lose)
    except AssertionError:
        # A stream of three replicas takes three servers.
        lost.start()
        wait_until(lambda: rig.moving.run(to).returncode == 0, timeout=90, what="a move that is repeated")
    if not lost.runs:
        lost.start()
    with rig.replicas(1) if to == "external" else rig.embedded():
        more(rig)
        all_arrived(rig, flow)


def test_what_a_broken_off_restoring_left_in_a_cluster_is_deleted(tmp_path: Path, cluster: NatsCluster) -> None:
    """It has a name and no leader; of the events stream, which comes first, and of another one."""
    with tarfile.open(KEPT) as archive:
        archive.extractall(tmp_path / "data", filter="data")
    moving = Moving(tmp_path, tmp_path / "data", {**cluster.queue(tmp_path / "queue"), "eventsMaxBytes": "64Mi"})
    put_mark(moving.data, Mark(MoveState.LEAVING, "1", "", ""))
    break_off(cluster, "kigeon-events")
    assert moving.killed("external", lambda line: '"stream":"kigeon-events"' in line)
    if "kigeon-seen" not in cluster.ask(names_in):
        break_off(cluster, "kigeon-seen")
    told = moving.done("external")
    assert held(told)["kigeon-events"] == (524, 1, 524)
    assert sorted(cluster.ask(names_in)) == sorted(told["streams"])


def break_off(cluster: NatsCluster, stream: str) -> None:
    """Begin to restore a stream, and send nothing."""
    config = {"name": stream, "subjects": [stream], "retention": "limits", "storage": "file", "num_replicas": 3}
    state = {"messages": 0, "bytes": 0, "first_seq": 1, "last_seq": 0}

    async def begin(js: JetStreamContext) -> bytes:
        request = orjson.dumps({"config": config, "state": state})
        return (await js._nc.request(f"$JS.API.STREAM.RESTORE.{stream}", request, timeout=3)).data

    assert "deliver_subject" in orjson.loads(cluster.ask(begin))


async def names_in(js: JetStreamContext) -> list[str]:
    answer = orjson.loads((await js._nc.request("$JS.API.STREAM.NAMES", b"", timeout=3)).data)
    return answer["streams"] or []
