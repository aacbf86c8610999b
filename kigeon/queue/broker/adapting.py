"""Decides which settings of an existing stream kigeon changes, and which streams it refuses. Pure.

In an external JetStream, an earlier start, an administrator or another application may have made a stream before kigeon
declares it. kigeon changes the settings that its own configuration decides, leaves those that an administrator decides
(placement, compression, description, republishing), and refuses a stream that kigeon could not work with.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nats.js import api

from kigeon.queue.broker.mark import MARK_KEY

OWN = "kigeon-"
"""The prefix of kigeon's keys in the metadata of a stream."""

DECIDED = (
    "max_bytes",
    "max_age",
    "max_msgs",
    "max_msg_size",
    "max_msgs_per_subject",
    "discard",
    "duplicate_window",
    "num_replicas",
)
"""The settings that the configuration decides, and that JetStream lets a client change."""


def incompatible(found: api.StreamConfig, wanted: api.StreamConfig) -> str:
    """Return why kigeon can't use a stream with the settings *found*; "" where kigeon can."""
    if sorted(found.subjects or ()) != sorted(wanted.subjects or ()):
        return f"the stream {found.name} is not kigeon's: its subjects are {', '.join(found.subjects or ()) or 'none'}"
    problems = ", ".join(_problems(found, wanted))
    return f"the stream {found.name} exists with other settings: {problems}" if problems else ""


def _problems(found: api.StreamConfig, wanted: api.StreamConfig) -> Iterator[str]:
    if found.storage != api.StorageType.FILE:
        yield "its storage is memory"
    if found.retention != api.RetentionPolicy.LIMITS:
        yield f"its retention is {found.retention}"
    if (found.max_consumers or 0) > 0:
        yield f"its consumers are limited to {found.max_consumers}"
    for name in ("mirror", "sources", "subject_transform", "sealed", "no_ack", "deny_purge", "deny_delete"):
        if getattr(found, name) and not getattr(wanted, name):
            yield f"{name} is set"


def adapted(found: api.StreamConfig, wanted: api.StreamConfig) -> tuple[api.StreamConfig, dict[str, Any]]:
    """Return *found* with the settings that kigeon wants, and the changed ones by name; none where all are right."""
    changes = {
        name: value
        for name in DECIDED
        if not _same(getattr(found, name), value := _default(name, getattr(wanted, name)))
    }
    metadata = _metadata(found.metadata or {}, wanted.metadata or {})
    if metadata != _visible(found.metadata or {}):
        changes["metadata"] = metadata
    return found.evolve(**changes), changes


def _default(name: str, value: Any) -> Any:
    if value is None:
        return 0 if name == "max_age" else 1 if name == "num_replicas" else -1
    return value


def _same(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, float) or isinstance(found, float):
        return bool(abs((found or 0.0) - (wanted or 0.0)) < 1e-3)
    return bool(found == wanted)


def _metadata(found: Mapping[str, str], wanted: Mapping[str, str]) -> dict[str, str]:
    """Return the administrator's keys of *found* with kigeon's keys of *wanted*; the mark of a move stays."""
    kept = {key: text for key, text in _visible(found).items() if not key.startswith(OWN) or key == MARK_KEY}
    return {**kept, **wanted}


def _visible(found: Mapping[str, str]) -> dict[str, str]:
    """Return *found* without the keys that the server itself adds."""
    return {key: text for key, text in found.items() if not key.startswith("_nats.")}
