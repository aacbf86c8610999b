"""Hooks between a real cluster and a real Loki: tenants by namespace, labels of real Pods, one tenant in trouble."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from kigeon.standin.apiserver import ApiServer
from tests.conformance.cluster import Cluster
from tests.conformance.holding import assert_held_once, sender
from tests.conformance.loki import RealLoki
from tests.conformance.recorder import CoreRecorder
from tests.support.events import make_event
from tests.support.kigeon import Kigeon, accounts
from tests.support.processes import wait_until

EXAMPLES = Path(__file__).parents[2] / "examples" / "hooks"
BY_NAMESPACE = """
def transform(config, event):
    config["tenantID"] = config["tenantID"] + "-" + event["involvedObject"]["namespace"]
    return config
"""


def put_pod(cluster: Cluster, namespace: str, name: str, labels: dict[str, str]) -> str:
    """Make a Pod that nothing will ever run; return its uid."""
    pod = {
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"containers": [{"name": "main", "image": "none.invalid/none"}]},
    }
    made = cluster.ask("POST", f"/api/v1/namespaces/{namespace}/pods", pod)
    return str(made["metadata"]["uid"])


def record(cluster: Cluster, number: int, namespace: str, pod: str, uid: str = "") -> dict[str, Any]:
    involved = {"kind": "Pod", "namespace": namespace, "name": pod, **({"uid": uid} if uid else {})}
    return CoreRecorder(cluster).record(number, namespace, involvedObject=involved)


def test_a_tenant_in_trouble_is_no_trouble_for_the_others(
    api: ApiServer, real_loki: RealLoki, folder: Path, tenant: str
) -> None:
    """Three tenants by a hook: one may not be written to, one is slow, one is well."""
    until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    blocked, slow = f"{tenant}-blocked", f"{tenant}-slow"
    real_loki.limit(
        {
            blocked: {"block_ingestion_until": until, "block_ingestion_status_code": 260},
            slow: {"ingestion_rate_mb": 0.05, "ingestion_burst_size_mb": 1.1},
        }
    )
    names = ("blocked", "slow", "well")
    events = [make_event(number, names[number % 3], message=f"{number} " + "x" * 500) for number in range(6000)]
    folder.mkdir()
    (folder / "hook.star").write_text(BY_NAMESPACE)
    by = {name: events[index::3] for index, name in enumerate(names)}
    api.put_events(events)
    try:
        with Kigeon(folder, api, [sender(real_loki, tenant, hook={"script": "hook.star"})]) as kigeon:
            wait_until(lambda: len(real_loki.lines(f"{tenant}-well")) == 2000, 90, "what is well")
            assert real_loki.lines(blocked) == []
            kigeon.kill_tree()
            kigeon.start()
            real_loki.limit({})
            wait_until(lambda: len(real_loki.lines(blocked)) + len(real_loki.lines(slow)) == 4000, 120, "the others")
            wait_until(lambda: accounts(kigeon).get("retrying") == 0, what="an empty retry stream")
            assert kigeon.stop() == 0
    finally:
        real_loki.limit({})
    for name in names:
        assert_held_once(real_loki, f"{tenant}-{name}", by[name])


def test_labels_of_real_pods(cluster: Cluster, real_loki: RealLoki, folder: Path, tenant: str) -> None:
    """Of one that is there, one that was replaced by another of its name, and one that never was."""
    cluster.put_namespace("shop")
    there = put_pod(cluster, "shop", f"web-{tenant}", {"app.kubernetes.io/name": "web", "other": "label"})
    events = [
        record(cluster, 1, "shop", f"web-{tenant}", there),
        record(cluster, 2, "shop", f"web-{tenant}", "00000000-0000-4000-8000-000000000000"),
        record(cluster, 3, "shop", "never-was"),
    ]
    hook = {"script": str(EXAMPLES / "add-pod-labels-as-stream-labels.star"), "enrichPod": True}
    skipping = {**sender(real_loki, f"{tenant}-s", hook={**hook, "skipOnPodNotFound": True}), "name": "skipping"}
    with Kigeon(folder, cluster, [sender(real_loki, tenant, hook=hook), skipping]) as kigeon:
        wait_until(lambda: accounts(kigeon).get("sent") == 3)
        wait_until(lambda: accounts(kigeon, "sender/skipping").get("skipped") == 2)
        assert kigeon.stop() == 0
    assert_held_once(real_loki, tenant, events)
    # Without a hook's "app", the one that is configured stays.
    assert {line.labels["event_uid"]: line.labels["app"] for line in real_loki.lines(tenant)} == {
        event["metadata"]["uid"]: app for event, app in zip(events, ("web", "kigeon", "kigeon"), strict=True)
    }
    assert_held_once(real_loki, f"{tenant}-s", events[:1])


def test_without_the_right_to_get_pods_events_go_without(
    cluster: Cluster, real_loki: RealLoki, folder: Path, tenant: str
) -> None:
    """It is said, with what would help; the right counts soon after it is granted."""
    cluster.put_namespace("shop")
    cluster.grant("pods")
    uid = put_pod(cluster, "shop", f"web-{tenant}", {"app.kubernetes.io/name": "web"})
    hook = {"script": str(EXAMPLES / "add-pod-labels-as-stream-labels.star"), "enrichPod": True}
    with Kigeon(folder, cluster, [sender(real_loki, tenant, hook=hook)]) as kigeon:
        events = [record(cluster, 1, "shop", f"web-{tenant}", uid)]
        wait_until(lambda: accounts(kigeon).get("sent") == 1)
        (said,) = [line for line in kigeon.log() if line["message"] == "a Pod can't be looked up"]
        assert "403" in said["error"]
        assert (said["level"], "rbac.yaml" in said["cure"]) == ("error", True)
        cluster.grant()
        wait_until(lambda: allowed(cluster), what="the right to get Pods")

        def is_shown() -> bool:
            """That a Pod could not be looked up is remembered for a moment."""
            events.append(record(cluster, len(events) + 1, "shop", f"web-{tenant}", uid))
            wait_until(lambda: accounts(kigeon).get("sent") == len(events))
            return "web" in [line.labels["app"] for line in real_loki.lines(tenant)]

        wait_until(is_shown, 60, "an event with the labels of its Pod")
        assert kigeon.stop() == 0
    assert_held_once(real_loki, tenant, events)
    assert sorted(line.labels["app"] for line in real_loki.lines(tenant)) == ["kigeon"] * (len(events) - 1) + ["web"]


def allowed(cluster: Cluster) -> bool:
    """Whether the API server goes by the right to get Pods: it takes a moment to hear of it."""
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": "kigeon", "resourceAttributes": {"namespace": "shop", "verb": "get", "resource": "pods"}},
    }
    answer = cluster.ask("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
    return bool(answer["status"]["allowed"])
