"""The dead-letter stream is full: what is to be parked waits, nothing is discarded, and nothing waits behind it."""

from __future__ import annotations

import asyncio
import logging
import random

import pytest

from kigeon.config.settings import QueueSettings
from kigeon.queue.broker.connection import connected
from kigeon.queue.broker.process import NatsServer
from kigeon.queue.broker.streams import declare
from kigeon.queue.stores.dead_letter import DeadLetterStore
from kigeon.senders.delivery.delivery import LETTERS_FULL
from kigeon.senders.engine.engine import Engine
from tests.support.events import assert_once, make_event
from tests.support.loki import Loki
from tests.support.sending import sending, store, until

SMALL = QueueSettings(events_max_bytes=2_000_000)
"""The dead-letter stream is a tenth of it."""

BAD, GOOD = 90, 600


def events_of() -> list[dict[str, object]]:
    """Return events of which every seventh is refused, too large for all of those to be parked."""
    chance = random.Random(7)
    return [
        make_event(number, reason="Bad", message=chance.randbytes(3000).hex())
        if number % 7 == 3 and number < 7 * BAD
        else make_event(number)
        for number in range(BAD + GOOD)
    ]


def report(engine: Engine) -> tuple[int, int]:
    found = engine.report()
    return int(str(found["sent"])), int(str(found["parked"]))


def waiting(engine: Engine) -> int:
    found = engine.report()
    return int(str(found["inMemory"])) + int(str(found["retrying"]))


def said_full(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if "the dead-letter stream is full" in record.getMessage()]


@pytest.mark.parametrize("window", [4000, 40], ids=["in-memory", "in-the-retry-stream"])
def test_what_is_to_be_parked_waits_and_the_others_go(
    server: NatsServer, loki: Loki, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, window: int
) -> None:
    monkeypatch.setattr("kigeon.senders.engine.window.MAX_WINDOW_EVENTS", window)
    events = events_of()
    loki.limits.max_line = 4000

    async def main() -> None:
        async with connected(server.address, "test") as client:
            await declare(client, SMALL, "loki")
            for first in range(0, len(events), 30):
                await store(client, first + 1, *events[first : first + 30])
            async with sending(client, loki) as engine:
                await until(lambda: report(engine)[0] == GOOD and bool(said_full(caplog)))
                _, parked = report(engine)
                assert 10 < parked < BAD
                assert waiting(engine) == BAD - parked
                assert {wait.reason for wait in engine.waits() if not wait.destination} <= {LETTERS_FULL}
            letters = DeadLetterStore(client, "loki")
            async with sending(client, loki) as engine:
                seen: set[str] = set()
                async with asyncio.timeout(30):
                    while len(seen) < BAD:
                        there = [letter.name for letter in await letters.all()]
                        seen |= set(there)
                        await engine.parked.drop(there)
                        await asyncio.sleep(0.01)
                await until(lambda: waiting(engine) == 0)
                assert (report(engine), waiting(engine)) == ((GOOD, BAD), 0)

    asyncio.run(main())
    assert_once(loki.lines, [event for event in events if event["reason"] != "Bad"])
    said = said_full(caplog)
    assert 0 < len(said) <= 4
    assert {record.levelno for record in said} == {logging.ERROR}
    assert "replay or drop dead letters" in vars(said[0])["cure"]
