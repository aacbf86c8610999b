"""Whether all Events were seen, as far as lists and deletions tell: gaps, and for how long the cluster keeps Events.

Events that live longer than configured come back after they are forgotten: see :mod:`~kigeon.kube.lifetime`. And where
the cluster was not watched for longer than its Events live, some may have come and gone: that is a *gap*. No list shows
what is not in it, but one that holds an Event from before the gap began has lost none from after.
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
    """Between these two times (seconds since the epoch) Events may have come and gone unseen."""

    since: float
    until: float


class Completeness:
    """Told of all that is listed, deleted and watched; *note* takes what is to be told with the next batch.

    *lifetime* is for how many seconds the cluster keeps an Event, as configured. The watch was complete up to
    *watched_until* (0: never). Every time is the API server's, seconds since the epoch.
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
        """When the list began that goes on now, 0: none does."""
        self.gaps: list[Gap] = []

    def report(self) -> Mapping[str, Any]:
        """Return the number of gaps, the latest, and what was observed of the lifetime."""
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
            # Nothing was written before it was created: most of them need no closer look.
            created = mapping(event, "metadata").get("creationTimestamp")
            if not self._oldest or not isinstance(created, str) or created < max(self._oldest, aged):
                stamp = last_written(event)
                if parse_time(stamp):
                    self._oldest = min(self._oldest or stamp, stamp)
                    self._show(event, stamp, self.list_began)

    def deleted(self, events: Iterable[Mapping[str, Any]], now: float) -> None:
        """Note what was deleted."""
        for event in events:
            self._show(event, last_written(event), now)
        self.settle()

    def listed(self) -> None:
        """Note that a list is complete: see what it tells of the cluster's memory."""
        began, oldest = self.list_began, self._oldest
        self.forget_list()
        since = self._watched_until
        holds_older = bool(oldest) and 0 < _seconds(oldest) <= since
        if since and began - since > max(self._lifetime, self._observed.seconds) and not holds_older:
            # A time that lies in the future tells nothing of the gap's end.
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
        """Have what was observed of the lifetime told, where it has changed."""
        before = self._observed.seconds
        lifetime = self._observed.settle()
        if lifetime is None:
            return
        self._note(lifetime=lifetime)
        if lifetime < before:
            log.warning(
                "the cluster does not keep Events for as long any more, and they are remembered for less",
                extra={"configured": self._lifetime, "observed": lifetime},
            )
            return
        log.error(
            "the cluster keeps Events for longer than queue.kubernetesEventsMaxLifetime says, and they are remembered "
            "for as long from now on: set it to the API server's --event-ttl",
            extra={"configured": self._lifetime, "observed": lifetime},
        )

    def _show(self, event: Mapping[str, Any], written: str, now: float) -> None:
        """An Event that was *written* then was still there *now*."""
        if at := _seconds(written):
            self._observed.show(text(mapping(event, "metadata"), "uid"), now - at)


def last_written(event: Mapping[str, Any]) -> str:
    """Return the latest time in *event* (RFC 3339, UTC; "" for none): the API server can't have written it earlier."""
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
