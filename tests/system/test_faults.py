"""Whatever is killed while events flow: nothing is lost, nothing is doubled."""

import os
import signal
from pathlib import Path

import pytest

from kigeon.standin.apiserver import ApiServer
from tests.support.events import assert_once, make_event
from tests.support.flow import Flow, finish
from tests.support.kigeon import Kigeon, loki_sender
from tests.support.loki import Loki
from tests.support.processes import is_running, title, wait_until


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_each_actor_is_killed(tmp_path: Path, api: ApiServer, loki: Loki, flow: Flow, number: signal.Signals) -> None:
    """One after the other, and events flow again before the next one is."""
    with Kigeon(tmp_path, api, [loki_sender(loki)]) as kigeon:
        for actor in ("watcher", "deduplicator", "queue", "sender/loki"):
            loki.wait_for(len(loki.lines) + 50)
            before = kigeon.actor(actor)
            os.kill(before, number)
            wait_until(lambda gone=before: not is_running(gone), what=f"the end of {actor}")
            assert kigeon.actor(actor) != before
        finish(kigeon, flow, loki)


def supervisor_of(kigeon: Kigeon) -> int:
    """The Supervisor is the parent of every actor."""
    stat = Path(f"/proc/{kigeon.actor('queue')}/stat").read_text()
    return int(stat.rpartition(")")[2].split()[1])


def admin_of(kigeon: Kigeon) -> int:
    """The admin is the Supervisor's parent."""
    stat = Path(f"/proc/{supervisor_of(kigeon)}/stat").read_text()
    return int(stat.rpartition(")")[2].split()[1])


def test_the_actor_system_loses_what_it_needs(tmp_path: Path, api: ApiServer, loki: Loki, flow: Flow) -> None:
    with Kigeon(tmp_path, api, [loki_sender(loki)]) as kigeon:
        for which in (supervisor_of, admin_of):
            loki.wait_for(len(loki.lines) + 50)
            queue = kigeon.actor("queue")
            os.kill(which(kigeon), signal.SIGKILL)
            wait_until(lambda gone=queue: not is_running(gone), what=f"the end of what {which.__name__} names")
            assert kigeon.actor("queue") != queue
        finish(kigeon, flow, loki)


def test_nats_server_is_killed(tmp_path: Path, api: ApiServer, loki: Loki, flow: Flow) -> None:
    with Kigeon(tmp_path, api, [loki_sender(loki)]) as kigeon:
        loki.wait_for(50)
        for _ in range(2):
            before = kigeon.process("nats-server")
            os.kill(before, signal.SIGKILL)
            wait_until(lambda gone=before: not is_running(gone))
            assert kigeon.process("nats-server") != before
            loki.wait_for(len(loki.lines) + 20)
        finish(kigeon, flow, loki)


def test_the_root_is_killed(tmp_path: Path, api: ApiServer, loki: Loki, flow: Flow) -> None:
    """Every other process ends with it, and the next start loses nothing."""
    with Kigeon(tmp_path, api, [loki_sender(loki)]) as kigeon:
        for _ in range(2):
            loki.wait_for(len(loki.lines) + 50)
            kigeon.kill_root()
            kigeon.start()
        finish(kigeon, flow, loki)


def test_a_hung_actor_is_replaced(tmp_path: Path, api: ApiServer, loki: Loki, flow: Flow) -> None:
    with Kigeon(tmp_path, api, [loki_sender(loki)], global_={"logLevel": "info"}) as kigeon:
        loki.wait_for(50)
        before = kigeon.actor("sender/loki")
        os.kill(before, signal.SIGSTOP)
        wait_until(lambda: not is_running(before), timeout=30)
        finish(kigeon, flow, loki)


def test_a_hook_worker_is_killed(tmp_path: Path, api: ApiServer, loki: Loki, flow: Flow) -> None:
    (tmp_path / "h.star").write_text("def transform(config, event):\n    config['tenantID'] = 't'\n    return config\n")
    sender = loki_sender(loki, hook={"script": "h.star", "onError": "fail"})
    with Kigeon(tmp_path, api, [sender]) as kigeon:
        loki.wait_for(50)
        before = kigeon.process("worker.py")
        os.kill(before, signal.SIGKILL)
        assert wait_until(lambda: kigeon.process("worker.py") not in (0, before))
        finish(kigeon, flow, loki)
    assert {line.tenant for line in loki.lines} == {"t"}


def test_loki_is_away_for_a_while(tmp_path: Path, api: ApiServer, loki: Loki, flow: Flow) -> None:
    with Kigeon(tmp_path, api, [loki_sender(loki)]) as kigeon:
        loki.wait_for(50)
        loki.always = lambda tenant: 503
        loki.wait_for_pushes(len(loki.pushes) + 3)
        loki.always = lambda tenant: 0
        finish(kigeon, flow, loki)


def test_the_cluster_is_away_and_loses_its_history(tmp_path: Path, api: ApiServer, loki: Loki, flow: Flow) -> None:
    with Kigeon(tmp_path, api, [loki_sender(loki)]) as kigeon:
        loki.wait_for(50)
        api.faults.fail_next(3, 503)
        api.faults.end_watches("drop")
        loki.wait_for(len(loki.lines) + 50)
        api.faults.end_watches("expire")
        loki.wait_for(len(loki.lines) + 50)
        api.store.expire_history()
        api.faults.end_watches("close")
        finish(kigeon, flow, loki)


def test_etcd_is_restored_from_a_backup(tmp_path: Path, api: ApiServer, loki: Loki) -> None:
    """The same objects come back with other, lower versions; what happens then is not missed."""
    events = [make_event(number) for number in range(200)]
    api.put_events(events[:150])
    with Kigeon(tmp_path, api, [loki_sender(loki)]) as kigeon:
        loki.wait_for(150)
        api.wait_for_watches()
        api.restore_etcd()
        api.put_events(events[150:])
        loki.wait_for(200)
        assert kigeon.stop() == 0
    assert_once(loki.lines, events)


def test_a_token_is_rotated(tmp_path: Path, api: ApiServer, loki: Loki, flow: Flow) -> None:
    with Kigeon(tmp_path, api, [loki_sender(loki)]) as kigeon:
        loki.wait_for(50)
        api.rotate_token()
        api.write_kubeconfig(kigeon.folder / "kubeconfig")
        finish(kigeon, flow, loki)


def test_a_second_kigeon_on_the_same_directory_says_so_and_exits(tmp_path: Path, api: ApiServer, loki: Loki) -> None:
    api.put_events([make_event(1)])
    with Kigeon(tmp_path / "first", api, [loki_sender(loki)]) as first:
        loki.wait_for(1)
        data = {"dataDir": str(first.folder / "data")}
        with Kigeon(tmp_path / "second", api, [loki_sender(loki)], global_=data) as second:
            assert second.wait() == 1
            assert f"is in use by another kigeon (process {first.pid})" in second.log_path.read_text()
        assert is_running(first.actor("queue"))
        assert "worker.py" not in " ".join(map(title, first.tree()))
