"""What a real Loki refuses of otherwise good pushes: lines that no limit allows, and more than a tenant may have."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from kigeon.standin.apiserver import ApiServer
from tests.conformance.holding import assert_held_once, sender, wait_for_held, wait_for_sent
from tests.conformance.loki import RealLoki
from tests.support.events import make_event
from tests.support.kigeon import Kigeon, accounts
from tests.support.processes import wait_until

SPREAD = 40


def at(age: timedelta) -> dict[str, Any]:
    """Return an event's times, *age* ago."""
    stamp = (datetime.now(UTC) - age).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"firstTimestamp": stamp, "lastTimestamp": stamp}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"message": "x" * 300_000}, "exceeded"),
        *(({key: "Long" + "x" * 3000}, "") for key in ("type", "reason")),
        *(({key: 'Quote"\\\n\u2028\x00ü\U0001f600'}, "") for key in ("type", "reason")),
    ],
    ids=[
        *("a line that is too long", "a label that is too long", "metadata that is too long"),
        *("a label of odd characters", "metadata of odd characters"),
    ],
)
def test_what_no_limit_allows_is_parked_alone(
    api: ApiServer, real_loki: RealLoki, folder: Path, tenant: str, fields: dict[str, Any], reason: str
) -> None:
    """With no *reason*, kigeon makes something of it that Loki takes."""
    events = [make_event(number, **(fields if number % SPREAD == 5 else {})) for number in range(200)]
    odd = events[5::SPREAD] if reason else []
    good = [event for event in events if event not in odd]
    api.put_events(events)
    with Kigeon(folder, api, [sender(real_loki, tenant)]) as kigeon:
        wait_for_sent(kigeon, len(good))
        wait_until(lambda: accounts(kigeon).get("parked", 0) == len(odd), what="the rest parked")
        letters = kigeon.ask("dead-letter", "list")["deadLetters"]
        assert {letter["name"] for letter in letters} == {event["metadata"]["name"] for event in odd}
        assert all(reason in letter["reason"] for letter in letters)
        assert kigeon.stop() == 0
    assert_held_once(real_loki, tenant, good)


def test_a_time_that_is_to_come_is_waited_for(api: ApiServer, real_loki: RealLoki, folder: Path, tenant: str) -> None:
    """A node's clock is ahead: nothing is parked, the others go on, and Loki takes the rest when its time has come."""
    ahead = at(-timedelta(minutes=30))
    events = [make_event(number, **(ahead if number % SPREAD == 5 else {})) for number in range(200)]
    api.put_events(events)
    try:
        with Kigeon(folder, api, [sender(real_loki, tenant)]) as kigeon:
            wait_for_sent(kigeon, 195)
            told = kigeon.ask("status")["senders"]["loki"]
            assert (told["waiting"], told["parked"]) == (5, 0)
            real_loki.limit({tenant: {"creation_grace_period": "1h"}})
            wait_for_sent(kigeon, 200)
            assert kigeon.stop() == 0
    finally:
        real_loki.limit({})
    # They lie in what is to come.
    held = {line.line for line in real_loki.lines(tenant)}
    assert len(held) == 200


def test_more_streams_than_a_tenant_may_have_wait_for_room(
    api: ApiServer, real_loki: RealLoki, folder: Path, tenant: str
) -> None:
    """Loki answers 429 and has stored the streams that it had room for: they are told again, and are there once."""
    real_loki.limit({tenant: {"max_global_streams_per_user": 5}})
    events = [make_event(number, namespace=f"team-{number % 20}") for number in range(200)]
    api.put_events(events)
    try:
        with Kigeon(folder, api, [sender(real_loki, tenant)]) as kigeon:
            wait_until(lambda: "429" in kigeon.log_path.read_text(), 60, "a 429")
            real_loki.limit({})
            wait_for_sent(kigeon, 200)
            assert kigeon.stop() == 0
    finally:
        real_loki.limit({})
    assert_held_once(real_loki, tenant, events)


def test_history_of_hours_arrives_whole(api: ApiServer, real_loki: RealLoki, folder: Path, tenant: str) -> None:
    """An API server that keeps Events for three hours lists them by name, and Loki takes nothing that lies an hour
    behind what its stream has: they are sent oldest first.
    """
    events = [make_event(number, **at(timedelta(minutes=number * 7919 % 180))) for number in range(900)]
    api.put_events(events)
    with Kigeon(folder, api, [sender(real_loki, tenant)]) as kigeon:
        wait_until(lambda: accounts(kigeon).get("sent", 0) + accounts(kigeon).get("parked", 0) == 900, 120)
        assert accounts(kigeon).get("parked", 0) == 0
        assert kigeon.stop() == 0
    # It answers before everything is in the store.
    real_loki.flush()
    wait_for_held(real_loki, tenant, events)
    assert_held_once(real_loki, tenant, events)
