"""How the API server answers an informer: what was asked of it so far, when it answered last, and what it refused."""

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
    """What an informer has done so far."""

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
        """Note that it answered, or told something."""
        self._heard_at, self._problem = time.monotonic(), ""

    def refused(self, error: KubernetesError) -> None:
        """Note that it refused, or did not answer, and say so."""
        self.counters.errors += 1
        self._problem = shorten(str(error))
        level = logging.ERROR if error.status == 403 else logging.WARNING
        cure = "grant list and watch on this path (deploy/kubernetes/rbac.yaml)" if error.status == 403 else ""
        log.log(level, "the API server refuses or is away", extra={"error": str(error), "cure": cure})

    def relisted(self, cause: str) -> None:
        """Note that a list was needed that should not have been."""
        self.counters.relists += 1
        causes = self.counters.relists_by_cause
        causes[cause] = causes.get(cause, 0) + 1

    def report(self) -> Mapping[str, Any]:
        """Return what was done so far, as plain data.

        ``heardAt`` is when it answered last, on the steady clock, 0 before the first time; ``problem`` why what was
        asked last was refused or not answered, "" where it was.
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
