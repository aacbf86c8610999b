"""What an operator can do where a limit of Loki's refuses."""

from __future__ import annotations

_LIMITS = (
    ("maximum active stream limit", "raise limits_config.max_global_streams_per_user for the tenant"),
    ("ingestion rate limit", "raise limits_config.ingestion_rate_mb and ingestion_burst_size_mb for the tenant"),
    ("per stream rate limit", "raise limits_config.per_stream_rate_limit for the tenant"),
    ("max entry size", "raise limits_config.max_line_size for the tenant"),
    ("label names; limit", "configure fewer streamLabels and eventLabels, or raise max_label_names_per_series"),
    ("label name too long", "shorten the labels' names, or raise limits_config.max_label_name_length"),
    ("label value too long", "shorten the labels' values, or raise limits_config.max_label_value_length"),
    ("timestamp too new", "set this machine's clock, or Loki's: they differ by more than creation_grace_period"),
    ("timestamp too old", "set this machine's clock, or Loki's: they differ by more than reject_old_samples_max_age"),
    ("structured metadata", "configure less structuredMetadata, or raise the tenant's limits of it"),
)
"""Parts of Loki's answers where a limit refuses a line, and what an operator can do."""


def limit_cure(text: str) -> str:
    """Return the cure of what a *text* of Loki's says of a limit, "" where it names none that is known."""
    said = text.lower()
    return next((cure for part, cure in _LIMITS if part in said), "")
