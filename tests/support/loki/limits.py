"""A tenant's limits, and the bucket of tokens that Loki measures a rate with."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf


@dataclass(slots=True)
class Limits:
    """What Loki calls ``limits_config``; each may be changed while it runs and counts from the next push on.

    Sizes are bytes, rates bytes a second, durations seconds. A rate counts together with its burst: set both. (Loki
    itself looks for other rates every ten seconds, for other limits every second.)
    """

    max_streams: float = inf
    """``max_global_streams_per_user``"""
    stream_rate: float = inf
    """``per_stream_rate_limit``"""
    stream_burst: float = inf
    shard_streams: bool = True
    """Whether a stream that exceeds its rate is refused whole; else line by line."""
    max_behind: float = 3600.0
    """Half of ``max_chunk_age``: how far a line may lie behind the newest of its stream."""
    tenant_rate: float = inf
    """``ingestion_rate_mb``"""
    tenant_burst: float = inf
    max_age: float = 7 * 24 * 3600.0
    """``reject_old_samples_max_age``; infinite: none is too old."""
    max_ahead: float = 600.0
    """``creation_grace_period``"""
    max_line: int = 256 * 1024
    max_labels: int = 15
    max_label_name: int = 1024
    max_label_value: int = 2048
    allow_structured_metadata: bool = True
    max_metadata_size: int = 64 * 1024
    max_metadata_count: int = 128
    blocked_until: float = 0.0
    """``block_ingestion_until``, in seconds of the epoch."""
    blocked_status: int = 260


class Bucket:
    """A token bucket: full at first, and when its limits change."""

    def __init__(self) -> None:
        self._limits = (inf, inf)
        self._tokens = inf
        self._at = 0.0

    def take(self, size: int, rate: float, burst: float, now: float) -> bool:
        """Take *size* tokens if so many are there; return whether they were."""
        if rate == inf:
            return True
        if (rate, burst) != self._limits:
            self._limits, self._tokens, self._at = (rate, burst), burst, now
        self._tokens = min(self._tokens + max(now - self._at, 0.0) * rate, burst)
        self._at = now
        if size > self._tokens:
            return False
        self._tokens -= size
        return True
