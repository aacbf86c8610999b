from contextlib import suppress
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kigeon.config.quantities import parse_duration, parse_size

SECONDS: dict[str, Fraction] = {
    "h": Fraction(3600),
    "m": Fraction(60),
    "s": Fraction(1),
    "ms": Fraction(1, 10**3),
    "us": Fraction(1, 10**6),
    "ns": Fraction(1, 10**9),
}
BYTES = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


@given(st.lists(st.tuples(st.integers(0, 1000), st.sampled_from(list(SECONDS))), min_size=1, max_size=6))
def test_a_duration_is_the_sum_of_its_parts(parts: list[tuple[int, str]]) -> None:
    text = "".join(f"{number}{unit}" for number, unit in parts)
    assert parse_duration(text) == pytest.approx(float(sum(number * SECONDS[unit] for number, unit in parts)))


@given(st.decimals(0, 10**4, places=3), st.sampled_from(list(SECONDS)))
def test_a_duration_may_have_a_fraction(number: Decimal, unit: str) -> None:
    assert parse_duration(f"{number}{unit}") == pytest.approx(float(Fraction(str(number)) * SECONDS[unit]))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("0s", 0.0),
        ("100ms", 0.1),
        ("1h30m", 5400.0),
        ("24h", 86400.0),
        (".5s", 0.5),
        ("1.s", 1.0),
        ("5µs", 5e-6),
        ("5μs", 5e-6),
    ],
)
def test_durations_as_go_writes_them(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", ["", "5", "s", "5 s", " 5s", "5s\n", "1d", "-5s", "5S", "1h30", ".s", "1,5s", "٣s", "1e3s", "9" * 400 + "h"]
)
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration"):
        parse_duration(text)


@given(st.integers(0, 10**9), st.sampled_from(list(BYTES)))
def test_a_size_is_its_number_times_its_suffix(number: int, suffix: str) -> None:
    assert parse_size(f"{number}{suffix}") == number * BYTES[suffix]


@given(st.decimals(0, 10**6, places=4), st.sampled_from(list(BYTES)))
def test_a_fraction_of_a_byte_is_a_byte(number: object, suffix: str) -> None:
    exact = Fraction(str(number)) * BYTES[suffix]
    assert exact <= parse_size(f"{number}{suffix}") < exact + 1


@pytest.mark.parametrize("text", ["", "Mi", "1 Mi", "1mi", "1K", "1MB", "-1Mi", "1Mi\n", "0x10", "٣Mi", "16E"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="is no size"):
        parse_size(text)


@given(st.text(max_size=12))
def test_whatever_else_is_refused_by_a_value_error(text: str) -> None:
    for parse in (parse_duration, parse_size):
        with suppress(ValueError):
            assert parse(text) >= 0
