"""When an occurrence happened, and which one it is.

An Event object is rewritten as its occurrence repeats. What a reader would call one occurrence is told apart by
the object's uid, count, series count and the last time it was seen. The resourceVersion is no part of it: a
relist, an etcd restore or a touched annotation changes that without anything having happened.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from kigeon.events.fields import integer, mapping, text

DIGEST_SIZE = 8
"""Bytes of a digest: with a million remembered, a new event collides with another one once in 10^13."""

_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,18}))?(?:[Zz]|([+-])(\d\d):(\d\d))", re.ASCII
)


def timestamp_of(event: Mapping[str, Any]) -> int:
    """Return when the occurrence happened, in nanoseconds since the epoch; 0 where no time of it can be read.

    That is the latest of series.lastObservedTime, eventTime, lastTimestamp and firstTimestamp, else
    metadata.creationTimestamp.
    """
    series = mapping(event, "series").get("lastObservedTime") if event.get("series") else None
    created = mapping(event, "metadata").get("creationTimestamp")
    return latest_of(event.get("lastTimestamp"), event.get("firstTimestamp"), event.get("eventTime"), series, created)


def latest_of(last: Any, first: Any, event_time: Any, observed: Any, created: Any) -> int:
    """Return the latest of an Event's times, as :func:`timestamp_of` does; what is no text is no time."""
    latest = parse_time(last) if last.__class__ is str else 0
    # Most Events have these two times alike and no others: times that are missing or equal are not parsed.
    for stamp in (event_time, observed, first):
        if stamp.__class__ is str and stamp != last:
            latest = max(latest, parse_time(stamp))
    return latest or (parse_time(created) if created.__class__ is str else 0)


def identity_of(event: Mapping[str, Any]) -> bytes:
    """Return the digest of *event*'s occurrence: :data:`DIGEST_SIZE` bytes, equal for the same occurrence.

    An object without uid is told apart by its namespace and name.
    """
    return identity_at(event, timestamp_of(event))


def identity_at(event: Mapping[str, Any], timestamp: int) -> bytes:
    """Return the digest of *event*'s occurrence where its :func:`timestamp_of` is known already."""
    metadata = mapping(event, "metadata")
    uid = text(metadata, "uid") or f"{text(metadata, 'namespace')}/{text(metadata, 'name')}"
    seen = timestamp or _raw_times(event)
    in_series = _count(mapping(event, "series").get("count")) if event.get("series") else 0
    parts = f"{uid}\0{_count(event.get('count'))}\0{in_series}\0{seen}"
    return blake2b(parts.encode("utf-8", "surrogatepass"), digest_size=DIGEST_SIZE).digest()


@lru_cache(maxsize=8192)
def parse_time(stamp: str) -> int:
    """Return an RFC 3339 time in nanoseconds since the epoch; 0 for what is none (or lies before the epoch)."""
    match = _RFC3339.fullmatch(stamp)
    if match is None:
        return 0
    year, month, day, hour, minute, second, fraction, sign, zone_hours, zone_minutes = match.groups()
    try:
        zone = UTC if sign is None else _zone(sign, int(zone_hours), int(zone_minutes))
        # A leap second is the last moment of its minute: datetime knows none.
        whole = datetime(int(year), int(month), int(day), int(hour), int(minute), min(int(second), 59), tzinfo=zone)
        nanoseconds = int(whole.timestamp()) * 10**9 + int((fraction or "0").ljust(9, "0")[:9])
    except (ValueError, OverflowError):
        return 0
    return max(nanoseconds, 0)


def _zone(sign: str, hours: int, minutes: int) -> timezone:
    offset = timedelta(hours=hours, minutes=minutes)
    return timezone(-offset if sign == "-" else offset)


def _count(value: Any) -> int | str:
    if value.__class__ is int and value < 10**18 and value >= 0:
        return int(value)
    number = integer(value)
    return number or 0 if number is not None or value is None else repr(value)


def _raw_times(event: Mapping[str, Any]) -> str:
    stamps = (
        mapping(event, "series").get("lastObservedTime"),
        event.get("eventTime"),
        event.get("lastTimestamp"),
    )
    return "|".join("" if stamp is None else repr(stamp) for stamp in stamps)
