"""How times, sizes and rates are written."""

import pytest

from kigeon.http.moments import day_of, moment, moment_of, number, rate, size


def test_a_time_says_of_which_day_it_is() -> None:
    assert moment_of("2027-01-15T08:00:00+00:00") == '<time datetime="2027-01-15T08:00:00Z">08:00:00</time>'
    assert day_of("2027-01-15T08:00:00+00:00").endswith(">2027-01-15 08:00:00</time>")
    assert moment(0.0) == day_of(None) == moment_of(None) == "-"


@pytest.mark.parametrize(
    ("a_second", "expected"),
    [
        (None, "…"), (0.0, "0/s"), (1234.4, "1,234/s"), (12.3, "12/s"), (3.0, "3/s"), (1.25, "1.2/s"),
        (0.5, "30/min"), (0.05, "3/min"), (0.001, "3.6/h"), (0.00001, "0/s"),
    ],
)  # fmt: skip
def test_a_rate_has_the_unit_in_which_it_can_be_read(a_second: float | None, expected: str) -> None:
    assert rate(a_second) == expected


def test_counts_and_sizes() -> None:
    assert (number(1234567), size(0), size(1536), size(20 * 2**20), size(3 * 2**50)) == (
        "1,234,567",
        "0 B",
        "1.5 KiB",
        "20 MiB",
        "3072 TiB",
    )
