"""What a status looks like, at the 80 columns of a terminal and in a pipe."""

from typing import Any

from kigeon.cli.show_status import status_lines
from kigeon.cli.terminal import Look

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
