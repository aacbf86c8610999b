"""How many events of each type and reason the cluster had, in a table of bounded size.

Rates over it are right at any time: each event makes one series rise. A reason that becomes one of the most frequent
has a series from then on, which begins at 0; that of the reason whose place it takes ends.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from kigeon.events.kind import OTHER, EventKind

MAX_REASONS = 200
"""Reasons that are told apart: the most frequent ones."""

MAX_CANDIDATES = 1000
"""Reasons of which it is known how frequent they are, although they are not told apart."""

MAX_NAMESPACES = 1000
MAX_SERIES = 2000
"""Series in all; what would be one more is counted in the namespace :data:`~kigeon.events.kind.OTHER`."""


class EventTally:
    """Counts events by their kind."""

    def __init__(self, most: int = MAX_REASONS) -> None:
        self._most = most
        self._counts: Counter[EventKind] = Counter()
        self._reasons: Counter[str] = Counter()
        self._candidates: Counter[str] = Counter()
        self._namespaces: set[str] = set()

    def add(self, kinds: Iterable[EventKind]) -> None:
        """Count events of these *kinds*."""
        for kind, count in Counter(kinds).items():
            reason, namespace = self._reason(kind.reason, count), self._namespace(kind.namespace)
            series = EventKind(kind.type, reason, namespace)
            if series not in self._counts and len(self._counts) >= MAX_SERIES:
                series = series._replace(namespace=OTHER if namespace else "")
            self._counts[series] += count

    def report(self) -> list[tuple[str, str, str, int]]:
        """Return type, reason, namespace and count of each series."""
        return [(*kind, count) for kind, count in self._counts.items()]

    def _reason(self, reason: str, count: int) -> str:
        """Return what *reason* is counted as, and note how frequent it is."""
        if reason in self._reasons or len(self._reasons) < self._most:
            self._reasons[reason] += count
            return reason
        self._candidates[reason] += count
        rarest = min(self._reasons, key=self._reasons.__getitem__)
        if self._candidates[reason] > 2 * self._reasons[rarest]:
            self._retire(rarest)
            self._reasons[reason] = self._candidates.pop(reason)
            return reason
        if len(self._candidates) > MAX_CANDIDATES:
            self._candidates = Counter(dict(self._candidates.most_common(MAX_CANDIDATES // 2)))
        return OTHER

    def _retire(self, reason: str) -> None:
        """Have *reason* counted among the others from now on."""
        self._candidates[reason] = self._reasons.pop(reason)
        for kind in [kind for kind in self._counts if kind.reason == reason]:
            del self._counts[kind]

    def _namespace(self, namespace: str) -> str:
        if namespace not in self._namespaces and len(self._namespaces) >= MAX_NAMESPACES:
            return OTHER
        self._namespaces.add(namespace)
        return namespace
