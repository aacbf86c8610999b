"""What Loki's distributor looks at, line by line: its answer is right whatever the order of the streams.

Source of checks and texts: pkg/distributor and pkg/validation of grafana/loki.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import replace

from tests.support.loki.limits import Bucket, Limits
from tests.support.loki.lines import SECOND, Line, Refused, Stream, metadata_size, written_day
from tests.support.loki.request import SERVICE_NAME


class Distributor:
    """Knows what each tenant has pushed of late, and nothing else."""

    def __init__(self) -> None:
        self._buckets: defaultdict[str, Bucket] = defaultdict(Bucket)

    def check(
        self, tenant: str, streams: list[Stream], limits: Limits, refuse: Callable[[Line], bool], now: float
    ) -> tuple[list[Stream], Refused | None]:
        """Return what is for the ingesters, and the answer where they take it all.

        Raises :class:`Refused` when nothing of the push is for them.
        """
        if not streams:
            raise Refused(422, "error at least one valid stream is required for ingestion")
        errors: list[str] = []
        answer = _blocked(tenant, limits, now)
        good = [stream for stream in streams if stream.lines and _has_good_labels(stream, limits, errors)]
        if answer is not None:
            good = []
        good = [found for stream in good if (found := _valid(stream, limits, refuse, now, errors)).lines]
        if errors:
            answer = Refused(400, _grouped(errors))
        if good:
            self._check_rate(tenant, good, limits, now)
        elif answer is not None:
            raise answer
        return good, answer

    def _check_rate(self, tenant: str, streams: list[Stream], limits: Limits, now: float) -> None:
        sizes = [line.size for stream in streams for line in stream.lines]
        if not self._buckets[tenant].take(sum(sizes), limits.tenant_rate, limits.tenant_burst, now):
            raise Refused(
                429,
                f"ingestion rate limit exceeded for user {tenant} (limit: {limits.tenant_rate:.0f} bytes/sec) while"
                f" attempting to ingest '{len(sizes)}' lines totaling '{sum(sizes)}' bytes, reduce log volume or"
                " contact your Loki administrator to see if the limit can be increased",
            )


def _blocked(tenant: str, limits: Limits, now: float) -> Refused | None:
    if now >= limits.blocked_until:
        return None
    until = written_day(int(limits.blocked_until) * SECOND)
    return Refused(
        limits.blocked_status,
        f"ingestion blocked for user '{tenant}' until '{until}' with status code '{limits.blocked_status}'",
    )


def _valid(stream: Stream, limits: Limits, refuse: Callable[[Line], bool], now: float, errors: list[str]) -> Stream:
    """Return *stream* with its good lines alone; what is wrong with the others is added to *errors*."""
    good = []
    for line in stream.lines:
        reason = _why_not(line, stream.name, limits, now) or ("refused" if refuse(line) else "")
        if reason:
            errors.append(reason)
        else:
            good.append(line)
    return replace(stream, lines=good)


def _has_good_labels(stream: Stream, limits: Limits, errors: list[str]) -> bool:
    reason = _why_not_labels(stream, limits)
    if reason:
        errors.append(reason)
    return not reason


def _why_not_labels(stream: Stream, limits: Limits) -> str:
    # Loki does not count the one that it adds itself, whoever added it.
    count = sum(name != SERVICE_NAME for name, _ in stream.labels)
    if count > limits.max_labels:
        return f"entry for stream '{stream.name}' has {count} label names; limit {limits.max_labels}"
    for name, value in stream.labels:
        if len(name) > limits.max_label_name:
            return f"stream '{stream.name}' has label name too long: '{name}'"
        if len(value.encode()) > limits.max_label_value:
            return f"stream '{stream.name}' has label value too long: '{value}'"
    return ""


def _why_not(line: Line, stream: str, limits: Limits, now: float) -> str:
    if line.timestamp < (now - limits.max_age) * SECOND:
        oldest = written_day(int((now - limits.max_age) * SECOND))
        return (
            f"entry for stream '{stream}' has timestamp too old: {written_day(line.timestamp)}, oldest acceptable"
            f" timestamp is: {oldest}"
        )
    if line.timestamp > (now + limits.max_ahead) * SECOND:
        return f"entry for stream '{stream}' has timestamp too new: {written_day(line.timestamp)}"
    length = len(line.line.encode())
    if length > limits.max_line:
        return (
            f"max entry size '{limits.max_line}' bytes exceeded for stream '{stream}' while adding an entry with"
            f" length '{length}' bytes"
        )
    return _why_not_metadata(line, stream, limits) if line.metadata else ""


def _why_not_metadata(line: Line, stream: str, limits: Limits) -> str:
    size, count = metadata_size(line.metadata), len(line.metadata)
    if not limits.allow_structured_metadata:
        return (
            f"stream '{stream}' includes structured metadata, but this feature is disallowed. Please see"
            " `limits_config.allow_structured_metadata` or contact your Loki administrator to enable it"
        )
    if size > limits.max_metadata_size:
        return (
            f"stream '{stream}' has structured metadata too large: '{size}' bytes, limit:"
            f" '{limits.max_metadata_size}' bytes. Please see `limits_config.max_structured_metadata_size` or contact"
            " your Loki administrator to increase it"
        )
    if count > limits.max_metadata_count:
        return (
            f"stream '{stream}' has too many structured metadata labels: '{count}', limit:"
            f" '{limits.max_metadata_count}'. Please see `limits_config.max_structured_metadata_entries_count` or"
            " contact your Loki administrator to increase it"
        )
    return ""


def _grouped(errors: list[str]) -> str:
    counts = Counter(errors)
    if len(errors) == 1:
        return errors[0]
    return "; ".join(f"{count} errors like: {error}" for error, count in counts.items())
