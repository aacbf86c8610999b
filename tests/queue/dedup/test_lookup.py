"""Which offset a digest was given."""

from pathlib import Path

from nats.aio.client import Client

from kigeon.config.settings import QueueSettings
from kigeon.operator.listing import Listing
from kigeon.queue.broker.process import NatsServer
from kigeon.queue.dedup.lookup import find_offsets
from tests.support.names import EVENTS
from tests.support.storing import storing
from tests.support.writing import envelope, run_with_client


def test_numbers_are_recalled_by_digest_wherever_it_is(
    server: NatsServer, settings: QueueSettings, tmp_path: Path
) -> None:
    async def test(client: Client) -> None:
        work = await storing(client, settings)
        await work.store([11, 12], [13])
        await work.compact()
        await client.jetstream().purge_stream(EVENTS)
        await work.store([14, 15])
        await work.compact()
        await work.store([16])
        listing = Listing()
        for value in (*range(16, 10, -1), 99, 11):
            listing.add(envelope(value).digests)
        async for found in find_offsets(client):
            listing.note(found)
        assert listing.missing == 1
        listing.close(tmp_path)
        assert list(listing) == [6, 5, 4, 3, 2, 1, 0, 1]
        assert list(listing.sorted) == [1, 2, 3, 4, 5, 6]

    run_with_client(server, test)
