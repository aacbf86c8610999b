"""What was stored is known again after a restart, whatever became of the events themselves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nats.aio.client import Client

from kigeon.config.settings import QueueSettings
from kigeon.errors import Fenced
from kigeon.queue.broker import stream_configs
from kigeon.queue.broker.process import NatsServer
from kigeon.queue.broker.scan import last_sequence
from kigeon.queue.broker.streams import declare
from kigeon.queue.log.compaction import LOST, NUMBERS, _messages, _written, covered, seen_runs
from kigeon.queue.log.end import Run
from kigeon.queue.log.protocol import LogEnd
from kigeon.queue.stores.state import StateRecord
from tests.support.names import EVENTS, EVENTS_SUBJECT, SEEN
from tests.support.storing import Storing, known_after_rebuild, storing
from tests.support.writing import envelope, run_with_client


def test_a_memory_rebuilt_after_a_restart_is_what_was_stored(server: NatsServer, settings: QueueSettings) -> None:
    async def test(client: Client) -> None:
        work = await storing(client, settings)
        await work.store([1, 2], [3])
        await work.compact()
        await work.store([4, 5, 6], [7])
        assert await known_after_rebuild(client) == (4, {1, 2, 3, 4, 5, 6, 7})

    run_with_client(server, test)
    server.restart()

    async def again(client: Client) -> None:
        assert await known_after_rebuild(client) == (4, {1, 2, 3, 4, 5, 6, 7})
        work = await storing(client, settings)
        await work.store([8])
        await work.compact()
        assert await known_after_rebuild(client) == (5, {1, 2, 3, 4, 5, 6, 7, 8})

    run_with_client(server, again)


def test_what_was_compacted_is_known_without_any_event(server: NatsServer, settings: QueueSettings) -> None:
    async def test(client: Client) -> None:
        work = await storing(client, settings)
        await work.store([1, 2], [3])
        await work.compact()
        await client.jetstream().purge_stream(EVENTS)
        assert await covered(client) == LogEnd(2, 4, "3")
        assert (await known_after_rebuild(client))[1] == {1, 2, 3}
        assert await Storing(client, settings).open() == LogEnd(2, 4, "3")

    run_with_client(server, test)


def test_what_a_crash_left_due_is_compacted_by_the_next(server: NatsServer, settings: QueueSettings) -> None:
    async def test(client: Client) -> None:
        crashed = await storing(client, settings)
        await crashed.store([1], [2, 3])
        work = await storing(client, settings)
        await work.compact()
        await client.jetstream().purge_stream(EVENTS)
        assert (await known_after_rebuild(client))[1] == {1, 2, 3}

    run_with_client(server, test)


def test_nothing_due_writes_nothing(server: NatsServer, settings: QueueSettings) -> None:
    async def test(client: Client) -> None:
        work = await storing(client, settings)
        await work.store([1])
        await work.compact()
        await work.compact()
        again = await storing(client, settings)
        await again.compact()
        assert await last_sequence(client, SEEN) == 1

    run_with_client(server, test)


def test_a_digest_that_is_covered_twice_is_known_once(server: NatsServer, settings: QueueSettings) -> None:
    """A crash between writing digests and the record of them: all of them are written again."""

    async def test(client: Client) -> None:
        work = await storing(client, settings)
        await work.store([1, 2])
        await work.compact()
        record = StateRecord(client, "queue.covered")
        await record.read()
        await record.write(b'{"sequence":0,"number":1,"resourceVersion":""}')
        again = await storing(client, settings)
        await again.compact()
        assert await last_sequence(client, SEEN) == 2
        assert await known_after_rebuild(client) == (1, {1, 2})

    run_with_client(server, test)


NEVER_WRITTEN = (
    b'{"sequence":1e300,"number":1,"resourceVersion":"4"}',
    b'{"sequence":1,"number":-2,"resourceVersion":"4"}',
    b'{"sequence":1,"number":18446744073709551615,"resourceVersion":"4"}',
    b'{"sequence":1,"number":1,"resourceVersion":null}',
    b'{"sequence":1,"number":1,"resourceVersion":"","mark":' + b"[" * 1015 + b"]" * 1015 + b"}",
)


@pytest.mark.parametrize(
    "damaged", [b"", b"{", b"[]", b'{"sequence":1}', b'{"sequence":"x","number":1}', *NEVER_WRITTEN]
)
def test_a_damaged_record_costs_time_and_no_memory(server: NatsServer, settings: QueueSettings, damaged: bytes) -> None:
    async def test(client: Client) -> None:
        work = await storing(client, settings)
        await work.store([1, 2], [3])
        await work.compact()
        record = StateRecord(client, "queue.covered")
        await record.read()
        await record.write(damaged)
        assert await known_after_rebuild(client) == (2, {1, 2, 3})
        assert await Storing(client, settings).open() == LogEnd(2, 4, "3")

    run_with_client(server, test)


def test_a_message_that_is_no_envelope_costs_the_others_nothing(server: NatsServer, settings: QueueSettings) -> None:
    async def test(client: Client) -> None:
        work = await storing(client, settings)
        await work.store([1])
        await client.jetstream().publish(EVENTS_SUBJECT, b"not ours", stream=EVENTS)
        await work.open()
        await work.store([2])
        assert await known_after_rebuild(client) == (3, {1, 2})

    run_with_client(server, test)


async def lose_memory(client: Client, settings: QueueSettings) -> None:
    await client.jetstream().delete_stream(SEEN)
    await declare(client, settings)


def test_a_memory_that_was_lost_while_stopped_is_made_anew_from_the_events(
    server: NatsServer, settings: QueueSettings
) -> None:
    async def test(client: Client) -> None:
        work = await storing(client, settings)
        await work.store([1, 2], [3])
        await work.compact()
        await lose_memory(client, settings)
        assert await known_after_rebuild(client) == (2, {1, 2, 3})
        again = Storing(client, settings)
        assert (await again.open()).next_offset == 4
        await again.compact()
        await client.jetstream().purge_stream(EVENTS)
        assert await known_after_rebuild(client) == (2, {1, 2, 3})

    run_with_client(server, test)


@pytest.mark.parametrize("gone", [2, 3])
def test_a_part_of_the_memory_that_was_lost_is_made_anew_once(
    server: NatsServer, settings: QueueSettings, gone: int, caplog: pytest.LogCaptureFixture
) -> None:
    """A message that the server can't read any more is left out, and nothing is said."""

    async def test(client: Client) -> None:
        work = await storing(client, settings)
        await work.store_apart(1, 2, 3)
        await client.jetstream().delete_msg(SEEN, gone)
        assert await known_after_rebuild(client) == (3, {1, 2, 3})
        again = await storing(client, settings)
        await again.compact()
        assert LOST in caplog.text
        caplog.clear()
        await client.jetstream().purge_stream(EVENTS)
        await (await storing(client, settings)).compact()
        assert await known_after_rebuild(client) == (3, {1, 2, 3})
        assert LOST not in caplog.text

    run_with_client(server, test)


def test_a_memory_that_nothing_can_make_anew_is_mourned_once(
    server: NatsServer, settings: QueueSettings, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(client: Client) -> None:
        work = await storing(client, settings)
        await work.store_apart(1, 2, 3)
        await client.jetstream().delete_msg(SEEN, 2)
        await client.jetstream().purge_stream(EVENTS)
        await (await storing(client, settings)).compact()
        assert caplog.text.count(LOST) == 1
        again = await storing(client, settings)
        assert caplog.text.count(LOST) == 1
        await again.store([4])
        await again.compact()
        assert await known_after_rebuild(client) == (4, {1, 3, 4})
        assert caplog.text.count(LOST) == 1

    run_with_client(server, test)


@pytest.mark.parametrize("before", [1, 3])
def test_a_memory_that_was_lost_under_way_is_made_anew_from_the_events(
    server: NatsServer, settings: QueueSettings, before: int
) -> None:
    async def test(client: Client) -> None:
        work = await storing(client, settings)
        await work.store_apart(*range(1, before + 1))
        await lose_memory(client, settings)
        await work.store([100])
        await work.compact()
        await client.jetstream().purge_stream(EVENTS)
        assert await known_after_rebuild(client) == (before + 1, {*range(1, before + 1), 100})

    run_with_client(server, test)


def test_a_memory_that_its_size_makes_forget_is_said(
    server: NatsServer, settings: QueueSettings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(stream_configs, "_SEEN_BYTES", 4096)

    def said() -> int:
        return sum("the memory of sent events is full" in record.message for record in caplog.records)

    async def test(client: Client) -> None:
        work = await storing(client, settings)
        await work.store_apart(*range(10))
        work.compactor._look_at = 0.0
        await work.store_apart(10)
        assert said() == 0
        await work.store_apart(*range(11, 80))
        assert said() == 0
        for number in (80, 81):
            work.compactor._look_at = 0.0 if number == 80 else work.compactor._look_at
            await work.store_apart(number)
        assert said() == 1

    run_with_client(server, test)


def test_two_that_compact_are_told_apart(server: NatsServer, settings: QueueSettings) -> None:
    async def test(client: Client) -> None:
        first, second = await storing(client, settings), await storing(client, settings)
        await first.store([1])
        await first.compact()
        second.compactor.stored(envelope(2), 2)
        with pytest.raises(Fenced):
            await second.compact()

    run_with_client(server, test)


@given(st.lists(st.tuples(st.integers(1, 100), st.integers(1, 5)), min_size=1, max_size=6))
def test_runs_read_back_are_the_same_numbers(runs: list[tuple[int, int]]) -> None:
    written = [
        Run(first, b"".join(number.to_bytes(8, "big") for number in range(first, first + n))) for first, n in runs
    ]
    digests = b"".join(run.digests for run in written)
    (message,) = _messages(written)
    found = list(seen_runs({NUMBERS: _written(message)}, digests))
    assert b"".join(run.digests for run in found) == digests
    for first, run_digests in found:
        assert run_digests[:8] == first.to_bytes(8, "big")


@pytest.mark.parametrize("header", ["", "x", "1", "1:x", "1:0", "1:3", "1:1,2:2"])
def test_numbers_that_do_not_fit_are_none(header: str) -> None:
    assert list(seen_runs({NUMBERS: header}, bytes(16))) == []


def test_many_digests_are_several_messages() -> None:
    runs = [Run(1 + 500 * number, bytes(500 * 8)) for number in range(300)]
    messages = list(_messages(runs))
    assert [run for message in messages for run in message] == runs
    assert len(messages) == 3
