"""What answers look like, at the 80 columns of a terminal and in a pipe."""

from typing import Any

from kigeon.cli.asking import Part
from kigeon.cli.check import described
from kigeon.cli.show_audit import audit_lines
from kigeon.cli.show_letters import grouped, grouped_lines, kind_of
from kigeon.cli.show_status import status_lines
from kigeon.cli.terminal import Look
from kigeon.errors import shorten

NOW = 1_800_000_000.0  # 2027-01-15T08:00:00Z
COUNTS = ("stored", "sent", "filtered", "skipped", "parked", "evicted", "waiting", "resent", "unaccounted")
WAIT = {
    "destination": "http://loki:3100 tenant shop",
    "queue": "",
    "reason": "401 no org id",
    "cure": "check basicAuth and tenantID",
    "held": True,
    "events": 31,
    "since": "2027-01-15T07:56:40+00:00",
    "nextTry": "2027-01-15T08:00:12+00:00",
}


def accounts(**counts: int) -> dict[str, Any]:
    return {**dict.fromkeys(COUNTS, 0), **counts}


def status(**waits: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "watcher": {
            "received": 1502345,
            "stored": 1502300,
            "repeated": 40,
            "unreadable": 5,
            "watchedUntil": "2027-01-15T07:59:55+00:00",
        },
        "senders": {"loki": accounts(stored=1502300, sent=1502300), "shop": accounts(stored=31, waiting=31)},
        "waits": waits,
    }


def test_a_status_is_a_table_that_says_why_a_sender_waits() -> None:
    assert list(status_lines(status(shop=[WAIT]), Look(80), NOW)) == [
        "RECEIVED   STORED    REPEATED   UNREADABLE   WATCHED UNTIL",
        "1502345    1502300   40         5            5s ago",
        "",
        "SENDER   STORED    SENT      WAITING   FILTERED   SKIPPED   PARKED   EVICTED",
        "loki     1502300   1502300   0         0          0         0        0",
        "shop     31        0         31        0          0         0        0",
        "",
        "shop: 31 events wait for http://loki:3100 tenant shop",
        "  why   401 no org id",
        "  cure  check basicAuth and tenantID",
        "  since 2027-01-15T07:56:40+00:00, for 3m20s, tried again in 12s",
    ]


def test_a_status_fits_a_terminal_and_is_coloured_there() -> None:
    long = {**WAIT, "reason": "no answer: " + "x y " * 100, "destination": "http://a.very/" + "long" * 5}
    lines = list(status_lines(status(shop=[long]), Look(80), NOW))
    assert max(map(len, lines)) <= 80
    assert any(line.startswith("\033[31m") for line in status_lines(status(shop=[WAIT]), Look(80, True), NOW))
    assert not any("\033" in line for line in status_lines(status(shop=[WAIT]), Look(80), NOW))


def test_a_status_says_what_is_wrong() -> None:
    answer = status()
    answer["senders"]["loki"] |= {"unaccounted": 3, "problem": "its position can't be read", "resent": 9}
    answer["watcher"]["watchedUntil"] = None
    text = "\n".join(status_lines(answer, Look(), NOW))
    assert "not watched yet" in text
    assert "loki: 3 are NOT ACCOUNTED FOR" in text
    assert "loki: its position can't be read" in text
    assert "loki: 9 were sent again" in text


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


def test_an_audit_ends_with_the_sums() -> None:
    event = {"namespace": "shop", "name": "web-1.17a", "count": 1, "accounted": False, "senders": {}}
    parts = [
        Part("listed", 9, True),
        Part("unaccounted", 1, True),
        Part("senders", {"loki": {"unknown": 1, "sent": 8}, "out": {"sent": 9}}, True),
        Part("loki", {"loki": {"once": 8}}, True),
        Part("events", [{**event, "senders": {"loki": {"outcome": "unknown", "reason": "its note is gone"}}}]),
    ]
    assert list(audit_lines(parts, Look(80))) == [
        "shop/web-1.17a (count 1): UNACCOUNTED FOR; loki unknown (its note is gone)",
        "",
        "SENDER   SENT   UNKNOWN",
        "loki     8      1",
        "out      9      0",
        "",
        "IN LOKI   ONCE",
        "loki      8",
        "",
        "9 Events are in the cluster, 1 of them unaccounted for",
    ]


def test_what_would_run_is_wrapped_on_a_terminal_alone() -> None:
    text = f"sender      loki (loki)\n  metadata  {'level, reason, ' * 8}uid\nthe configuration is valid\n"
    assert list(described(text, Look())) == text.splitlines()
    first, *metadata, last = described(text, Look(80))
    assert (first, last) == ("sender      loki (loki)", "the configuration is valid")
    assert len(metadata) == 2
    assert metadata[1].startswith("            level") or metadata[1].startswith("            reason")
    assert max(map(len, metadata)) <= 80


def test_a_status_of_several_replicas_says_who_does_what() -> None:
    several = {
        "roles": {
            "pipeline": {"replica": "kigeon-a", "since": "2027-01-15T07:00:00+00:00"},
            "sender.loki": {"replica": None},
        },
        "replicas": [
            {"name": "kigeon-a", "id": "a", "since": "2027-01-15T06:00:00+00:00", "roles": ["pipeline"]},
            {"name": "kigeon-b", "id": "b", "since": "2027-01-15T07:50:00+00:00", "roles": []},
        ],
    }
    told = "\n".join(status_lines({**status(), **several}, Look(), NOW))
    for role, replica, since in (
        ("pipeline", "kigeon-a", "60m"),
        ("sender loki", "nobody", ""),
        ("standby", "kigeon-b", "10m"),
    ):
        (line,) = (line for line in told.splitlines() if line.startswith(role))
        assert replica in line
        assert since in line
    assert "ROLE" not in "\n".join(status_lines(status(), Look(), NOW))
