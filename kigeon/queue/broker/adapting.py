"""What of a stream that exists already kigeon may change, and what makes it somebody else's. Pure.

In a JetStream that others keep a stream may be there before kigeon is: of an earlier start, made by an administrator,
or of another application. Kigeon changes what its own configuration decides, leaves what an administrator may decide
(placement, compression, description, republishing), and refuses a stream that it could not work with.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nats.js import api

from kigeon.queue.broker.mark import MARK_KEY

OWN = "kigeon-"
"""What kigeon's keys in the metadata of a stream begin with."""

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
"""What the configuration decides, and JetStream lets be changed."""


def incompatible(found: api.StreamConfig, wanted: api.StreamConfig) -> str:
    """Return why kigeon can't use a stream that looks like *found*, "" where it can."""
    if sorted(found.subjects or ()) != sorted(wanted.subjects or ()):
        return f"the stream {found.name} is not kigeon's: its subjects are {', '.join(found.subjects or ()) or 'none'}"
    problems = ", ".join(_problems(found, wanted))
    return f"the stream {found.name} exists with other settings: {problems}" if problems else ""


def _problems(found: api.StreamConfig, wanted: api.StreamConfig) -> Iterator[str]:
    if found.storage != api.StorageType.FILE:
        yield "it is kept in memory"
    if found.retention != api.RetentionPolicy.LIMITS:
        yield f"its retention is {found.retention}"
    if (found.max_consumers or 0) > 0:
        yield f"it takes {found.max_consumers} consumers at most"
    for name in ("mirror", "sources", "subject_transform", "sealed", "no_ack", "deny_purge", "deny_delete"):
        if getattr(found, name) and not getattr(wanted, name):
            yield f"{name} is set"


def adapted(found: api.StreamConfig, wanted: api.StreamConfig) -> tuple[api.StreamConfig, dict[str, Any]]:
    """Return *found* as kigeon wants it, and what is new about that: nothing where it is so already."""
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
    """Return what is an administrator's of *found*, and what is kigeon's of *wanted*; a move's mark stays."""
    kept = {key: text for key, text in _visible(found).items() if not key.startswith(OWN) or key == MARK_KEY}
    return {**kept, **wanted}


def _visible(found: Mapping[str, str]) -> dict[str, str]:
    """Return *found* without what the server itself adds."""
    return {key: text for key, text in found.items() if not key.startswith("_nats.")}
