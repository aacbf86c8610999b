"""What is said of an event follows from records alone; what none of them proves is unknown."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from nats.aio.client import Client

from actors.operator.answer import Answer
from actors.operator.books import read_books
from actors.operator.fates import Fate, Fates, read_fates
from actors.operator.listing import in_order
from actors.operator.spool import Texts
from kigeon.config.settings import QueueSettings
from kigeon.queue.connection import connected
from kigeon.queue.dead_letter import DeadLetterStore
from kigeon.queue.outcomes import OutcomeStore
from kigeon.queue.publisher import Tail
from kigeon.queue.retry import RetryStore
from kigeon.queue.server import NatsServer
from kigeon.queue.streams import OUTCOMES, POSITION_KEY, STATE, declare, file_store_bytes
from kigeon.senders.ledger import Outcome, Page, Position
from tests.support.crowd import put_position

SETTINGS = QueueSettings(events_max_bytes=4 * 2**20)
FILTERED = Fate("filtered", "the namespace filter")
SENT = Fate("sent")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    with NatsServer(tmp_path / "data", file_store_bytes(SETTINGS)) as running:
        running.start()
        yield running


class Quiet(Answer):
    """Tells nobody."""

    def __init__(self) -> None:
        pass

    async def progress(self, doing: str, done: int, of: int = 0) -> None:
        pass


class Queue:
    """One sender's part of a queue, written by hand; asked for the fates of events 1 to 20."""

    def __init__(self, client: Client, folder: Path) -> None:
        self.client = client
        self._folder = folder
        self.notes = OutcomeStore(client, "a")
        self.letters = DeadLetterStore(client, "a")
        self.retry = RetryStore(client, "a")

    async def position(self, **more: object) -> None:
        await put_position(self.client, "a", Position(**{"next_number": 21, "first_number": 1, **more}))  # type: ignore[arg-type]

    async def fates(self) -> dict[int, Fate]:
        numbers = in_order(range(1, 21))
        with Texts(self._folder) as texts:

            def make(position: Position, problem: str) -> Fates:
                return Fates(position, problem, numbers, texts, self._folder)

            fates = await read_fates(self.client, "a", make, Quiet())
            return {number: fates.fate(number) for number in numbers}


def run(server: NatsServer, folder: Path, test: Callable[[Queue], Awaitable[None]]) -> None:
    async def main() -> None:
        async with connected(server.url, server.token, "test") as client:
            await declare(client, SETTINGS, "a")
            await test(Queue(client, folder))

    asyncio.run(main())


def test_sent_is_what_has_ended_and_would_have_a_note(server: NatsServer, tmp_path: Path) -> None:
    async def test(queue: Queue) -> None:
        await queue.letters.park(7, 1, b"{}", "400")
        await queue.notes.write([(3, 4, *FILTERED), (7, 7, "parked", "")], 0)
        waits = await queue.retry.put("loki", [b"{}", b"{}"], [9, 10], 0.0)
        await queue.retry.put("loki", [b"{}"], [11], 0.0)
        open_page = Page(5, 12, 3, 0b101)
        await queue.position(
            next_sequence=6,
            next_number=16,
            first_number=2,
            open=[open_page],
            retry_sequence=waits,
            retry={waits: 2},
            explained=12,
        )
        fates = await queue.fates()
        assert fates[1].outcome == "earlier"
        assert [fates[number] for number in (2, 5, 6, 8, 10, 11, 12, 14, 15)] == [SENT] * 9
        assert [fates[number] for number in (3, 4)] == [FILTERED] * 2
        assert fates[7] == Fate("parked", "400")
        assert fates[9] == Fate("waiting", "for loki")
        assert [fates[number].outcome for number in (13, 16, 20)] == ["waiting"] * 3

    run(server, tmp_path, test)


def test_what_is_older_than_the_notes_is_unknown(server: NatsServer, tmp_path: Path) -> None:
    """Both sides of the rule: from the number in the oldest note on nothing is missing, before it anything may be."""

    async def test(queue: Queue) -> None:
        await queue.notes.write([(2, 3, *FILTERED)], 0)
        await queue.notes.write([(8, 8, *FILTERED)], 6)
        await queue.notes.write([(15, 15, *FILTERED)], 11)
        await queue.position(explained=18)
        fates = await queue.fates()
        assert {number for number, fate in fates.items() if fate == SENT} == set(range(1, 21)) - {2, 3, 8, 15}
        await queue.client.jetstream().purge_stream(OUTCOMES, seq=2)
        fates = await queue.fates()
        assert {number for number, fate in fates.items() if fate.outcome == "unknown"} == {1, 2, 3, 4, 5}
        assert fates[8] == fates[15] == FILTERED
        assert {fates[number] for number in (6, 7, 9, 14, 16, 20)} == {SENT}
        await queue.client.jetstream().purge_stream(OUTCOMES)
        fates = await queue.fates()
        assert {number for number, fate in fates.items() if fate == SENT} == {18, 19, 20}
        assert {fates[number].outcome for number in range(1, 18)} == {"unknown"}

    run(server, tmp_path, test)


def test_a_letter_that_is_gone_is_dropped_replayed_or_unknown(server: NatsServer, tmp_path: Path) -> None:
    async def test(queue: Queue) -> None:
        for number in (4, 5, 6, 7):
            await queue.letters.park(number, 1, b"{}", "400")
        await queue.letters.park_envelope(9, b"?", "damaged")
        await queue.notes.write([(4, 8, "parked", ""), (10, 12, "parked", "e9"), (13, 13, "parked", "e9,e10")], 0)
        await queue.notes.write([(8, 8, "replayed", "")], 20)
        await queue.notes.write_dropped({"6": "no use", "e10": "no use either"}, 20)
        await queue.position(explained=20)
        for name in ("5", "6"):
            await queue.letters.delete(name)
        fates = await queue.fates()
        assert fates[4] == fates[7] == Fate("parked", "400")
        assert (fates[5].outcome, fates[6], fates[8]) == ("unknown", Fate("dropped", "no use"), SENT)
        assert fates[10] == Fate("parked", "the whole envelope is: e9")
        assert fates[13] == Fate("dropped", "no use either")
        await queue.letters.delete("e9")
        assert (await queue.fates())[10].outcome == "unknown"

    run(server, tmp_path, test)


def test_what_an_operator_replays_while_it_is_read_waits(server: NatsServer, tmp_path: Path) -> None:
    """The position that is read has it parked still; its letter is gone."""

    async def test(queue: Queue) -> None:
        await queue.notes.write([(4, 4, "parked", "")], 0)
        await queue.position(explained=20)
        numbers = in_order(range(1, 21))
        with Texts(tmp_path) as texts:
            fates = Fates(Position(21, 21, 1, explained=20), "", numbers, texts, tmp_path)
            fates.begin(1)
            await queue.notes.write([(4, 4, "replayed", "")], 20)
            fates.complete(await queue.notes.read(fates.note))
            assert fates.fate(4) == Fate("waiting", "an operator has it tried again")
        assert (await queue.fates())[4] == SENT

    run(server, tmp_path, test)


def test_an_unreadable_position_is_unknown_and_so_are_its_accounts(server: NatsServer, tmp_path: Path) -> None:
    async def test(queue: Queue) -> None:
        assert {fate.outcome for fate in (await queue.fates()).values()} == {"waiting"}
        await queue.client.jetstream().publish(f"$KV.{STATE}.{POSITION_KEY}.a", b'{"format":9}')
        assert {fate.outcome for fate in (await queue.fates()).values()} == {"unknown"}
        accounts = (await read_books(queue.client, "a", Quiet())).accounts(Tail(1, 21))
        assert (accounts["stored"], accounts["unaccounted"], accounts["waiting"]) == (20, 20, 0)
        assert "format 9" in str(accounts["problem"])

    run(server, tmp_path, test)


def test_where_some_are_gone_and_nobody_knows_which_none_without_a_note_is_sent(
    server: NatsServer, tmp_path: Path
) -> None:
    async def test(queue: Queue) -> None:
        await queue.notes.write([(3, 3, *FILTERED), (1, 9, "unknown", "gone")], 0)
        await queue.position(explained=10)
        fates = await queue.fates()
        assert (fates[3], fates[2].outcome, fates[9].outcome, fates[10]) == (FILTERED, "unknown", "unknown", SENT)

    run(server, tmp_path, test)


def test_what_an_earlier_version_wrote_is_no_proof(server: NatsServer, tmp_path: Path) -> None:
    """It noted no parkings, and not from where on its notes are complete."""

    async def test(queue: Queue) -> None:
        await queue.client.jetstream().publish("kigeon.outcomes.a", b'[["filtered","the namespace filter",[[3,4]]]]')
        await queue.letters.park(6, 1, b"{}", "400")
        old = b'{"format":1,"sequence":9,"number":15,"first":1,"open":[],"retrySequence":0,"retry":{},"counts":%s}'
        key = f"$KV.{STATE}.{POSITION_KEY}.a"
        await queue.client.jetstream().publish(key, old % b'{"sent":11,"filtered":2,"parked":1}')
        fates = await queue.fates()
        assert (fates[3], fates[6]) == (FILTERED, Fate("parked", "400"))
        assert {fates[number].outcome for number in (1, 2, 5, 7, 14)} == {"unknown"}
        await queue.client.jetstream().publish(key, old % b'{"sent":14}')
        assert (await queue.fates())[7] == SENT

    run(server, tmp_path, test)


@pytest.mark.parametrize("outcome", [Outcome.PARKED, Outcome.FILTERED])
def test_the_accounts_count_what_waits_without_holding_it(server: NatsServer, tmp_path: Path, outcome: Outcome) -> None:
    async def test(queue: Queue) -> None:
        last = 0
        for start in range(1, 11, 2):
            last = await queue.retry.put("loki", [b"{}"] * 2, [start, start + 1], 0.0)
        await queue.position(next_sequence=2, retry_sequence=last, retry={last: 1}, counts={outcome: 1, "sent": 10})
        accounts = (await read_books(queue.client, "a", Quiet())).accounts(Tail(2, 25))
        assert (accounts["waiting"], accounts["unaccounted"]) == (9 + 4, 0)

    run(server, tmp_path, test)
