"""How old what was stored seems, where the server's clock was set meanwhile."""

from nats.aio.client import Client

from kigeon.clock import SteadyClock
from kigeon.config.settings import QueueSettings
from kigeon.queue.broker.process import NatsServer
from kigeon.queue.broker.stream_configs import digest_ttl
from kigeon.queue.dedup.digests import DigestMemory, integers
from kigeon.queue.dedup.index import Deduplication
from kigeon.queue.dedup.rebuild import GAP, Recent
from tests.support.names import SEEN
from tests.support.storing import known_after_rebuild, storing
from tests.support.writing import run_with_client

HOUR = 3600.0
LIFETIME = digest_ttl(HOUR)


def digest(number: int) -> bytes:
    return number.to_bytes(8, "big")


def remembered_of(stamps: list[float], seconds: float = LIFETIME) -> list[int]:
    """Return the indexes of those of *stamps*, one digest at each, that are known after they were read."""
    recent = Recent(seconds)
    for index, stamp in enumerate(stamps):
        recent.add(digest(index + 1), stamp)
    memory = DigestMemory(seconds)
    deduplication = Deduplication(memory, SteadyClock())
    recent.hand_to(deduplication)
    deduplication.forget()
    return [index for index in range(len(stamps)) if not memory.missing(integers(digest(index + 1)))]


def test_what_is_old_is_not_remembered() -> None:
    stamps = [minute * 60.0 for minute in range(300)]
    found = remembered_of(stamps)
    assert found[-1] == 299
    assert LIFETIME / 60 <= len(found) <= LIFETIME * 1.3 / 60


def test_a_clock_that_was_set_makes_nothing_old() -> None:
    """Ahead, and back again, and both within the hour."""
    for jumps in ([20 * HOUR], [-20 * HOUR], [20 * HOUR, -20 * HOUR]):
        stamps = [minute * 60.0 for minute in range(60)]
        for number, jump in enumerate(jumps, 1):
            stamps = [stamp + jump * (index >= number * 20) for index, stamp in enumerate(stamps)]
        assert remembered_of(stamps) == list(range(60))


def test_a_silence_has_things_kept_longer() -> None:
    assert remembered_of([0.0, 10 * HOUR]) == [0, 1]
    assert digest_ttl(0.0) > GAP


def test_what_the_server_took_for_old_is_found_in_the_events(server: NatsServer, settings: QueueSettings) -> None:
    """Its clock was an hour ahead for a moment: the digests that were stored apart are gone, their events are not."""

    async def test(client: Client) -> None:
        work = await storing(client, settings)
        await work.store_apart(1, 2, 3)
        await client.jetstream().purge_stream(SEEN)
        await work.store([4])
        assert await known_after_rebuild(client) == (4, {1, 2, 3, 4})

    run_with_client(server, test)


def test_some_of_what_was_stored_apart_is_gone(server: NatsServer, settings: QueueSettings) -> None:
    async def test(client: Client) -> None:
        work = await storing(client, settings)
        await work.store_apart(1, 2, 3)
        await client.jetstream().purge_stream(SEEN, seq=3)
        assert await known_after_rebuild(client) == (3, {1, 2, 3})

    run_with_client(server, test)
