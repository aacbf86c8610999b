"""The contact of an informer with the API server, with counters, the last answer and the last refusal."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kigeon.errors import KubernetesError, shorten

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Counters:
    """Counts what an informer has done since its start."""

    lists: int = 0
    relists: int = 0
    errors: int = 0
    unreadable: int = 0
    relists_by_cause: dict[str, int] = field(default_factory=dict)


class Contact:
    """``counters`` of one informer, and the state of its connection to the API server."""

    def __init__(self) -> None:
        self.counters = Counters()
        self._heard_at = 0.0
        self._problem = ""

    def heard(self) -> None:
        """Note that the API server gave an answer, or sent a line."""
        self._heard_at, self._problem = time.monotonic(), ""

    def refused(self, error: KubernetesError) -> None:
        """Note and log that the API server refused a request, or did not answer."""
        self.counters.errors += 1
        self._problem = shorten(str(error))
        level = logging.ERROR if error.status == 403 else logging.WARNING
        cure = "grant list and watch on this path (deploy/kubernetes/rbac.yaml)" if error.status == 403 else ""
        log.log(level, "the API server refuses or is away", extra={"error": str(error), "cure": cure})

    def relisted(self, cause: str) -> None:
        """Note a list that a healthy cluster would not need."""
        self.counters.relists += 1
        causes = self.counters.relists_by_cause
        causes[cause] = causes.get(cause, 0) + 1

    def report(self) -> Mapping[str, Any]:
        """Return the counters and the state, as plain data.

        ``heardAt`` is when the API server answered last, on the steady clock, 0 before the first time; ``problem`` is
        why the last request was refused or not answered, "" where it was answered.
        """
        counters = self.counters
        return {
            "lists": counters.lists,
            "relists": counters.relists,
            "relistsByCause": dict(counters.relists_by_cause),
            "errors": counters.errors,
            "heardAt": self._heard_at,
            "problem": self._problem,
        }
