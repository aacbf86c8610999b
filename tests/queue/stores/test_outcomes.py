"""How events ended that were not sent, as the stream holds it, and from where on nothing of that is missing."""

import asyncio

import pytest
from nats.aio.client import Client

from kigeon.config.settings import QueueSettings
from kigeon.queue.broker.process import NatsServer
from kigeon.queue.broker.streams import declare
from kigeon.queue.stores.outcomes import Noted, OutcomeStore
from tests.support.names import OUTCOMES, OUTCOMES_SUBJECT
from tests.support.writing import run_with_client

WHY = (17, 25, "filtered", "the namespace filter")


async def read(store: OutcomeStore) -> tuple[list[Noted], int | None]:
    found: list[Noted] = []
    return found, await store.read(found.append)


@pytest.mark.parametrize(
    "damaged",
    [
        *(b"", b"7", b"[[]]", b'[["filtered","x",7]]', b'[["filtered","x",[[1]]]]', b'[["filtered","x",[["1",2]]]]'),
        *(b'[["filtered","x",[[1e300,2]]]]', b'[["filtered","x",[[0,2]]]]', b'[["filtered","x",[[2,1]]]]'),
        b'[["filtered",%s,[[1,2]]]]' % (b"[" * 1015 + b"]" * 1015),
    ],
)
def test_what_is_damaged_hides_nothing_else(server: NatsServer, settings: QueueSettings, damaged: bytes) -> None:
    """But it may have held something: what is complete begins after it."""

    async def test(client: Client) -> None:
        await declare(client, settings)
        store = OutcomeStore(client, "a")
        await store.write([(1, 1, "filtered", "x")], 0)
        await client.jetstream().publish(f"{OUTCOMES_SUBJECT}.a", damaged)
        assert (await read(store))[1] is None
        await store.write([WHY], 16)
        found, complete_from = await read(store)
        assert (found[-1].ranges, complete_from) == ([WHY], 16)

    run_with_client(server, test)


def test_what_an_earlier_version_wrote_is_read_and_proves_nothing_more(
    server: NatsServer, settings: QueueSettings
) -> None:
    async def test(client: Client) -> None:
        await declare(client, settings)
        store = OutcomeStore(client, "a")
        await client.jetstream().publish(f"{OUTCOMES_SUBJECT}.a", b'[["filtered","x",[[1,2]]]]')
        assert await read(store) == ([Noted(1, [(1, 2, "filtered", "x")])], None)
        await store.write_dropped({"7": "no use", "e3": "no use"}, 9)
        found, complete_from = await read(store)
        assert found[1] == Noted(2, [(7, 7, "dropped", "no use")], [("e3", "dropped", "no use")])
        assert complete_from == 9

    run_with_client(server, test)


@pytest.mark.parametrize("lost", ["the oldest, of age", "one in the middle", "all"])
def test_what_is_gone_is_known_to_be_gone(server: NatsServer, settings: QueueSettings, lost: str) -> None:
    async def test(client: Client) -> None:
        await declare(client, settings)
        store, js = OutcomeStore(client, "a"), client.jetstream()
        for number in range(1, 4):
            await store.write([(number * 10, number * 10, "skipped", "x")], 10 * number - 5)
        assert (await read(store))[1] == 5
        if lost == "the oldest, of age":
            await js.purge_stream(OUTCOMES, seq=2)
            assert (await read(store))[1] == 15
        elif lost == "one in the middle":
            await js.delete_msg(OUTCOMES, 2)
            assert (await read(store))[1] is None
        else:
            await js.purge_stream(OUTCOMES)
            assert await read(store) == ([], None)

    run_with_client(server, test)


def test_what_is_evicted_while_it_is_read_is_missing(server: NatsServer, settings: QueueSettings) -> None:
    """Nothing of what was passed by is taken for what never was."""

    async def test(client: Client) -> None:
        await declare(client, settings)
        store, js = OutcomeStore(client, "a"), client.jetstream()
        for number in range(1, 101):
            await store.write([(number, number, "skipped", "x")], number)
        found: list[Noted] = []
        purging: list[asyncio.Future[bool]] = []

        def note(noted: Noted) -> None:
            found.append(noted)
            if not purging:
                purging.append(asyncio.ensure_future(js.purge_stream(OUTCOMES, seq=90)))

        assert await store.read(note) is None
        await purging[0]
        assert len(found) < 100

    run_with_client(server, test)
