"""The Pod as the manifest has it, against stand-ins on loopback: signals, restarts, orphans, memory."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from kigeon.config.quantities import parse_size
from kigeon.standin.apiserver import ApiServer
from tests.deploy.engine import IMAGE, Engine
from tests.deploy.pod import Pod
from tests.support.events import assert_once, make_event
from tests.support.kigeon import loki_sender
from tests.support.loki import Loki
from tests.support.processes import wait_until

HOOK = {"script": "/opt/kigeon/hooks/route-oom-events.star"}

ORPHANS = "for number in 1 2 3 4 5 6 7 8; do (sleep 0.1 & sleep 0.2 &); done"


@pytest.fixture
def running(pod: Pod, api: ApiServer, loki: Loki) -> Pod:
    """The Pod with a sender to Loki and one of the image's hooks; it watches."""
    pod.configure_senders(loki_sender(loki, hook=HOOK))
    pod.reach(api.write_kubeconfig)
    pod.start()
    api.wait_for_watches(timeout=60)
    return pod


@pytest.fixture
def second(engine: Engine, pod: Pod, api: ApiServer, loki: Loki, tmp_path: Path) -> Iterator[Pod]:
    """Another Pod on the same volume, not started yet."""
    (tmp_path / "second").mkdir()
    with Pod(engine, IMAGE, pod.volume, tmp_path / "second") as made:
        made.configure_senders(loki_sender(loki))
        made.reach(api.write_kubeconfig)
        yield made


def test_events_arrive_once_through_ends_of_every_kind(running: Pod, api: ApiServer, loki: Loki) -> None:
    events = [make_event(number) for number in range(30)]
    api.put_events(events[:10])
    loki.wait_for(10)
    assert running.stop() == 0
    running.wait_for_log("stopped")
    api.put_events(events[10:20])
    running.start()
    loki.wait_for(20)
    running.signal("KILL")
    assert running.wait() == 137
    api.put_events(events[20:])
    running.start()
    loki.wait_for(30)
    assert running.stop() == 0
    assert_once(loki.lines, events)


def test_a_signal_while_neither_the_cluster_nor_loki_answers_ends_it_with_0(
    running: Pod, api: ApiServer, loki: Loki
) -> None:
    event = make_event(1)
    loki.always = lambda tenant: 503
    api.put_events([event])
    loki.wait_for_pushes(1)
    api.hang()
    assert running.stop() == 0
    loki.always = lambda tenant: 0
    api.resume()
    running.start()
    loki.wait_for(1)
    assert running.stop() == 0
    assert_once(loki.lines, [event])


def test_pid_1_is_kigeon_and_reaps_what_ends_below_it(running: Pod, api: ApiServer, loki: Loki) -> None:
    found = {process["pid"]: process["title"] for process in running.processes()}
    assert "kigeon start" in found[1]
    assert any("nats-server" in title for title in found.values())
    running.execute("sh", "-c", ORPHANS)
    watcher = running.wait_for_log("started", actor="watcher")["pid"]
    running.execute("python", "-c", f"import os; os.kill({watcher}, 9)")
    wait_until(lambda: running.wait_for_log("started", actor="watcher")["pid"] != watcher, what="another Watcher")
    api.put_events([make_event(1)])
    loki.wait_for(1)

    def is_tidy() -> bool:
        now = running.processes()
        return not any(process["state"] == "Z" or "sleep" in process["title"] for process in now)

    wait_until(is_tidy, what="the end of every orphan")
    assert running.stop() == 0


def test_no_process_has_a_privilege(running: Pod) -> None:
    every = running.execute("sh", "-c", "cat /proc/[0-9]*/status").splitlines()
    said = [line.split() for line in every]
    assert {tuple(line[1:]) for line in said if line[0] in ("Uid:", "Gid:")} == {("65534",) * 4}
    assert {line[1] for line in said if line[0].startswith("Cap")} == {"0" * 16}
    assert {line[1] for line in said if line[0] == "NoNewPrivs:"} == {"1"}
    assert running.stop() == 0


def test_an_operator_asks_it_from_inside(running: Pod, api: ApiServer, loki: Loki) -> None:
    api.put_events([make_event(number) for number in range(5)])
    loki.wait_for(5)

    def answer() -> str:
        return running.execute("kigeon", "status", "--config", "/etc/kigeon/config.yaml", "--json")

    assert "loki" in json.loads(answer())["senders"]
    assert running.stop() == 0


def test_a_second_one_on_the_volume_says_so(running: Pod, second: Pod) -> None:
    assert second.run() == 1
    assert "is in use by another kigeon" in "".join(second.output())
    assert running.stop() == 0


def test_a_backlog_fits_into_the_memory_that_is_asked_for(running: Pod, api: ApiServer, loki: Loki) -> None:
    api.put_events([make_event(number, message="x" * 500) for number in range(20_000)])
    loki.wait_for(20_000, timeout=120)
    memory = sum(process["pss"] for process in running.processes())
    assert memory < parse_size(running.container["resources"]["requests"]["memory"])
    assert running.inspect("{{.State.OOMKilled}}") == "false"
    assert running.stop() == 0
