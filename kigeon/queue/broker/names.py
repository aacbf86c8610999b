"""What the streams, the bucket and the subjects of one kigeon are called: all of it begins with ``queue.name``.

Subjects carry the name too: JetStream refuses two streams of which the subjects overlap, and operators' requests are to
reach the senders of their own kigeon. A name has no dot, so no two names share a subject; which names could share a
stream is said by :mod:`kigeon.config.queue`, which refuses them.
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
        """What the name of a sender's retry stream begins with; the name of the one that all senders once shared."""
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
        """The stream that is the bucket."""
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
        """What the subjects of everything that waits begin with; a dot and the sender's name follow."""
        return f"{self.name}.retry"

    @property
    def dead_letter_subjects(self) -> str:
        """What the subjects of dead letters begin with; a dot and the sender's name follow."""
        return f"{self.name}.dead-letter"

    @property
    def outcomes_subjects(self) -> str:
        """What the subjects of outcomes begin with; a dot and the sender's name follow."""
        return f"{self.name}.outcomes"

    def retry_stream(self, sender: str) -> str:
        """Return the name of a sender's retry stream."""
        return f"{self.retry}-{sender}"

    def retry_subject(self, sender: str, key: str) -> str:
        """Return the subject of what waits for *key*, which may be any text: a hash of it ends the subject."""
        return f"{self.retry_subjects}.{sender}.{blake2b(key.encode(), digest_size=8).hexdigest()}"

    def record_subject(self, key: str) -> str:
        """Return the subject of the record *key* in the bucket."""
        return f"$KV.{self.state}.{key}"

    def operate_subject(self, sender: str) -> str:
        """Return the subject on which a sender takes operators' requests; no stream has it."""
        return f"{self.name}.operate.{sender}"
