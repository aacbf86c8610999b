import asyncio

import pytest
from nats.aio.client import Client

from kigeon.config.settings import QueueSettings
from kigeon.errors import QueueError, UnreadableEnvelope
from kigeon.queue.dead_letter import DeadLetterStore
from kigeon.queue.retry import RetryStore
from kigeon.queue.scan import scan
from kigeon.queue.server import NatsServer
from kigeon.queue.streams import DEAD_LETTER, DEAD_LETTER_SUBJECT, RETRY, RETRY_SUBJECT, declare
from tests.queue.test_queue import run


def test_what_waits_is_told_at_once_although_the_streams_last_message_is_anothers(
    server: NatsServer, settings: QueueSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kigeon.queue.scan.FETCH_TIMEOUT", 60.0)

    async def test(client: Client) -> None:
        await declare(client, settings)
        store, other, idle = (RetryStore(client, name) for name in ("a", "b", "c"))
        kept = await store.put("hook", [b"1"], [1], 1.0)
        gone = await store.put("hook", [b"2"], [2], 1.0)
        await other.put("hook", [b"3"], [3], 1.0)
        await store.delete(gone)
        async with asyncio.timeout(10):
            assert [message.sequence for message in await store.waiting()] == [kept]
            assert await store.waiting(after=kept) == []
            assert await idle.waiting() == []

    run(server, test)


def test_a_long_retry_stream_is_told_whole_and_in_order(server: NatsServer, settings: QueueSettings) -> None:
    async def test(client: Client) -> None:
        await declare(client, settings)
        store = RetryStore(client, "a")
        sequences = [await store.put("hook", [b"1"], [number], 1.0) for number in range(1, 301)]
        assert [message.sequence for message in await store.waiting()] == sequences
        assert [message.sequence for message in await store.waiting(after=sequences[290])] == sequences[291:]

    run(server, test)


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
        await declare(client, settings)
        store = RetryStore(client, "a")
        await client.jetstream().publish(f"{RETRY_SUBJECT}.a", b"?", stream=RETRY, headers=headers)
        sequence = await store.put("hook", [b"1"], [1], 1.0)
        first, second = await store.waiting()
        assert (first.sequence, first.numbers, second.sequence, second.problem) == (1, (), sequence, "")
        assert "has no readable headers" in first.problem
        assert await store.payload(1) == b"?"
        with pytest.raises(UnreadableEnvelope):
            await store.load(1)

    run(server, test)


def test_a_message_that_is_gone_can_not_be_loaded(server: NatsServer, settings: QueueSettings) -> None:
    async def test(client: Client) -> None:
        await declare(client, settings)
        store = RetryStore(client, "a")
        sequence = await store.put("hook", [b"1"], [1], 1.0)
        await store.delete(sequence)
        with pytest.raises(UnreadableEnvelope, match=f"message {sequence} .* is gone"):
            await store.load(sequence)

    run(server, test)


def test_a_full_retry_stream_refuses_and_keeps_what_it_has(server: NatsServer) -> None:
    small = QueueSettings(events_max_bytes=100_000)

    async def test(client: Client) -> None:
        await declare(client, small)
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
        assert [message.sequence for message in await store.waiting()] == sequences
        await store.delete(sequences[0])
        await store.put("hook", events, [1], 1.0)

    run(server, test)


def test_a_dead_letter_whose_headers_are_damaged_hides_no_other(server: NatsServer, settings: QueueSettings) -> None:
    async def test(client: Client) -> None:
        await declare(client, settings)
        store = DeadLetterStore(client, "loki")
        subject = f"{DEAD_LETTER_SUBJECT}.loki.{'9' * 500}"
        await client.jetstream().publish(subject, b"?", headers={"Kigeon-Sequence": "9" * 5000})
        await store.park(7, 3, b"[1]", "too old")
        damaged, whole = await store.all()
        assert (damaged.number, damaged.sequence, damaged.event()) == (None, 0, None)
        assert (whole.number, whole.sequence, whole.event()) == (7, 3, b"[1]")

    run(server, test)


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

    run(server, test)


def test_what_is_noted_in_place_of_an_event_is_no_event(server: NatsServer, settings: QueueSettings) -> None:
    async def test(client: Client) -> None:
        await declare(client, settings)
        store = DeadLetterStore(client, "loki")
        await store.park(1, 1, b"{}", "damaged")
        await store.park(2, 1, b'{"metadata":{}}', "refused")
        noted, parked = await store.all()
        assert (noted.event(), parked.event()) == (None, b'{"metadata":{}}')

    run(server, test)
