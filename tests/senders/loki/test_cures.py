"""What an operator is told where a limit of Loki's refuses, in Loki's own words."""

import pytest

from kigeon.senders.loki.cures import limit_cure


@pytest.mark.parametrize(
    ("said", "cure"),
    [
        ("Maximum active stream limit exceeded when trying to create stream", "max_global_streams_per_user"),
        ("ingestion rate limit exceeded for user fake (limit: 4194304 bytes/sec)", "ingestion_rate_mb"),
        ("Per stream rate limit exceeded (limit: 3MB/sec)", "per_stream_rate_limit"),
        ("Max entry size '262144' bytes exceeded for stream", "max_line_size"),
        ("entry for stream '{a=\"b\"}' has 16 label names; limit 15", "fewer streamLabels"),
        ("stream '{}' has label value too long", "shorten the labels' values"),
        ("entry for stream '{}' has timestamp too new: 2027", "set this machine's clock"),
        ("entry for stream '{}' has timestamp too old: 2021", "reject_old_samples_max_age"),
    ],
)
def test_each_limit_has_its_cure(said: str, cure: str) -> None:
    assert cure in limit_cure(said)


@pytest.mark.parametrize("said", ["", "entry out of order", "no org id"])
def test_what_is_no_limit_has_none(said: str) -> None:
    assert limit_cure(said) == ""
