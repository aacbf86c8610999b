"""Makes lifelike Events, as a cluster writes them while it schedules, pulls, probes, kills and evicts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

NAMESPACES = {
    "shop": {"team": "web", "env": "production"},
    "payments": {"team": "payments", "env": "production"},
    "batch": {"team": "data", "env": "production"},
    "staging": {"team": "web", "env": "staging"},
    "kube-system": {"team": "platform"},
}
"""The namespaces of the story, and their labels."""

NODES = ("ip-10-0-1-17.eu-central-1.compute.internal", "ip-10-0-2-40.eu-central-1.compute.internal", "worker-gpu-1")
APPS = ("checkout", "cart", "search-indexer", "ledger", "thumbnailer", "nightly-report")
STORY_INTERVAL = timedelta(milliseconds=250)


@dataclass(slots=True)
class Storyteller:
    """Tells Events in the order in which they happen; the same seed tells the same story.

    ``clock`` is a ``tick`` before the first Event; each Event happens a tick after the one before.
    """

    seed: int = 0
    clock: datetime = field(default_factory=lambda: datetime.now(UTC))
    tick: timedelta = STORY_INTERVAL
    _random: Random = field(init=False)
    _repeating: list[dict[str, Any]] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self._random = Random(self.seed)  # noqa: S311 - a story, not a secret

    def tell(self) -> Iterator[dict[str, Any]]:
        """Yield Events, for ever: most are new objects, some are the next occurrence of one, a few are only touched."""
        while True:
            self.clock += self.tick
            chance = self._random.random()
            if self._repeating and chance < 0.03:
                yield self._touched(self._random.choice(self._repeating))
            elif self._repeating and chance < 0.25:
                yield self._again(self._random.randrange(len(self._repeating)))
            else:
                yield self._random.choices(_CHAPTERS, _WEIGHTS)[0](self)

    def _touched(self, event: dict[str, Any]) -> dict[str, Any]:
        """Return an Event of which only the annotations changed: nothing has happened."""
        mark = {"audit.example.com/seen": self.clock.isoformat()}
        return {**event, "metadata": {**event["metadata"], "annotations": mark}}

    def _again(self, index: int) -> dict[str, Any]:
        event = self._repeating[index]
        if event.get("series"):
            series = {"count": event["series"]["count"] + 1, "lastObservedTime": self._micro()}
            event = {**event, "series": series}
        else:
            event = {**event, "count": event["count"] + 1, "lastTimestamp": self._second()}
        self._repeating[index] = event
        return event

    def _second(self) -> str:
        return self.clock.strftime("%Y-%m-%dT%H:%M:%SZ")

    def _micro(self) -> str:
        return self.clock.strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def _uid(self) -> str:
        return str(UUID(int=self._random.getrandbits(128), version=4))

    def _pod(self) -> dict[str, Any]:
        app = self._random.choice(APPS)
        name = f"{app}-{self._random.getrandbits(36):09x}-{self._random.getrandbits(20):05x}"
        namespace = self._random.choice(list(NAMESPACES))
        version = str(self._random.randrange(10**8, 10**9))
        return {
            "kind": "Pod",
            "namespace": namespace,
            "name": name,
            "uid": self._uid(),
            "apiVersion": "v1",
            "resourceVersion": version,
            "fieldPath": f"spec.containers{{{app}}}",
        }

    def _event(self, involved: dict[str, Any], reason: str, message: str, component: str, kind: str) -> dict[str, Any]:
        """Return a core/v1 Event as the recorder of *component* writes it."""
        second = self._second()
        namespace = involved.get("namespace", "default")
        host = self._random.choice(NODES) if component == "kubelet" else ""
        fields: dict[str, object] = {
            f"f:{name}": {} for name in ("count", "firstTimestamp", "involvedObject", "lastTimestamp", "message")
        }
        return {
            "metadata": {
                "name": f"{involved['name']}.{self._random.getrandbits(60):015x}",
                "namespace": namespace,
                "uid": self._uid(),
                "creationTimestamp": second,
                "managedFields": [
                    {
                        "manager": component,
                        "operation": "Update",
                        "apiVersion": "v1",
                        "time": second,
                        "fieldsType": "FieldsV1",
                        "fieldsV1": {**fields, "f:reason": {}, "f:source": {"f:component": {}}, "f:type": {}},
                    }
                ],
            },
            "involvedObject": involved,
            "reason": reason,
            "message": message,
            "source": {"component": component, **({"host": host} if host else {})},
            "firstTimestamp": second,
            "lastTimestamp": second,
            "count": 1,
            "type": kind,
            "eventTime": None,
            "reportingComponent": component,
            "reportingInstance": host,
        }

    def _repeat_later(self, event: dict[str, Any]) -> dict[str, Any]:
        self._repeating.append(event)
        if len(self._repeating) > 50:
            self._repeating.pop(self._random.randrange(50))
        return event

    def scheduled(self) -> dict[str, Any]:
        """A Pod was assigned: written through events.k8s.io, with eventTime and without a count."""
        pod = self._pod()
        pod.pop("fieldPath")
        message = f"Successfully assigned {pod['namespace']}/{pod['name']} to {self._random.choice(NODES)}"
        event = self._event(pod, "Scheduled", message, "default-scheduler", "Normal")
        event |= {"eventTime": self._micro(), "firstTimestamp": None, "lastTimestamp": None, "source": {}, "count": 0}
        return event | {"action": "Binding", "reportingInstance": "default-scheduler-control-plane-0"}

    def unschedulable(self) -> dict[str, Any]:
        """No node fits: an events.k8s.io series, whose count rises in the series."""
        event = self.scheduled()
        event |= {"reason": "FailedScheduling", "type": "Warning", "action": "Scheduling"}
        event["message"] = "0/3 nodes are available: 3 Insufficient memory. preemption: 0/3 nodes are available."
        event["series"] = {"count": 2, "lastObservedTime": self._micro()}
        return self._repeat_later(event)

    def pulled(self) -> dict[str, Any]:
        """An image was pulled."""
        pod = self._pod()
        image = f"registry.example.com/{pod['name'].split('-')[0]}:v{self._random.randrange(1, 400)}"
        message = f'Successfully pulled image "{image}" in {self._random.randrange(200, 9000)}ms.'
        return self._event(pod, "Pulled", message, "kubelet", "Normal")

    def started(self) -> dict[str, Any]:
        """A container was started."""
        pod = self._pod()
        return self._event(pod, "Started", f"Started container {pod['fieldPath'][16:-1]}", "kubelet", "Normal")

    def back_off(self) -> dict[str, Any]:
        """A container keeps failing."""
        pod = self._pod()
        message = f"Back-off restarting failed container in pod {pod['name']}_{pod['namespace']}({pod['uid']})"
        return self._repeat_later(self._event(pod, "BackOff", message, "kubelet", "Warning"))

    def unhealthy(self) -> dict[str, Any]:
        """A probe fails, again and again."""
        message = f"Readiness probe failed: HTTP probe failed with statuscode: {self._random.choice((500, 502, 503))}"
        return self._repeat_later(self._event(self._pod(), "Unhealthy", message, "kubelet", "Warning"))

    def failed_mount(self) -> dict[str, Any]:
        """A volume can't be mounted."""
        pod = self._pod()
        pod.pop("fieldPath")
        message = 'MountVolume.SetUp failed for volume "config" : configmap "settings" not found'
        return self._repeat_later(self._event(pod, "FailedMount", message, "kubelet", "Warning"))

    def evicted(self) -> dict[str, Any]:
        """A Pod was evicted."""
        left = self._random.randrange(99)
        message = f"The node was low on resource: memory. Threshold quantity: 100Mi, available: {left}Mi."
        return self._event(self._pod(), "Evicted", message, "kubelet", "Warning")

    def oom_killed(self) -> dict[str, Any]:
        """A node ran out of memory. The Event is about a cluster-scoped object, in the namespace default."""
        node = self._random.choice(NODES)
        involved = {"kind": "Node", "name": node, "uid": node}
        pid = self._random.randrange(1000, 99999)
        message = f"System OOM encountered, victim process: {self._random.choice(APPS)}, pid: {pid}"
        return self._event(involved, "OOMKilling", message, "kernel-monitor", "Warning")

    def scaled(self) -> dict[str, Any]:
        """A Deployment was scaled."""
        app = self._random.choice(APPS)
        namespace = self._random.choice(list(NAMESPACES))
        involved = {
            "kind": "Deployment",
            "namespace": namespace,
            "name": app,
            "uid": self._uid(),
            "apiVersion": "apps/v1",
        }
        message = f"Scaled up replica set {app}-{self._random.getrandbits(36):09x} to {self._random.randrange(1, 9)}"
        return self._event(involved, "ScalingReplicaSet", message, "deployment-controller", "Normal")


_CHAPTERS: list[Callable[[Storyteller], dict[str, Any]]] = [
    Storyteller.scheduled,
    Storyteller.pulled,
    Storyteller.started,
    Storyteller.scaled,
    Storyteller.unhealthy,
    Storyteller.back_off,
    Storyteller.unschedulable,
    Storyteller.failed_mount,
    Storyteller.evicted,
    Storyteller.oom_killed,
]
_WEIGHTS = [22, 20, 20, 8, 10, 8, 4, 4, 2, 2]
