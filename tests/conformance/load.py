"""Events that keep coming, whatever becomes of the API server: each is written until it is known to be there."""

from __future__ import annotations

from threading import Event, Thread
from typing import Any, Self

import requests

from tests.conformance.cluster import Cluster
from tests.conformance.recorder import CoreRecorder, now


class Load:
    """A context manager that writes until it is left. ``history`` is every occurrence, as core/v1 has it.

    Every third is a repeat of an earlier Event. *namespace* is where it writes.
    """

    def __init__(self, cluster: Cluster, namespace: str = "default", pause: float = 0.01) -> None:
        self._cluster = cluster
        self._recorder = CoreRecorder(cluster)
        self._namespace = namespace
        self._pause = pause
        self._stopping = Event()
        self._thread = Thread(target=self._write, name="load", daemon=True)
        self.history: list[dict[str, Any]] = []
        self.failures = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stopping.set()
        self._thread.join(120)

    def _write(self) -> None:
        latest: dict[int, dict[str, Any]] = {}
        number = 0
        while not self._stopping.wait(self._pause):
            number += 1
            if number % 3:
                latest[number] = self._record(number)
                self.history.append(latest[number])
            else:
                # One that is repeated now and then, and one that is soon forgotten.
                chosen = number // 3 % 7 + 1 if number % 2 else number - 1
                chosen = chosen if chosen in latest else number - 1
                latest[chosen] = self._repeat(latest[chosen])
                self.history.append(latest[chosen])

    def _record(self, number: int) -> dict[str, Any]:
        while True:
            try:
                return self._recorder.record(number, self._namespace)
            except requests.RequestException:
                self.failures += 1
                if (there := self._there(f"core-{number}")) is not None:
                    return there

    def _repeat(self, event: dict[str, Any]) -> dict[str, Any]:
        name = event["metadata"]["name"]
        # The same patch, however often it has to be sent: it may have been taken although nobody said so.
        patch = {"count": event["count"] + 1, "lastTimestamp": now()}
        while True:
            try:
                return self._cluster.patch(f"/api/v1/namespaces/{self._namespace}/events/{name}", patch)
            except requests.RequestException:
                self.failures += 1
                self._stopping.wait(0.05)

    def _there(self, name: str) -> dict[str, Any] | None:
        self._stopping.wait(0.05)
        try:
            return self._cluster.ask("GET", f"/api/v1/namespaces/{self._namespace}/events/{name}")
        except requests.RequestException:
            return None
