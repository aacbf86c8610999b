"""The pages in which events are sent again."""

import asyncio

import orjson
from hypothesis import given
from hypothesis import strategies as st

from kigeon.queue.broker.connection import connected
from kigeon.queue.broker.process import NatsServer
from kigeon.queue.broker.streams import declare
from kigeon.queue.stores.dead_letter import DeadLetterStore
from kigeon.queue.stores.state import StateRecord
from kigeon.senders.progress.envelope import Position
from kigeon.senders.progress.outcome import Outcome
from kigeon.senders.progress.position import write_position
from kigeon.senders.retry.pages import MAX_PAGE_BYTES, MAX_PAGE_EVENTS, in_pages
from tests.support.events import make_event
from tests.support.loki import Loki
from tests.support.sending import sending
from tests.support.settings import QUEUE_SETTINGS


def test_parked_events_that_are_large_are_replayed_in_pages_that_can_be_read_again(
    server: NatsServer, loki: Loki
) -> None:
    """Together they would unpack to more than an envelope may: they would be lost with the page that holds them."""
    events = [make_event(number, message=" " * 1_500_000) for number in range(1, 51)]

    async def main() -> None:
        async with connected(server.address, "test") as client:
            await declare(client, QUEUE_SETTINGS, "loki")
            store = DeadLetterStore(client, "loki")
            for number, event in enumerate(events, 1):
                await store.park(number, 1, orjson.dumps(event), "max entry size exceeded")
            parked = Position(2, 51, 1, counts={Outcome.PARKED: 50})
            await StateRecord(client, "position.loki").write(write_position(parked))
            async with sending(client, loki) as engine:
                assert await engine.parked.replay([str(number) for number in range(1, 51)]) == {}
                async with asyncio.timeout(60):
                    while engine.report()["parked"] != 50 or engine.report()["retrying"]:
                        await asyncio.sleep(0.01)
            for letter in await store.all():
                assert orjson.loads(letter.event() or b"") == events[(letter.offset or 0) - 1]
            assert len(await store.all()) == 50

    asyncio.run(main())


@given(st.lists(st.integers(0, 3 * MAX_PAGE_BYTES) | st.integers(0, 9), max_size=1200))
def test_pages_are_neither_too_long_nor_too_large(sizes: list[int]) -> None:
    parts = [sizes[part] for part in in_pages(sizes)]
    assert [size for part in parts for size in part] == sizes
    assert all(0 < len(part) <= MAX_PAGE_EVENTS and (len(part) == 1 or sum(part) <= MAX_PAGE_BYTES) for part in parts)
