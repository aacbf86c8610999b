"""The Watcher's checkpoint: what became of everything that it received, up to some batch.

received = stored + repeated + unreadable, always. What is stored follows from the offsets; a *checkpoint* adds the
rest. A checkpoint travels with what it counts: the Deduplicator adds to each batch the checkpoint up to and including
that batch. The checkpoint becomes durable together with the batch, in the headers of its envelope, or in a record of
its own where nothing of the batch was new. So no count can be ahead of, or behind, what is stored. A checkpoint is
written as seven words of text.
"""

from __future__ import annotations

from dataclasses import dataclass

MOST_COUNT = 2**63
"""No count ever gets this high: a higher one is damage."""

MOST_TIME = 1e11
"""Seconds since the epoch, the year 5138: a later time is damage."""

MOST_LIFETIME = 366 * 86400.0
"""No cluster keeps Events for longer, and JetStream refuses ages of centuries."""


@dataclass(frozen=True, slots=True)
class CheckpointDelta:
    """What the Watcher says about itself with each batch.

    ``session`` and ``batch`` name the batch for ever: a batch that is sent again has them again. ``unreadable`` counts
    what could not be read since the batch before. The watch was complete up to ``watched_until`` (seconds since the
    epoch, 0: never). ``lifetime`` is how many seconds the cluster was seen to keep an Event, 0 where nothing new
    is known. ``anchor`` names the object that was seen last, "" where the batch ends inside a list.
    """

    session: str = ""
    batch: int = 0
    unreadable: int = 0
    watched_until: float = 0.0
    lifetime: float = 0.0
    anchor: str = ""


@dataclass(frozen=True, slots=True)
class WatcherCheckpoint:
    """Everything up to a batch, added up: see :class:`CheckpointDelta`; ``repeated`` counts what was known already."""

    session: str = ""
    batch: int = 0
    repeated: int = 0
    unreadable: int = 0
    watched_until: float = 0.0
    lifetime: float = 0.0
    anchor: str = ""

    def after(self, delta: CheckpointDelta, repeated: int) -> WatcherCheckpoint:
        """Return the checkpoint after one more batch."""
        return WatcherCheckpoint(
            delta.session,
            delta.batch,
            self.repeated + repeated,
            self.unreadable + delta.unreadable,
            max(self.watched_until, delta.watched_until),
            delta.lifetime or self.lifetime,
            delta.anchor or self.anchor,
        )

    def includes(self, session: str, batch: int) -> bool:
        """Whether a batch is counted in it."""
        return bool(session) and self.session == session and batch <= self.batch


def write_checkpoint(checkpoint: WatcherCheckpoint) -> str:
    """Return *checkpoint* as text."""
    counts = f"{checkpoint.batch} {checkpoint.repeated} {checkpoint.unreadable}"
    times = f"{checkpoint.watched_until:.3f} {checkpoint.lifetime:.3f}"
    return f"{checkpoint.session or '-'} {counts} {times} {checkpoint.anchor or '-'}"


def read_checkpoint(text: str) -> WatcherCheckpoint:
    """Read what :func:`write_checkpoint` wrote; what can't be read is an empty checkpoint."""
    try:
        session, batch, repeated, unreadable, watched_until, lifetime, anchor = text.split(" ")
        counts = int(batch), int(repeated), int(unreadable)
        times = float(watched_until), float(lifetime)
    except ValueError:
        return WatcherCheckpoint()
    if not all(0 <= count < MOST_COUNT for count in counts) or not 0 <= times[0] < MOST_TIME:
        return WatcherCheckpoint()
    if not 0 <= times[1] <= MOST_LIFETIME:
        return WatcherCheckpoint()
    return WatcherCheckpoint("" if session == "-" else session, *counts, *times, "" if anchor == "-" else anchor)
