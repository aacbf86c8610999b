"""Finds gaps in what was watched, and for how long the cluster keeps Events, from lists and deletions.

Where the cluster was not watched for longer than its Events live, some may have come and gone unseen: that is a *gap*.
A list does not show which Events it lacks, but a list that holds an Event from before the gap has lost none from after
it. Events that live longer than configured come back after kigeon has forgotten them: see :mod:`~kigeon.kube.lifetime`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from kigeon.clock import stamp
from kigeon.events.fields import mapping, text
from kigeon.events.occurrence import parse_time
from kigeon.kube.lifetime import ObservedLifetime

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Gap:
    """A time span, in seconds since the epoch, in which Events may have come and gone unseen."""

    since: float
    until: float


class Completeness:
    """Is told of all Events that are listed, deleted and watched; *note* adds its findings to the next batch.

    *lifetime* is for how many seconds the cluster keeps an Event, as configured. The watch was complete up to
    *watched_until*; 0 is never. Every time is the API server's, in seconds since the epoch.
    """

    def __init__(
        self, lifetime: float, watched_until: float, observed: ObservedLifetime, note: Callable[..., None]
    ) -> None:
        self._lifetime = lifetime
        self._observed = observed
        self._watched_until = watched_until
        self._note = note
        self._oldest = ""
        self.list_began = 0.0
        """When the list began that goes on now; 0 while no list goes on."""
        self.gaps: list[Gap] = []

    def report(self) -> Mapping[str, Any]:
        """Return the number of gaps, the latest gap, and the observed lifetime."""
        gap = self.gaps[-1] if self.gaps else None
        return {
            "gaps": len(self.gaps),
            "lastGap": [stamp(gap.since), stamp(gap.until)] if gap else None,
            "observedLifetime": self._observed.seconds,
        }

    def page(self, events: Iterable[Mapping[str, Any]], now: float) -> None:
        """Note a page of a list."""
        self.list_began = self.list_began or now
        aged = _stamp(self.list_began - self._observed.least)
        for event in events:
            # No Event was written before it was created, so most Events need no closer look.
            created = mapping(event, "metadata").get("creationTimestamp")
            if not self._oldest or not isinstance(created, str) or created < max(self._oldest, aged):
                stamp = last_written(event)
                if parse_time(stamp):
                    self._oldest = min(self._oldest or stamp, stamp)
                    self._show(event, stamp, self.list_began)

    def deleted(self, events: Iterable[Mapping[str, Any]], now: float) -> None:
        """Note Events that were deleted."""
        for event in events:
            self._show(event, last_written(event), now)
        self.settle()

    def listed(self) -> None:
        """Note that a list is complete, and find out whether it proves that no Event was missed."""
        began, oldest = self.list_began, self._oldest
        self.forget_list()
        since = self._watched_until
        holds_older = bool(oldest) and 0 < _seconds(oldest) <= since
        if since and began - since > max(self._lifetime, self._observed.seconds) and not holds_older:
            # An Event's time that lies in the future tells nothing of the gap's end.
            gap = Gap(since, min(max(_seconds(oldest), since), began) if oldest else began)
            self.gaps.append(gap)
            log.error(
                "Events may be missing: the cluster was not watched for longer than it keeps them",
                extra={"since": stamp(gap.since), "until": stamp(gap.until)},
            )
        self.watched(began)

    def forget_list(self) -> None:
        """Note that no list goes on any more."""
        self.list_began, self._oldest = 0.0, ""

    def watched(self, until: float) -> None:
        """Note that the watch was complete up to *until*."""
        self._watched_until = max(self._watched_until, until)
        self._note(watched_until=until)

    def settle(self) -> None:
        """Report the observed lifetime where it has changed."""
        before = self._observed.seconds
        lifetime = self._observed.settle()
        if lifetime is None:
            return
        self._note(lifetime=lifetime)
        if lifetime < before:
            log.warning(
                "the cluster no longer keeps Events for as long, so kigeon remembers them for less",
                extra={"configured": self._lifetime, "observed": lifetime},
            )
            return
        log.error(
            "the cluster keeps Events for longer than queue.kubernetesEventsMaxLifetime says, so kigeon remembers them "
            "for as long from now on: set the key to the API server's --event-ttl",
            extra={"configured": self._lifetime, "observed": lifetime},
        )

    def _show(self, event: Mapping[str, Any], written: str, now: float) -> None:
        """Note that the cluster still had, at *now*, an *event* that was *written* at that earlier time."""
        if at := _seconds(written):
            self._observed.show(text(mapping(event, "metadata"), "uid"), now - at)


def last_written(event: Mapping[str, Any]) -> str:
    """Return the latest time in *event*, before which the API server can't have written it (RFC 3339, UTC; or "")."""
    metadata = event.get("metadata")
    fields = metadata.get("managedFields") if isinstance(metadata, dict) else None
    stamps = [
        metadata.get("creationTimestamp") if isinstance(metadata, dict) else None,
        event.get("lastTimestamp"),
        event.get("eventTime"),
        mapping(event, "series").get("lastObservedTime"),
        *((entry.get("time") for entry in fields if isinstance(entry, dict)) if isinstance(fields, list) else ()),
    ]
    return max((stamp for stamp in stamps if isinstance(stamp, str)), default="")


def _seconds(stamp: str) -> float:
    return parse_time(stamp) / 1e9


def _stamp(seconds: float) -> str:
    """Return a time as Kubernetes writes it."""
    return datetime.fromtimestamp(max(seconds, 0.0), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
