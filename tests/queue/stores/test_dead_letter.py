from nats.aio.client import Client

from kigeon.config.settings import QueueSettings
from kigeon.queue.broker.process import NatsServer
from kigeon.queue.broker.scan import scan
from kigeon.queue.broker.streams import declare
from kigeon.queue.stores.dead_letter import DeadLetterStore
from kigeon.queue.stores.retry import RetryStore
from tests.support.names import DEAD_LETTER, DEAD_LETTER_SUBJECT
from tests.support.writing import run_with_client

REASON = "Max entry size '262144' bytes exceeded: ünd so \U0001f600 weiter…"


def test_a_reason_reads_the_same_whichever_way_its_letter_is_read(server: NatsServer, settings: QueueSettings) -> None:
    async def test(client: Client) -> None:
        await declare(client, settings)
        store = DeadLetterStore(client, "loki")
        await store.park(7, 1, b"{}", REASON)
        (headline,) = [found async for found in store.summaries()]
        by_name, by_sequence, (listed,) = await store.load("7"), await store.at(headline.sequence), await store.all()
        assert by_name is not None
        assert by_sequence is not None
        assert [headline.reason, by_name.reason, by_sequence.reason, listed.reason] == [REASON] * 4

    run_with_client(server, test)


def test_a_destination_reads_the_same_whichever_way_its_message_is_read(
    server: NatsServer, settings: QueueSettings
) -> None:
    async def test(client: Client) -> None:
        await declare(client, settings, "a")
        store = RetryStore(client, "a")
        await store.put("http://löki", [b"1"], [7], 1.0)
        (waiting,) = [message async for message in store.waiting()]
        found = await store.next("http://löki", 1)
        assert found is not None
        assert [waiting.key, found.key] == ["http://löki"] * 2

    run_with_client(server, test)


def test_an_event_that_is_parked_twice_is_there_once(server: NatsServer, settings: QueueSettings) -> None:
    async def test(client: Client) -> None:
        await declare(client, settings)
        store = DeadLetterStore(client, "loki")
        await store.park(7, 1, b"{}", "too old")
        await store.park(7, 1, b"{}", "too\nold")
        await store.park(8, 1, b"{}", "too old")
        found = [message async for message in scan(client, DEAD_LETTER, f"{DEAD_LETTER_SUBJECT}.loki.*", 1)]
        assert [message.subject.rpartition(".")[2] for message in found] == ["7", "8"]
        assert found[0].headers["Kigeon-Reason"] == "too old"

    run_with_client(server, test)
