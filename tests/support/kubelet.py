"""A kubelet as far as probes go: what it asks, how often, and when it restarts the container.

As ``pkg/kubelet/prober/worker.go`` has it: an answer from 200 to 399 in time is a success, so many failures in a row
are one too many, and one success ends the row.
"""

from __future__ import annotations

import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError

from tests.support.http import DIRECT


@dataclass
class Probe:
    """A probe of a manifest against *address*; :meth:`ask` is to be called each time that its period is over.

    ``tripped`` counts how often failures in a row reached the threshold: of a liveness probe, the restarts.
    """

    address: str
    path: str
    timeout: float
    threshold: int
    failures: int = 0
    asked: int = 0
    tripped: int = 0
    last: str = ""

    @classmethod
    def of(cls, manifest: Mapping[str, Any], address: str, hurry: float = 1.0) -> Probe:
        """Return the probe of a *manifest*, with what Kubernetes takes where it says nothing; *hurry* divides times."""
        return cls(
            address,
            manifest["httpGet"]["path"],
            manifest.get("timeoutSeconds", 1) / hurry,
            manifest.get("failureThreshold", 3),
        )

    def ask(self) -> bool:
        """Ask once; return whether that is a success."""
        self.asked += 1
        succeeded = self._get()
        self.failures = 0 if succeeded else self.failures + 1
        if self.failures >= self.threshold:
            self.tripped += 1
            self.failures = 0
        return succeeded

    def _get(self) -> bool:
        request = urllib.request.Request(f"http://{self.address}{self.path}", headers={"User-Agent": "kube-probe/1.33"})
        try:
            with DIRECT.open(request, timeout=self.timeout) as answer:
                self.last = answer.read().decode()
                return 200 <= int(answer.status) < 400
        except HTTPError as error:
            with error:
                self.last = error.read().decode()
            return False
        except OSError as error:
            self.last = str(error)
            return False
