"""What an operator asks of a replica that holds no role, about senders that others hold."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from kigeon.standin.apiserver import ApiServer
from tests.replicas.several import PIPELINE, Several, works_at
from tests.support.events import assert_once, make_event
from tests.support.following import tail
from tests.support.kigeon import Kigeon
from tests.support.loki import Line, Loki
from tests.support.nats import NatsNode
from tests.support.processes import wait_until

LONG = {3: "one", 5: "two", 9: "both"}
"""The numbers of events whose messages are too long for a Loki, and for which."""


@pytest.fixture
def replicas(tmp_path: Path, api: ApiServer, lokis: Mapping[str, Loki]) -> Iterator[Several]:
    """Four replicas: one has the pipeline, two have a sender each, one has nothing."""
    with NatsNode(tmp_path / "nats") as node, Several(tmp_path, api, {"url": node.url}, lokis) as several:
        several.start(4)
        several.holder(PIPELINE)
        wait_until(lambda: several.spread() == [0, 0, 1, 1], what="senders that are spread")
        yield several


@pytest.fixture
def idle(replicas: Several) -> Kigeon:
    """The replica that has nothing."""
    return next(replica for replica in replicas.running if not works_at(replica))


def events() -> list[dict[str, Any]]:
    """Return thirty, of which three are too long."""
    return [make_event(number, message="x" * (2000 if number in LONG else 20)) for number in range(30)]


def parked(kigeon: Kigeon, count: int) -> dict[str, list[str]]:
    """Return the ids of dead letters by sender, once there are so many."""

    def found() -> list[str]:
        letters = kigeon.ask("dead-letter", "list")["deadLetters"]
        return [letter["id"] for letter in letters] if len(letters) == count else []

    ids = wait_until(found, what="dead letters")
    return {name: [each for each in ids if each.startswith(f"{name}/")] for name in ("one", "two")}


def test_it_tells_of_all_and_has_their_senders_act(
    replicas: Several, idle: Kigeon, api: ApiServer, lokis: Mapping[str, Loki]
) -> None:
    refused = {name: {number for number, who in LONG.items() if who in (name, "both")} for name in lokis}
    for name, loki in lokis.items():
        loki.refuse = partial(is_about, refused[name])
    put = events()
    api.put_events(put)
    ids = parked(idle, 4)
    assert {name: len(found) for name, found in ids.items()} == {"one": 2, "two": 2}
    status = wait_until(lambda: told_if_settled(idle, sent=28, parked=2), what="the accounts")
    assert all(account["unaccounted"] == 0 for account in status["senders"].values())
    assert status["waits"] == {"one": [], "two": []}, "senders that another replica has answered"
    assert {role["replica"] is not None for role in status["roles"].values()} == {True}
    audit = idle.ask("audit", "--loki")
    assert audit["senders"] == {name: {"sent": 28, "parked": 2} for name in lokis}
    assert audit["loki"] == {name: {"once": 28} for name in lokis}
    assert audit["unaccounted"] == 0

    for number in refused.values():
        number.clear()
    (shown,) = idle.ask("dead-letter", "show", ids["two"][0])["deadLetters"]
    assert shown["event"]["metadata"]["name"] == "web-5.17a"
    assert idle.ask("dead-letter", "drop", ids["one"][1]) == {"done": [ids["one"][1]], "problems": {}}
    replayed = idle.ask("dead-letter", "replay", "--all")
    assert (sorted(replayed["done"]), replayed["problems"]) == (sorted([ids["one"][0], *ids["two"]]), {})
    lokis["one"].wait_for(29)
    lokis["two"].wait_for(30)
    assert idle.ask("dead-letter", "list") == {"deadLetters": []}
    assert_once(lokis["one"].lines, [event for event in put if event["metadata"]["name"] != "web-9.17a"])
    assert_once(lokis["two"].lines, put)

    before = {name: loki.repeats for name, loki in lokis.items()}
    assert idle.ask("resend", "--sender", "two", "--since", "1h") == {"sender": "two", "resent": 30, "notSent": 0}
    assert {name: loki.repeats - before[name] for name, loki in lokis.items()} == {"one": 0, "two": 30}
    assert_once(lokis["two"].lines, put)


def is_about(numbers: set[int], line: Line) -> bool:
    """Whether a line is of an event with one of these numbers."""
    return line.fields["name"] in {f"web-{number}.17a" for number in numbers}


def told_if_settled(kigeon: Kigeon, **wanted: int) -> Any:
    """Return the status once each sender's accounts say what is wanted."""
    status = kigeon.ask("status")
    accounts = status["senders"].values()
    return status if all({**account, **wanted} == account for account in accounts) else None


def test_it_follows_events_while_another_takes_over(
    replicas: Several, idle: Kigeon, api: ApiServer, lokis: Mapping[str, Loki]
) -> None:
    api.put_events([make_event(number) for number in range(3)])
    lokis["one"].wait_for(3)
    with tail(idle, "--last", "2", "-o", "json") as lines:
        names = [json.loads(next(lines))["metadata"]["name"] for _ in range(2)]
        assert names == ["web-1.17a", "web-2.17a"]
        replicas.holder(PIPELINE).kill_tree()
        api.put_events([make_event(3)])
        assert json.loads(next(lines))["metadata"]["name"] == "web-3.17a"
    audit = wait_until(lambda: audited(idle, 4), what="an audit to which nothing is missing")
    assert audit["senders"] == {"one": {"sent": 4}, "two": {"sent": 4}}


def audited(kigeon: Kigeon, count: int) -> Any:
    """Return the audit once each sender has sent so many."""
    status = kigeon.ask("status")
    return all(account["sent"] == count for account in status["senders"].values()) and kigeon.ask("audit")


def test_a_sender_that_moves_is_waited_for(
    replicas: Several, idle: Kigeon, api: ApiServer, lokis: Mapping[str, Loki]
) -> None:
    """Whoever asks while its replica is gone is answered by the one that takes over."""
    put = [make_event(number) for number in range(20)]
    api.put_events(put)
    lokis["one"].wait_for(20)
    wait_until(lambda: told_if_settled(idle, sent=20), what="the accounts")
    replicas.holder("sender.one").kill_tree()
    assert idle.ask("resend", "--sender", "one", "--since", "1h") == {"sender": "one", "resent": 20, "notSent": 0}
    assert lokis["one"].repeats == 20
    assert_once(lokis["one"].lines, put)
