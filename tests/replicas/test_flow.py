"""kigeon on a JetStream cluster that is well: events arrive, each once, and kigeons of two names do not meet."""

from pathlib import Path

from kigeon.standin.apiserver import ApiServer
from tests.support.events import assert_once, make_event
from tests.support.kigeon import Kigeon, loki_sender
from tests.support.loki import Loki
from tests.support.nats import NatsCluster
from tests.support.processes import title


def durable(folder: Path) -> list[str]:
    """Return the files that a data directory holds beside those that matter only while kigeon runs."""
    return sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and path.relative_to(folder).parts[0] != "run"
    )


def test_events_flow_through_three_replicas_each_once(
    tmp_path: Path, api: ApiServer, loki: Loki, cluster: NatsCluster
) -> None:
    listed = [make_event(number) for number in range(3000)]
    watched = [make_event(number) for number in range(3000, 4000)]
    api.put_events(listed)
    with Kigeon(tmp_path / "a", api, [loki_sender(loki)], queue=cluster.queue(tmp_path / "a")) as kigeon:
        loki.wait_for(3000)
        kigeon.kill_tree()
        kigeon.start()
        for start in range(0, 1000, 100):
            api.put_events(watched[start : start + 100])
        loki.wait_for(4000)
        account = kigeon.ask("status")["senders"]["loki"]
        assert (account["sent"], account["unaccounted"]) == (4000, 0)
        assert not any("nats-server" in title(pid) for pid in kigeon.tree())
        assert kigeon.stop() == 0
    assert_once(loki.lines, listed + watched)
    assert durable(tmp_path / "a" / "data") == [".lock"]
    streams = cluster.ask(lambda js: js.streams_info())
    assert sorted(info.config.name for info in streams) == [
        "KV_kigeon-state",
        "kigeon-dead-letter",
        "kigeon-events",
        "kigeon-outcomes",
        "kigeon-retry-loki",
        "kigeon-seen",
    ]
    assert {info.config.num_replicas for info in streams} == {3}


def test_two_names_on_one_jetstream_see_nothing_of_each_other(tmp_path: Path, cluster: NatsCluster) -> None:
    """Two Kubernetes clusters with the same Events and senders of the same name: uids may well be the same, too."""
    with ApiServer() as east, ApiServer() as west, Loki() as eastern, Loki() as western:
        both, more = [make_event(number) for number in range(300)], [make_event(number) for number in range(300, 500)]
        east.put_events(both)
        west.put_events(both + more)
        queues = {name: cluster.queue(tmp_path / name, name) for name in ("east", "east-2")}
        with (
            Kigeon(tmp_path / "east", east, [loki_sender(eastern)], queue=queues["east"]) as first,
            Kigeon(tmp_path / "east-2", west, [loki_sender(western)], queue=queues["east-2"]) as second,
        ):
            eastern.wait_for(300)
            western.wait_for(500)
            told = [kigeon.ask("status") for kigeon in (first, second)]
            assert [each["senders"]["loki"]["sent"] for each in told] == [300, 500]
            assert [each["watcher"]["stored"] for each in told] == [300, 500]
            assert first.stop() == second.stop() == 0
        assert_once(eastern.lines, both)
        assert_once(western.lines, both + more)
