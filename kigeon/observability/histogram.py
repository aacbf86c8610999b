"""A histogram as Prometheus has it, filled where things happen and told as plain data."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Any

PUSH_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
AGE_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0, 43200.0, 86400.0)
HOOK_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0)


class Histogram:
    """Counts observations in buckets; *bounds* are their upper ends, in ascending order. Thread-safe."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(self._bounds) + 1)
        self._sum = 0.0
        self._lock = Lock()

    def observe(self, value: float, times: int = 1) -> None:
        """Count *value*, so many *times*; less than nothing counts as nothing."""
        value = max(value, 0.0)
        with self._lock:
            self._counts[bisect_left(self._bounds, value)] += times
            self._sum += value * times

    def observe_all(self, values: Sequence[float]) -> None:
        """Count each of *values*."""
        with self._lock:
            for value in values:
                self._counts[bisect_left(self._bounds, value)] += 1
            self._sum += sum(value for value in values if value > 0)

    def report(self) -> Mapping[str, Any]:
        """Return ``bounds``, ``counts`` (cumulative; the last is of everything) and ``sum``."""
        with self._lock:
            counts, total = list(self._counts), self._sum
        cumulative, so_far = [], 0
        for count in counts:
            so_far += count
            cumulative.append(so_far)
        return {"bounds": list(self._bounds), "counts": cumulative, "sum": round(total, 6)}
