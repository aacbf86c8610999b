"""A sample Event about a Pod, as the kubelet writes one; its reason tells it from real Events."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

REASON = "KigeonCheck"
MESSAGE = "a sample Event of kigeon check --connect: nothing has happened"


def sample_event(now: datetime | None = None) -> dict[str, Any]:
    """Return the Event, as the API server would give it to a watch."""
    stamp = (now or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ")
    pod = {"kind": "Pod", "apiVersion": "v1", "namespace": "default", "name": "kigeon-sample", "uid": "kigeon-sample"}
    return {
        "kind": "Event",
        "apiVersion": "v1",
        "metadata": {
            "name": "kigeon-sample.17a3b2c1d0e9f8a7",
            "namespace": "default",
            "uid": "6b696765-6f6e-4000-8000-000000000000",
            "resourceVersion": "1",
            "creationTimestamp": stamp,
        },
        "involvedObject": {**pod, "fieldPath": "spec.containers{app}"},
        "reason": REASON,
        "message": MESSAGE,
        "source": {"component": "kigeon", "host": "node-1"},
        "reportingComponent": "kigeon",
        "reportingInstance": "",
        "firstTimestamp": stamp,
        "lastTimestamp": stamp,
        "count": 1,
        "type": "Normal",
    }


def sample_pod() -> dict[str, Any]:
    """Return the Pod that the Event is about, as a hook with ``enrichPod`` sees it."""
    metadata = {"namespace": "default", "name": "kigeon-sample", "uid": "kigeon-sample", "labels": {"app": "sample"}}
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {**metadata, "annotations": {}},
        "spec": {"nodeName": "node-1", "containers": [{"name": "app", "image": "sample:1"}]},
        "status": {"phase": "Running"},
    }
