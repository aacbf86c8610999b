"""What of a queue is moved, and what its streams and subjects are called at the other end. Pure.

Sequences, times, headers and payloads stay what they are: positions and records refer to them. ``queue.name`` is no
part of any of these.
"""

from __future__ import annotations

from dataclasses import dataclass

from kigeon.leases.records import KEYS
from kigeon.queue.broker.names import StreamNames


@dataclass(frozen=True, slots=True)
class Renaming:
    """From the names of one end to those of the other."""

    source: StreamNames
    target: StreamNames

    def stream(self, name: str) -> str:
        """Return what the source's stream *name* is called at the target; "" where it is no part of the queue."""
        source, target = self.source, self.target
        fixed = {
            source.events: target.events,
            source.seen: target.seen,
            source.outcomes: target.outcomes,
            source.dead_letter: target.dead_letter,
            source.retry: target.retry,
            source.state_stream: target.state_stream,
        }
        if name in fixed:
            return fixed[name]
        sender = name.removeprefix(f"{source.retry}-")
        return target.retry_stream(sender) if sender and sender != name else ""

    def subject(self, subject: str) -> str:
        """Return what is published as *subject* at the source as it is at the target; raises :class:`ValueError`."""
        for old, new in (
            (f"{self.source.name}.", f"{self.target.name}."),
            (self.source.record_subject(""), self.target.record_subject("")),
        ):
            if subject.startswith(old):
                return new + subject.removeprefix(old)
        raise ValueError(f"the subject {subject} is not one of {self.source.name}")

    def is_left_behind(self, subject: str) -> bool:
        """Whether a message of the source is not moved: who leads is no matter of the other end's."""
        return subject.startswith(self.source.record_subject(f"{KEYS}."))


def is_of_queue(names: StreamNames, stream: str) -> bool:
    """Whether *stream* is a part of the queue that is called so."""
    return bool(Renaming(names, names).stream(stream))


def is_subject_of(names: StreamNames, subject: str) -> bool:
    """Whether *subject* is of the queue that is called so."""
    return subject.startswith((f"{names.name}.", names.record_subject("")))


def order_of(names: StreamNames, stream: str) -> tuple[bool, str]:
    """Return by what streams are sorted as they are moved: the events, whose stream has the mark, come first."""
    return stream != names.events, stream
