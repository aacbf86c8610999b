"""Dead letters, listed and replayed by the thousand."""

from __future__ import annotations

import asyncio

import pytest

from kigeon.operator.dead_letters import actions_of
from kigeon.operator.memory import MOST_ANSWER_BYTES
from kigeon.operator.senders import serve
from kigeon.queue.broker.connection import connected
from tests.support.filled_queue import (
    COUNT,
    Filled,
)
from tests.support.operating import Door, Told, door_to


def test_many_letters_are_listed_as_they_are_read(filled: Filled) -> None:
    with door_to(filled.server, filled.settings) as admin_socket:
        told = admin_socket.ask({"command": "dead-letter", "action": "list"})
    letters = told.answer["deadLetters"]
    assert [letter["id"] for letter in letters] == [f"loki/{number}" for number in range(5, COUNT - 99, 5)]
    assert letters[7]["reason"] == "400 entry too old 40"
    assert 0 < told.memory < MOST_ANSWER_BYTES / 4


class Replaying:
    """Stands in for a sender's parked events: takes its time, and refuses some."""

    def __init__(self) -> None:
        self.portions: list[int] = []

    async def replay(self, names: list[str]) -> dict[str, str]:
        self.portions.append(len(names))
        if len(self.portions) == 2:
            await asyncio.sleep(0.3)
        return {name: "no" for name in names if name.endswith("00")}

    drop = replay


def test_many_are_replayed_in_portions_and_a_slow_sender_is_waited_for(
    filled: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kigeon.operator.senders.AT_IT", 0.05)
    sender = Replaying()

    async def asked(admin_socket: Door) -> Told:
        async with connected(filled.server.address, "sender") as client:
            await serve(client, "loki", actions_of(sender))  # type: ignore[arg-type]
            await client.flush()
            return await asyncio.to_thread(
                admin_socket.ask, {"command": "dead-letter", "action": "replay", "all": True}
            )

    with door_to(filled.server, filled.settings) as admin_socket:
        told = asyncio.run(asked(admin_socket))
    letters = (COUNT - 100) // 5
    assert sender.portions == [500] * (letters // 500) + [letters % 500]
    assert told.counts == {"done": letters - letters // 20, "problems": letters // 20}
    assert told.answer["problems"]["loki/19900"] == "no"
    assert 0 < told.memory < MOST_ANSWER_BYTES / 4


def test_a_sender_that_does_not_run_is_said_at_once(filled: Filled) -> None:
    with door_to(filled.server, filled.settings) as admin_socket:
        told = admin_socket.ask({"command": "dead-letter", "action": "drop", "ids": ["loki/5"]})
    assert "does not run now" in told.answer["error"]
