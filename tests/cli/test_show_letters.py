"""What dead letters look like, by their reasons."""

from typing import Any

from kigeon.cli.show_letters import grouped, grouped_lines, kind_of
from kigeon.cli.terminal import Look
from kigeon.errors import shorten

NOW = 1_800_000_000.0  # 2027-01-15T08:00:00Z


def letter(number: int, reason: str, sender: str = "loki") -> dict[str, Any]:
    return {
        "id": f"{sender}/{number}",
        "since": f"2027-01-15T07:{number % 60:02}:00+00:00",
        "reason": reason,
        "namespace": "shop",
        "name": f"web-{number}.17a",
        "why": "BackOff",
    }


def test_reasons_that_differ_in_particulars_are_one() -> None:
    first = "400 max entry size '1500' bytes exceeded for stream '{app=\"a\"}' at 2027-01-15T07:00:00Z"
    second = "400 max entry size '900' bytes exceeded for stream '{app=\"b\"}' at 2027-01-15T08:00:00Z"
    assert kind_of(first) == kind_of(second)
    assert kind_of("400 said so") != kind_of("413 said so")


def test_a_reason_that_is_cut_is_one_with_the_same_that_is_cut_elsewhere() -> None:
    """A push of eighteen and one of twelve: Loki says for each line that it is too long."""
    of_each = "max entry size '9' bytes exceeded for stream '{{a=\"{}\"}}' while adding an entry with length '{}' "
    first, second = (shorten("400 " + of_each.format("b" * count, 10**count) * count) for count in (18, 12))
    assert first[-30:] != second[-30:]
    assert kind_of(first) == kind_of(second)


def test_many_letters_are_grouped_by_their_reason_and_few_of_them_shown() -> None:
    letters = [letter(number, f"400 line {number} is too long") for number in range(40)] + [letter(50, "it is no JSON")]
    lines = list(grouped_lines(letters, Look(80), NOW))
    assert lines == [
        "loki: 40 parked 60m to 21m ago",
        "  why   400 line 0 is too long",
        "  ID       AGE   EVENT",
        "  loki/0   60m   shop/web-0.17a BackOff",
        "  loki/1   59m   shop/web-1.17a BackOff",
        "  loki/2   58m   shop/web-2.17a BackOff",
        "  … and 37 more",
        "",
        "loki: 1 parked 10m ago",
        "  why   it is no JSON",
        "  ID        AGE   EVENT",
        "  loki/50   10m   shop/web-50.17a BackOff",
        "",
        "41 dead letters; --all shows each",
    ]
    few = list(grouped_lines([letter(number, "400 too long") for number in range(20)], Look(80), NOW))
    assert len(few) == 3 + 20


def test_no_more_reasons_are_held_than_can_be_shown() -> None:
    words = [chr(97 + number % 26) * (number + 1) for number in range(300)]
    groups = grouped(letter(number, word) for number, word in enumerate(words))
    assert len(groups) <= 51
    assert sum(group.count for group in groups) == 300
