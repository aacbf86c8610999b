"""Why events were not sent, as the stream holds it."""

import pytest
from nats.aio.client import Client

from kigeon.config.settings import QueueSettings
from kigeon.queue.outcomes import OutcomeStore
from kigeon.queue.server import NatsServer
from kigeon.queue.streams import OUTCOMES_SUBJECT, declare
from tests.queue.test_queue import run

WHY = (17, 25, "filtered", "the namespace filter")


@pytest.mark.parametrize(
    "damaged",
    [
        *(b"", b"7", b"[[]]", b'[["filtered","x",7]]', b'[["filtered","x",[[1]]]]', b'[["filtered","x",[["1",2]]]]'),
        *(b'[["filtered","x",[[1e300,2]]]]', b'[["filtered","x",[[0,2]]]]', b'[["filtered","x",[[2,1]]]]'),
        b'[["filtered",%s,[[1,2]]]]' % (b"[" * 1015 + b"]" * 1015),
    ],
)
def test_what_is_damaged_hides_nothing_else(server: NatsServer, settings: QueueSettings, damaged: bytes) -> None:
    async def test(client: Client) -> None:
        await declare(client, settings)
        store = OutcomeStore(client, "a")
        await client.jetstream().publish(f"{OUTCOMES_SUBJECT}.a", damaged)
        await store.write([WHY])
        assert await store.read() == [WHY]

    run(server, test)
