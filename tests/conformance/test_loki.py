"""A real Loki: what it holds is read back by LogQL, and compared event by event."""

from __future__ import annotations

import signal
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from kigeon.standin.apiserver import ApiServer
from tests.conformance.cluster import Cluster
from tests.conformance.holding import assert_held_once, sender, wait_for_sent, wanted_of
from tests.conformance.loki import RealLoki
from tests.conformance.recorder import CoreRecorder, NewRecorder
from tests.support.events import make_event
from tests.support.kigeon import Kigeon, accounts
from tests.support.processes import wait_until

EXAMPLES = Path(__file__).parents[2] / "examples" / "hooks"


def test_from_a_real_cluster_to_a_real_loki(cluster: Cluster, real_loki: RealLoki, folder: Path, tenant: str) -> None:
    core, new = CoreRecorder(cluster), NewRecorder(cluster)
    events = [recorder.record(number) for recorder in (core, new) for number in range(20)]
    with Kigeon(folder, cluster, [sender(real_loki, tenant)]) as kigeon:
        wait_for_sent(kigeon, 40)
        events += [core.repeat(event) for event in events[:10]] + [new.repeat(event) for event in events[20:30]]
        wait_for_sent(kigeon, 60)
        audit = kigeon.ask("audit", "--loki")
        assert (audit["listed"], audit["unaccounted"], audit["loki"]) == (40, 0, {"loki": {"once": 40}})
        assert kigeon.stop() == 0
    assert_held_once(real_loki, tenant, events)


def test_a_killed_kigeon_leaves_nothing_missing_and_nothing_double(
    api: ApiServer, real_loki: RealLoki, folder: Path, tenant: str
) -> None:
    events = [make_event(number) for number in range(6000)]
    api.put_events(events[:5000])
    with Kigeon(folder, api, [sender(real_loki, tenant)]) as kigeon:
        for sent in (1, 1500, 3000):
            wait_until(lambda sent=sent: accounts(kigeon).get("sent", 0) >= sent)
            kigeon.kill_tree()
            api.store.expire_history()
            kigeon.start()
            kigeon.log_path.write_text("")
        api.put_events(events[5000:])
        wait_for_sent(kigeon, 6000)
        assert kigeon.ask("audit", "--loki")["loki"] == {"loki": {"once": 6000}}
        assert kigeon.stop() == 0
    assert_held_once(real_loki, tenant, events)


def test_a_killed_loki_gets_what_it_missed(api: ApiServer, real_loki: RealLoki, folder: Path, tenant: str) -> None:
    """Away for a while, twice, in the midst of pushes; what it had acknowledged it has kept."""
    events = [make_event(number) for number in range(3000)]
    with Kigeon(folder, api, [sender(real_loki, tenant)]) as kigeon:
        for start in range(0, 3000, 1000):
            api.put_events(events[start : start + 500])
            wait_until(lambda start=start: accounts(kigeon).get("sent", 0) > start)
            if start:
                real_loki.server.end(signal.SIGKILL)
            api.put_events(events[start + 500 : start + 1000])
            if start:
                wait_until(lambda: accounts(kigeon).get("blocked"), what="a push that failed")
                real_loki.server.start()
        wait_for_sent(kigeon, 3000, timeout=120)
        assert kigeon.stop() == 0
    assert_held_once(real_loki, tenant, events)


def test_rate_limits_slow_down_and_lose_nothing(api: ApiServer, real_loki: RealLoki, folder: Path, tenant: str) -> None:
    real_loki.limit({tenant: {"ingestion_rate_mb": 0.2, "ingestion_burst_size_mb": 1.1}})
    events = [make_event(number, message=f"{number} " + "x" * 700) for number in range(3000)]
    api.put_events(events)
    try:
        with Kigeon(folder, api, [sender(real_loki, tenant)]) as kigeon:
            wait_until(lambda: "429" in kigeon.log_path.read_text(), 60, "a 429")
            wait_for_sent(kigeon, 3000, timeout=120)
            assert kigeon.stop() == 0
    finally:
        real_loki.limit({})
    assert_held_once(real_loki, tenant, events)


def test_blocked_ingestion_is_held(api: ApiServer, real_loki: RealLoki, folder: Path, tenant: str) -> None:
    """260 is a 2xx that has stored nothing."""
    until = datetime.now(UTC) + timedelta(hours=1)
    real_loki.limit({tenant: {"block_ingestion_until": until.isoformat(), "block_ingestion_status_code": 260}})
    events = [make_event(number) for number in range(50)]
    api.put_events(events)
    with Kigeon(folder, api, [sender(real_loki, tenant)]) as kigeon:
        held = wait_until(lambda: [line for line in kigeon.log() if "260" in str(line.get("reason"))], what="a 260")
        assert held[0]["level"] == "error"
        assert accounts(kigeon).get("sent", 0) == 0
        real_loki.limit({})
        wait_for_sent(kigeon, 50)
        assert kigeon.stop() == 0
    assert_held_once(real_loki, tenant, events)


def test_lines_that_are_too_old_are_parked_and_cost_the_others_nothing(
    api: ApiServer, real_loki: RealLoki, folder: Path, tenant: str
) -> None:
    old = (datetime.now(UTC) - timedelta(days=20)).strftime("%Y-%m-%dT%H:%M:%SZ")
    # In a stream of their own: Loki takes nothing that lies far behind what a stream has.
    long_ago: dict[str, Any] = {"firstTimestamp": old, "lastTimestamp": old, "type": "Old"}
    events = [make_event(number, **(long_ago if number % 25 == 3 else {})) for number in range(200)]
    api.put_events(events)
    with Kigeon(folder, api, [sender(real_loki, tenant)]) as kigeon:
        wait_for_sent(kigeon, 192)
        letters = kigeon.ask("dead-letter", "list")["deadLetters"]
        assert {letter["name"] for letter in letters} == {f"web-{number}.17a" for number in range(3, 200, 25)}
        assert all("too old" in letter["reason"] for letter in letters)
        assert kigeon.ask("audit", "--loki")["unaccounted"] == 0
        real_loki.limit({tenant: {"reject_old_samples": False}})
        try:
            assert len(kigeon.ask("dead-letter", "replay", "--all")["done"]) == 8
            wait_for_sent(kigeon, 200)
        finally:
            real_loki.limit({})
        assert kigeon.ask("dead-letter", "list") == {"deadLetters": []}
        assert kigeon.stop() == 0
    real_loki.flush()
    wait_until(lambda: len(real_loki.lines(tenant, weeks=4)) == 200, what="every line in the store")
    held = Counter((line.timestamp, line.line) for line in real_loki.lines(tenant, weeks=4))
    assert held == wanted_of(events)


def test_labels_and_structured_metadata(api: ApiServer, real_loki: RealLoki, folder: Path, tenant: str) -> None:
    """Loki guesses neither the service nor the level: a Normal event is none of an error, whatever its message says."""
    message = 'failed: level=error msg="error"'
    events = [make_event(number, message=message, type=kind) for number, kind in enumerate(("Normal", "Warning"))]
    api.put_events(events)
    with Kigeon(folder, api, [sender(real_loki, tenant, streamLabels={"cluster": "c"})]) as kigeon:
        wait_for_sent(kigeon, 2)
        lines = sorted(real_loki.lines(tenant), key=lambda line: line.labels["event_uid"])
        assert kigeon.ask("audit", "--loki")["loki"] == {"loki": {"once": 2}}
        assert kigeon.stop() == 0
    for number, (line, level) in enumerate(zip(lines, ("info", "warn"), strict=True)):
        assert dict(line.labels) == {
            "cluster": "c",
            "service_name": "kigeon",
            "namespace": "shop",
            "type": events[number]["type"],
            "level": level,
            "detected_level": level,
            "involved_object_kind": "Pod",
            "involved_object_name": f"web-{number}",
            "reason": "BackOff",
            "source_component": "kubelet",
            "source_host": f"node-{number}",
            "event_uid": events[number]["metadata"]["uid"],
        }


def test_the_example_hooks(api: ApiServer, real_loki: RealLoki, folder: Path, tenant: str) -> None:
    """Each routes as it says; tenants are told apart by Loki itself."""
    api.put_pod("shop", "web-1", "pod-1", {"app": "web", "team": "shop"})
    events = [
        make_event(1),
        make_event(2, namespace="kube-system"),
        make_event(3, reason="OOMKilling"),
    ]
    api.put_events(events)
    scripts = sorted(EXAMPLES.glob("*.star"))
    assert len(scripts) == 3
    senders = []
    for script in scripts:
        hook = {"script": str(script), "enrichPod": script.name.startswith("add-pod")}
        senders.append({**sender(real_loki, f"{tenant}-{script.stem}", hook=hook), "name": script.stem})
    with Kigeon(folder, api, senders) as kigeon:
        for script in scripts:
            wait_until(lambda script=script: accounts(kigeon, f"sender/{script.stem}").get("sent") == 3)
        audit = kigeon.ask("audit", "--loki")
        assert audit["loki"] == {script.stem: {"once": 3} for script in scripts}
        assert kigeon.stop() == 0
    labelled = real_loki.lines(f"{tenant}-add-pod-labels-as-stream-labels")
    assert len(labelled) == 3
