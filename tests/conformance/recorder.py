"""Events as client-go's recorders write them: through core/v1 and through events.k8s.io/v1, repeats by patch."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tests.conformance.cluster import Cluster


def now(micro: bool = False) -> str:
    """Return the time as Kubernetes writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ" if micro else "%Y-%m-%dT%H:%M:%SZ")


class CoreRecorder:
    """client-go's tools/record: a repeat raises count and lastTimestamp of the object that is there."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def record(self, number: int, namespace: str = "default", **fields: Any) -> dict[str, Any]:
        """Write an Event, and return it as the API server has it."""
        event = {
            "metadata": {"name": f"core-{number}", "namespace": namespace},
            "involvedObject": {"kind": "Pod", "namespace": namespace, "name": f"web-{number}", "uid": f"pod-{number}"},
            "reason": "Pulled",
            "message": f"Container image {number} already present on machine",
            "source": {"component": "kubelet", "host": f"node-{number % 3}"},
            "firstTimestamp": now(),
            "lastTimestamp": now(),
            "count": 1,
            "type": "Normal",
            **fields,
        }
        return self._cluster.ask("POST", f"/api/v1/namespaces/{namespace}/events", event)

    def repeat(self, event: dict[str, Any]) -> dict[str, Any]:
        """Have *event* happen again; return it as the API server has it then."""
        metadata = event["metadata"]
        path = f"/api/v1/namespaces/{metadata['namespace']}/events/{metadata['name']}"
        return self._cluster.patch(path, {"count": event["count"] + 1, "lastTimestamp": now()})


class NewRecorder:
    """client-go's tools/events: a repeat begins, or goes on with, a series."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def record(self, number: int, namespace: str = "default") -> dict[str, Any]:
        """Write an Event, and return it as core/v1 shows it."""
        event = {
            "metadata": {"name": f"new-{number}", "namespace": namespace},
            "eventTime": now(micro=True),
            "reportingController": "default-scheduler",
            "reportingInstance": "default-scheduler-host",
            "action": "Binding",
            "reason": "Scheduled",
            "regarding": {"kind": "Pod", "namespace": namespace, "name": f"web-{number}", "uid": f"pod-{number}"},
            "note": f"Successfully assigned web-{number}",
            "type": "Normal",
        }
        self._cluster.ask("POST", f"/apis/events.k8s.io/v1/namespaces/{namespace}/events", event)
        return self._as_core(namespace, f"new-{number}")

    def repeat(self, event: dict[str, Any]) -> dict[str, Any]:
        """Have *event* happen again; return it as core/v1 shows it then."""
        namespace, name = event["metadata"]["namespace"], event["metadata"]["name"]
        count = (event.get("series") or {"count": 1})["count"] + 1
        series = {"series": {"count": count, "lastObservedTime": now(micro=True)}}
        self._cluster.patch(f"/apis/events.k8s.io/v1/namespaces/{namespace}/events/{name}", series)
        return self._as_core(namespace, name)

    def _as_core(self, namespace: str, name: str) -> dict[str, Any]:
        return self._cluster.ask("GET", f"/api/v1/namespaces/{namespace}/events/{name}")
