"""A real etcd that forgets what was, or is restored to what it was."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest

from tests.conformance.cluster import Cluster
from tests.conformance.recorder import CoreRecorder
from tests.conformance.wire import Wire
from tests.support.events import assert_once, make_event
from tests.support.kigeon import Kigeon, accounts, loki_sender
from tests.support.loki import Line, Loki
from tests.support.processes import wait_until


def test_history_is_compacted_in_the_midst_of_a_list(cluster: Cluster, loki: Loki, folder: Path) -> None:
    """A continue token expires: the list goes on in a newer state, and the watch beside it misses nothing."""
    events = [make_event(number) for number in range(12_000)]
    cluster.store_events(events)
    with Wire(cluster, 200_000) as wire, Kigeon(folder, wire, [loki_sender(loki)]) as kigeon:
        wire.wait()
        events.append(CoreRecorder(cluster).record(1))
        cluster.compact()
        wire.release()
        loki.wait_for(len(events), 120)
        reasons = [line.get("reason") for line in kigeon.log() if line["message"] == "listing again"]
        assert reasons == []
        assert kigeon.stop() == 0
    assert_once(loki.lines, events)


def restore(cluster: Cluster, backup: Path) -> None:
    """Put *backup* in place of what etcd has, as an operator does: nobody is served meanwhile."""
    cluster.api.end(signal.SIGKILL)
    cluster.etcd.end(signal.SIGKILL)
    shutil.rmtree(cluster.folder / "etcd")
    shutil.copytree(backup, cluster.folder / "etcd")
    cluster.etcd.start()
    cluster.api.start()


@pytest.mark.parametrize("further", [0, 300], ids=["behind what was watched", "past what was watched"])
@pytest.mark.parametrize("is_down", [False, True], ids=["kigeon runs", "kigeon is down"])
def test_etcd_is_restored_from_a_backup(tmp_path: Path, loki: Loki, folder: Path, further: int, is_down: bool) -> None:
    """Versions are given out a second time. *further* Events are written after the restoration, unwatched."""
    home, backup = tmp_path / "cluster", tmp_path / "backup"
    home.mkdir()
    with Cluster(home) as cluster, Kigeon(folder, cluster, [loki_sender(loki)]) as kigeon:
        wait_until(lambda: accounts(kigeon, "watcher").get("watching"), 60, "a watch")
        recorder = CoreRecorder(cluster)
        events = [recorder.record(number) for number in range(20)]
        loki.wait_for(20)
        cluster.etcd.end()
        shutil.copytree(home / "etcd", backup)
        cluster.etcd.start()
        cluster.wait()
        events += [recorder.record(number) for number in range(20, 60)]
        loki.wait_for(60)
        stop_watching(kigeon, is_down)
        restore(cluster, backup)
        events += [recorder.record(1000 + number) for number in range(further)]
        watch_again(kigeon, is_down)
        events += [recorder.record(5000 + number) for number in range(10)]
        loki.wait_for(lambda lines: len(about_pods(lines)) >= len(events), 120)
        assert kigeon.stop() == 0
    assert_once(about_pods(loki.lines), events)


def about_pods(lines: list[Line]) -> list[Line]:
    """Leave out what the API server tells of itself: that it repairs its own Service, for one."""
    return [line for line in lines if line.fields["involvedObjectKind"] == "Pod"]


def stop_watching(kigeon: Kigeon, is_down: bool) -> None:
    if is_down:
        kigeon.kill_tree()
    else:
        os.kill(kigeon.actor("watcher"), signal.SIGSTOP)


def watch_again(kigeon: Kigeon, is_down: bool) -> None:
    if is_down:
        kigeon.start()
        return
    try:
        os.kill(kigeon.actor("watcher"), signal.SIGCONT)
    except ProcessLookupError:
        # It was taken for one that hangs, and replaced.
        return
