"""A real API server and a real etcd; a stand-in for Loki, which counts."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.conformance.cluster import Cluster
from tests.conformance.recorder import CoreRecorder, NewRecorder
from tests.support.events import assert_once, make_event
from tests.support.kigeon import Kigeon, accounts, loki_sender
from tests.support.loki import Loki
from tests.support.processes import wait_until

SITE = """
import kubernetes.config.incluster_config as in_cluster
in_cluster.SERVICE_TOKEN_FILENAME = {token!r}
in_cluster.SERVICE_CERT_FILENAME = {authority!r}
"""
"""A Pod's files lie elsewhere in a test: this is loaded before kigeon is."""


def watching(kigeon: Kigeon) -> None:
    wait_until(lambda: accounts(kigeon, "watcher").get("watching"), 60, "a watch")


def messages(kigeon: Kigeon) -> list[str]:
    return [line["message"] for line in kigeon.log()]


def test_events_of_both_apis_and_their_repeats(cluster: Cluster, loki: Loki, folder: Path) -> None:
    """Each raised count, of either kind, is a line of its own; what a recorder does not change is none."""
    core, new = CoreRecorder(cluster), NewRecorder(cluster)
    listed = [recorder.record(number) for recorder in (core, new) for number in range(5)]
    with Kigeon(folder, cluster, [loki_sender(loki)]) as kigeon:
        loki.wait_for(10)
        watching(kigeon)
        history = list(listed)
        for _ in range(3):
            listed = [(new if "new-" in event["metadata"]["name"] else core).repeat(event) for event in listed]
            history += listed
            loki.wait_for(len(history))
        history += [recorder.record(number) for recorder in (core, new) for number in range(5, 10)]
        loki.wait_for(len(history))
        metadata = listed[0]["metadata"]
        cluster.patch(
            f"/api/v1/namespaces/{metadata['namespace']}/events/{metadata['name']}",
            {"metadata": {"annotations": {"touched": "yes"}}},
        )
        history.append(core.record(10))
        loki.wait_for(len(history))
        assert kigeon.ask("audit", "--loki")["unaccounted"] == 0
        assert kigeon.stop() == 0
    assert_once(loki.lines, history)
    series = [line.fields for line in loki.lines if line.fields["name"] == "new-0"]
    assert sorted(line["count"] for line in series) == [1, 2, 3, 4]
    assert {line["sourceComponent"] for line in series} == {"default-scheduler"}


def test_twenty_thousand_events_are_listed_once(cluster: Cluster, loki: Loki, folder: Path) -> None:
    events = [make_event(number, namespace=f"team-{number % 20}") for number in range(20_000)]
    cluster.store_events(events)
    with Kigeon(folder, cluster, [loki_sender(loki)]) as kigeon:
        loki.wait_for(3000, timeout=60)
        kigeon.kill_tree()
        kigeon.start()
        loki.wait_for(20_000, timeout=120)
        assert kigeon.stop() == 0
    assert_once(loki.lines, events)


def test_compacted_history_is_listed_anew_and_known(cluster: Cluster, loki: Loki, folder: Path) -> None:
    """410 when the watch is resumed after a while."""
    recorder = CoreRecorder(cluster)
    events = [recorder.record(number) for number in range(20)]
    with Kigeon(folder, cluster, [loki_sender(loki)]) as kigeon:
        loki.wait_for(20)
        watching(kigeon)
        kigeon.kill_tree()
        events += [recorder.record(number) for number in range(20, 40)]
        cluster.api.end(signal.SIGKILL)
        cluster.api.start()
        cluster.compact()
        kigeon.start()
        loki.wait_for(40)
        wait_until(lambda: "listing again" in messages(kigeon), what="a list after 410")
        events.append(recorder.record(40))
        loki.wait_for(41)
        assert kigeon.stop() == 0
    assert_once(loki.lines, events)


def test_the_api_server_is_killed_and_restarted_under_load(cluster: Cluster, loki: Loki, folder: Path) -> None:
    recorder = CoreRecorder(cluster)
    events = []
    with Kigeon(folder, cluster, [loki_sender(loki)]) as kigeon:
        watching(kigeon)
        for round_ in range(3):
            events += [recorder.record(100 * round_ + number) for number in range(60)]
            cluster.api.end(signal.SIGKILL)
            cluster.api.start()
            events += [recorder.record(100 * round_ + 60 + number) for number in range(40)]
        loki.wait_for(300, timeout=90)
        assert kigeon.stop() == 0
    assert_once(loki.lines, events)


def test_events_that_expire_are_not_sent_again(tmp_path: Path, loki: Loki, folder: Path) -> None:
    """With an --event-ttl of seconds: deletions come over the watch, and lists show what is left."""
    home = tmp_path / "cluster"
    home.mkdir()
    with Cluster(home, event_ttl="15s") as cluster, Kigeon(folder, cluster, [loki_sender(loki)]) as kigeon:
        watching(kigeon)
        recorder = CoreRecorder(cluster)
        events = [recorder.record(number) for number in range(30)]
        loki.wait_for(30)
        wait_until(lambda: accounts(kigeon, "watcher").get("deleted", 0) >= 30, 150, "the end of every Event")
        assert cluster.events() == []
        events.append(recorder.record(30))
        loki.wait_for(31)
        assert kigeon.stop() == 0
    assert_once(loki.lines, events)


def test_in_a_pod_with_a_token_that_is_rotated(tmp_path: Path, loki: Loki, folder: Path) -> None:
    """The old token is refused after the rotation: the file is read again, and nothing is lost."""
    home = tmp_path / "cluster"
    home.mkdir()
    token, site = tmp_path / "token", tmp_path / "site"
    site.mkdir()
    with Cluster(home) as cluster:
        token.write_text("kigeon-token\n")
        (site / "sitecustomize.py").write_text(SITE.format(token=str(token), authority=str(cluster.authority)))
        kigeon = Kigeon(folder, cluster, [loki_sender(loki)])
        kigeon.credentials = []
        root = str(Path(__file__).parents[2])
        kigeon.environ = {
            "KUBERNETES_SERVICE_HOST": "127.0.0.1",
            "KUBERNETES_SERVICE_PORT": str(cluster.port),
            "PYTHONPATH": f"{site}:{root}",
        }
        recorder = CoreRecorder(cluster)
        with kigeon:
            watching(kigeon)
            events = [recorder.record(number) for number in range(10)]
            loki.wait_for(10)
            cluster.set_tokens("rotated-token")
            cluster.api.end(signal.SIGKILL)
            cluster.api.start()
            wait_until(lambda: any("401" in str(line.get("error")) for line in kigeon.log()), what="a refusal")
            events += [recorder.record(number) for number in range(10, 20)]
            token.write_text("rotated-token")
            loki.wait_for(20, timeout=90)
            assert kigeon.stop() == 0
    assert_once(loki.lines, events)


@pytest.mark.parametrize("missing", ["events", "namespaces"])
def test_a_right_that_is_missing_is_said_and_waited_for(
    cluster: Cluster, loki: Loki, folder: Path, missing: str
) -> None:
    cluster.put_namespace("team-a", {"team": "a"})
    cluster.grant(missing)
    event = CoreRecorder(cluster).record(1, "team-a")
    only = {"namespaceSelector": {"matchLabels": {"team": "a"}}}
    with Kigeon(folder, cluster, [loki_sender(loki, filter=only)]) as kigeon:
        refused = wait_until(
            lambda: [line for line in kigeon.log() if line["level"] == "error" and "403" in line.get("error", "")],
            what="an error",
        )
        assert f"/api/v1/{missing}" in refused[0]["error"]
        assert "rbac.yaml" in refused[0]["cure"]
        assert loki.lines == []
        cluster.grant()
        loki.wait_for(1, timeout=90)
        assert kigeon.stop() == 0
    assert_once(loki.lines, [event])
