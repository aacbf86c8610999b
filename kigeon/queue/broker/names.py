"""The names of one kigeon's streams, bucket and subjects, all of which begin with ``queue.name``.

Subjects begin with the name too, since JetStream refuses two streams with overlapping subjects, and operators' requests
are to reach the senders of their own kigeon. A name has no dot, so no two names share a subject. Two names that could
share a stream are refused by :mod:`kigeon.config.queue`.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

DEFAULT_NAME = "kigeon"


@dataclass(frozen=True, slots=True)
class StreamNames:
    """The names of one kigeon; ``name`` is ``queue.name``."""

    name: str = DEFAULT_NAME

    @property
    def events(self) -> str:
        """The events stream."""
        return f"{self.name}-events"

    @property
    def seen(self) -> str:
        """The seen stream."""
        return f"{self.name}-seen"

    @property
    def retry(self) -> str:
        """The prefix of the senders' retry streams, and the name of the retry stream that all senders once shared."""
        return f"{self.name}-retry"

    @property
    def dead_letter(self) -> str:
        """The dead-letter stream."""
        return f"{self.name}-dead-letter"

    @property
    def outcomes(self) -> str:
        """The outcomes stream."""
        return f"{self.name}-outcomes"

    @property
    def state(self) -> str:
        """The key-value bucket of the records."""
        return f"{self.name}-state"

    @property
    def state_stream(self) -> str:
        """The stream in which the bucket's records lie."""
        return f"KV_{self.state}"

    @property
    def events_subject(self) -> str:
        """The subject of envelopes."""
        return f"{self.name}.events"

    @property
    def seen_subject(self) -> str:
        """The subject of digests."""
        return f"{self.name}.seen"

    @property
    def retry_subjects(self) -> str:
        """The prefix of the subjects of waiting events; a dot and the sender's name follow."""
        return f"{self.name}.retry"

    @property
    def dead_letter_subjects(self) -> str:
        """The prefix of the subjects of dead letters; a dot and the sender's name follow."""
        return f"{self.name}.dead-letter"

    @property
    def outcomes_subjects(self) -> str:
        """The prefix of the subjects of outcomes; a dot and the sender's name follow."""
        return f"{self.name}.outcomes"

    def retry_stream(self, sender: str) -> str:
        """Return the name of a sender's retry stream."""
        return f"{self.retry}-{sender}"

    def retry_subject(self, sender: str, key: str) -> str:
        """Return the subject of events that wait for *key*, any text, of which the subject contains a hash."""
        return f"{self.retry_subjects}.{sender}.{blake2b(key.encode(), digest_size=8).hexdigest()}"

    def record_subject(self, key: str) -> str:
        """Return the subject of the record *key* in the bucket."""
        return f"$KV.{self.state}.{key}"

    def operate_subject(self, sender: str) -> str:
        """Return the subject on which a sender takes operators' requests, which belongs to no stream."""
        return f"{self.name}.operate.{sender}"
