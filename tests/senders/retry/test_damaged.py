"""What is damaged in a retry stream."""

import asyncio
import time

from kigeon.events.envelope import unpack
from kigeon.queue.broker.connection import connected
from kigeon.queue.broker.process import NatsServer
from kigeon.queue.broker.streams import declare
from kigeon.queue.stores.retry import RetryStore
from kigeon.queue.stores.state import StateRecord
from kigeon.senders.progress.envelope import EnvelopeProgress, Position
from kigeon.senders.progress.position import write_position
from tests.senders.ended import dead_letters, until_sent
from tests.support.events import assert_once, make_event
from tests.support.loki import Loki
from tests.support.sending import sending, store
from tests.support.settings import QUEUE_SETTINGS


def test_a_page_of_the_retry_stream_with_other_events_than_it_says_is_parked(server: NatsServer, loki: Loki) -> None:
    """It was the end of its sender, at every start."""
    event = make_event(1)

    async def main() -> None:
        async with connected(server.address, "test") as client:
            await declare(client, QUEUE_SETTINGS, "loki")
            await store(client, 1, event, make_event(2), make_event(3))
            sequence = await RetryStore(client, "loki").put("hook", [b"{}"], [2, 3], time.time())
            moved = Position(2, 4, 1, [EnvelopeProgress(1, 1, 3, 0b110)], retry_sequence=sequence)
            await StateRecord(client, "position.loki").write(write_position(moved))
            async with sending(client, loki) as engine:
                async with asyncio.timeout(40):
                    while engine.report()["parked"] != 2:
                        await asyncio.sleep(0.01)
                await until_sent(engine, 1)
                letters = {found.subject.rpartition(".")[2]: found for found in await dead_letters(client)}
                assert set(letters) == {f"r{sequence}", "2", "3"}
                assert unpack(letters[f"r{sequence}"].payload) == [b"{}"]
                assert [message async for message in RetryStore(client, "loki").waiting()] == []

    asyncio.run(main())
    assert_once(loki.lines, [event])
