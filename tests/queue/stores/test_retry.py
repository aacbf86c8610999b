import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest
from nats.aio.client import Client

from kigeon.config.settings import QueueSettings
from kigeon.errors import QueueError, QueueFull
from kigeon.events.envelope import unpack
from kigeon.queue.broker.process import NatsServer
from kigeon.queue.broker.scan import scan
from kigeon.queue.broker.streams import declare
from kigeon.queue.stores.dead_letter import DeadLetterStore
from kigeon.queue.stores.retry import RetryStore
from kigeon.queue.stores.state import StateRecord
from tests.support.names import DEAD_LETTER, DEAD_LETTER_SUBJECT, retry_stream, retry_subject
from tests.support.writing import run_with_client


async def until_full(write: Callable[[int], Awaitable[object]]) -> None:
    """Write until it is refused."""
    with suppress(QueueFull):
        for number in range(1, 1000):
            await write(number)
        pytest.fail("it takes everything")


async def waiting_in(store: RetryStore, after: int = 0) -> list[int]:
    """Return the sequences of what waits."""
    return [message.sequence async for message in store.waiting(after)]


def test_what_waits_is_told_at_once_although_the_streams_last_message_is_gone(
    server: NatsServer, settings: QueueSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kigeon.queue.broker.scan.FETCH_TIMEOUT", 60.0)

    async def test(client: Client) -> None:
        for name in ("a", "b"):
            await declare(client, settings, name)
        store, idle = RetryStore(client, "a"), RetryStore(client, "b")
        kept = await store.put("hook", [b"1"], [1], 1.0)
        gone = await store.put("hook", [b"2"], [2], 1.0)
        await store.delete(gone)
        async with asyncio.timeout(10):
            assert await waiting_in(store) == [kept]
            assert await waiting_in(store, after=kept) == []
            assert await waiting_in(idle) == []

    run_with_client(server, test)


def test_a_long_retry_stream_is_told_whole_and_in_order(server: NatsServer, settings: QueueSettings) -> None:
    async def test(client: Client) -> None:
        await declare(client, settings, "a")
        store = RetryStore(client, "a")
        sequences = [await store.put("hook", [b"1"], [number], 1.0) for number in range(1, 301)]
        assert await waiting_in(store) == sequences
        assert await waiting_in(store, after=sequences[290]) == sequences[291:]

    run_with_client(server, test)


def waiting(numbers: str = "1", stored_at: str = "1.0") -> dict[str, str]:
    return {"Kigeon-Format": "1", "Kigeon-Key": "k", "Kigeon-Numbers": numbers, "Kigeon-Stored-At": stored_at}


@pytest.mark.parametrize(
    "headers",
    [
        *(None, {"Kigeon-Format": "2"}, {"Kigeon-Format": "1", "Kigeon-Numbers": "x"}),
        *(waiting(numbers) for numbers in ("", "0", "-4", "1,,2", "\u0663", "9" * 30, "9" * 5000)),
        *(waiting(stored_at=time) for time in ("nan", "inf", "-1", "1e300", "")),
    ],
)
def test_a_message_that_can_not_be_read_hides_no_other(
    server: NatsServer, settings: QueueSettings, headers: dict[str, str] | None
) -> None:
    async def test(client: Client) -> None:
        await declare(client, settings, "a")
        store = RetryStore(client, "a")
        await client.jetstream().publish(retry_subject("a", "hook"), b"?", stream=retry_stream("a"), headers=headers)
        sequence = await store.put("hook", [b"1"], [1], 1.0)
        first, second = [message async for message in store.waiting()]
        assert (first.sequence, first.offsets, second.sequence, second.problem) == (1, (), sequence, "")
        assert "has no readable headers" in first.problem
        assert await store.payload(1) == b"?"
        found = await store.next("hook", 1)
        assert found is not None
        assert (found.sequence, found.offsets, found.payload) == (1, (), b"?")
        assert "has no readable headers" in found.problem

    run_with_client(server, test)


def test_the_next_message_of_a_key_is_found_among_those_of_others(server: NatsServer, settings: QueueSettings) -> None:
    """A key may be any text."""
    keys = ["hook", "http://loki:3100 tenant a.b *", "http://loki:3100 tenant >"]

    async def test(client: Client) -> None:
        await declare(client, settings, "a")
        store = RetryStore(client, "a")
        for number in range(1, 10):
            await store.put(keys[number % 3], [str(number).encode()], [number], 7.5)
        for place, key in enumerate(keys):
            found, start = [], 1
            while (message := await store.next(key, start)) is not None:
                assert (message.key, message.stored_at, message.problem) == (key, 7.5, "")
                assert unpack(message.payload) == [str(message.offsets[0]).encode()]
                found.append(message.offsets[0])
                start = message.sequence + 1
            assert found == [number for number in range(1, 10) if number % 3 == place]
        assert await store.next("another", 1) is None

    run_with_client(server, test)


def test_a_message_that_is_gone_is_not_found(server: NatsServer, settings: QueueSettings) -> None:
    async def test(client: Client) -> None:
        await declare(client, settings, "a")
        store = RetryStore(client, "a")
        sequence = await store.put("hook", [b"1"], [1], 1.0)
        await store.delete(sequence)
        assert await store.next("hook", sequence) is None
        assert await store.payload(sequence) == b""

    run_with_client(server, test)


def test_a_sender_that_fills_its_retry_stream_takes_no_room_from_another(server: NatsServer) -> None:
    small = QueueSettings(events_max_bytes=100_000)

    async def test(client: Client) -> None:
        for name in ("full", "other"):
            await declare(client, small, name)
        full, other = RetryStore(client, "full"), RetryStore(client, "other")
        await until_full(lambda number: full.put("hook", [random.randbytes(5000)], [number], 1.0))
        for number in range(1, 11):
            await other.put("hook", [random.randbytes(5000)], [number], 1.0)
        assert len(await waiting_in(other)) == 10

    run_with_client(server, test)


def test_a_retry_stream_that_was_lost_begins_after_what_is_booked(server: NatsServer, settings: QueueSettings) -> None:
    """Else a copy that nobody booked would count as booked, being below what was."""

    async def test(client: Client) -> None:
        await declare(client, settings, "a")
        store = RetryStore(client, "a")
        for number in range(1, 8):
            booked = await store.put("hook", [b"1"], [number], 1.0)
        await StateRecord(client, "position.a").write(b'{"retrySequence": %d}' % booked)
        await client.jetstream().delete_stream(retry_stream("a"))
        await declare(client, settings, "a")
        assert await store.put("hook", [b"1"], [8], 1.0) > booked
        await declare(client, settings, "a")
        assert len(await waiting_in(store)) == 1

    run_with_client(server, test)


def test_a_full_dead_letter_stream_refuses_and_keeps_what_it_has(server: NatsServer) -> None:
    small = QueueSettings(events_max_bytes=1_000_000)

    async def test(client: Client) -> None:
        await declare(client, small)
        store = DeadLetterStore(client, "a")
        await until_full(lambda number: store.park(number, 1, random.randbytes(5000), "refused"))
        parked = await store.all()
        assert [letter.offset for letter in parked] == list(range(1, len(parked) + 1))
        assert len(parked) > 10
        # One that is there is replaced, or stays as it is where the new one is larger.
        await store.park(3, 1, random.randbytes(4000), "refusal")
        assert [letter.reason for letter in await store.all() if letter.offset == 3] == ["refusal"]
        await store.park(3, 1, random.randbytes(7000), "refused at length")
        assert [letter.reason for letter in await store.all() if letter.offset == 3] == ["refusal"]
        assert len(await store.all()) == len(parked)
        await store.delete("1")
        await store.delete("2")
        await store.park(2000, 1, random.randbytes(5000), "refused")

    run_with_client(server, test)


def test_a_full_retry_stream_refuses_and_keeps_what_it_has(server: NatsServer) -> None:
    small = QueueSettings(events_max_bytes=100_000)

    async def test(client: Client) -> None:
        await declare(client, small, "a")
        store = RetryStore(client, "a")
        # Packing makes them smaller: bytes that differ, of which enough will not fit.
        events = [bytes(range(1, 10)) * 100, *(str(number).encode() * 50 for number in range(2000))]
        sequences: list[int] = []

        async def fill() -> None:
            for number in range(1000):
                sequences.append(await store.put("hook", events, [number], 1.0))  # noqa: PERF401 - up to the refusal

        with pytest.raises(QueueError, match="retry stream"):
            await fill()
        assert sequences
        assert await waiting_in(store) == sequences
        await store.delete(sequences[0])
        await store.put("hook", events, [1], 1.0)

    run_with_client(server, test)


def test_a_dead_letter_whose_headers_are_damaged_hides_no_other(server: NatsServer, settings: QueueSettings) -> None:
    async def test(client: Client) -> None:
        await declare(client, settings)
        store = DeadLetterStore(client, "loki")
        subject = f"{DEAD_LETTER_SUBJECT}.loki.{'9' * 500}"
        await client.jetstream().publish(subject, b"?", headers={"Kigeon-Sequence": "9" * 5000})
        await store.park(7, 3, b"[1]", "too old")
        damaged, whole = await store.all()
        assert (damaged.offset, damaged.sequence, damaged.event()) == (None, 0, None)
        assert (whole.offset, whole.sequence, whole.event()) == (7, 3, b"[1]")

    run_with_client(server, test)


def test_a_damaged_envelope_is_parked_as_it_was_found_beside_the_events(
    server: NatsServer, settings: QueueSettings
) -> None:
    async def test(client: Client) -> None:
        await declare(client, settings)
        store = DeadLetterStore(client, "loki")
        await store.park(7, 3, b"{}", "too old")
        await store.park_envelope(7, b"\x00damaged", "no envelope")
        await store.park_envelope(7, b"\x00damaged", "no envelope")
        subject = f"{DEAD_LETTER_SUBJECT}.loki"
        found = {message.subject: message async for message in scan(client, DEAD_LETTER, f"{subject}.*", 1)}
        assert list(found) == [f"{subject}.7", f"{subject}.e7"]
        assert found[f"{subject}.e7"].payload == b"\x00damaged"
        assert found[f"{subject}.e7"].headers["Kigeon-Sequence"] == "7"
        assert found[f"{subject}.7"].headers["Kigeon-Sequence"] == "3"

    run_with_client(server, test)


def test_what_is_noted_in_place_of_an_event_is_no_event(server: NatsServer, settings: QueueSettings) -> None:
    async def test(client: Client) -> None:
        await declare(client, settings)
        store = DeadLetterStore(client, "loki")
        await store.park(1, 1, b"{}", "damaged")
        await store.park(2, 1, b'{"metadata":{}}', "refused")
        noted, parked = await store.all()
        assert (noted.event(), parked.event()) == (None, b'{"metadata":{}}')

    run_with_client(server, test)


def test_the_retry_streams_of_two_senders_are_apart(server: NatsServer, settings: QueueSettings) -> None:
    async def test(client: Client) -> None:
        for name in ("a", "b"):
            await declare(client, settings, name)
        first, second = RetryStore(client, "a"), RetryStore(client, "b")
        sequence = await first.put("http://loki", [b"1", b"2"], [7, 9], 123.5)
        await second.put("hook", [b"3"], [8], 1.0)
        (waiting,) = [message async for message in first.waiting()]
        assert (waiting.sequence, waiting.key, waiting.offsets, waiting.stored_at) == (
            sequence,
            "http://loki",
            (7, 9),
            123.5,
        )
        found = await first.next("http://loki", 1)
        assert found is not None
        assert unpack(found.payload) == [b"1", b"2"]
        assert [message async for message in first.waiting(after=sequence)] == []
        await first.delete(sequence)
        await first.delete(sequence)
        assert [message async for message in first.waiting()] == []
        assert len([message async for message in second.waiting()]) == 1

    run_with_client(server, test)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_message_of_the_retry_stream_may_be_deleted_again(
    server: NatsServer, settings: QueueSettings, place: int
) -> None:
    """The answer may have been lost. The server says what is gone in one way at the stream's start, else in another."""

    async def test(client: Client) -> None:
        await declare(client, settings, "a")
        store = RetryStore(client, "a")
        sequences = [await store.put("hook", [b"1"], (number,), 1.0) for number in (1, 2, 3)]
        gone = sequences.pop(place)
        await store.delete(gone)
        await store.delete(gone)
        await store.delete(99)
        assert [waiting.sequence async for waiting in store.waiting()] == sequences

    run_with_client(server, test)
