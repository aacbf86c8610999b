"""What is said of an event follows from records alone; what none of them proves is unknown."""

from __future__ import annotations

from pathlib import Path

from kigeon.operator.event_status import EventStatus, EventStatuses
from kigeon.operator.listing import in_order
from kigeon.operator.spool import Texts
from kigeon.queue.broker.process import NatsServer
from kigeon.queue.broker.streams import POSITION_KEY
from kigeon.senders.progress.envelope import EnvelopeProgress, Position
from tests.operator.queues import Queue, run
from tests.support.names import OUTCOMES, STATE

FILTERED = EventStatus("filtered", "the namespace filter")
SENT = EventStatus("sent")


def test_sent_is_what_has_ended_and_would_have_a_note(server: NatsServer, tmp_path: Path) -> None:
    async def test(queue: Queue) -> None:
        await queue.letters.park(7, 1, b"{}", "400")
        await queue.notes.write([(3, 4, *FILTERED), (7, 7, "parked", "")], 0)
        waits = await queue.retry.put("loki", [b"{}", b"{}"], [9, 10], 0.0)
        await queue.retry.put("loki", [b"{}"], [11], 0.0)
        open_page = EnvelopeProgress(5, 12, 3, 0b101)
        await queue.position(
            next_sequence=6,
            next_offset=16,
            first_offset=2,
            open=[open_page],
            retry_sequence=waits,
            retry={waits: 2},
            explained=12,
        )
        statuses = await queue.statuses()
        assert statuses[1].outcome == "earlier"
        assert [statuses[number] for number in (2, 5, 6, 8, 10, 11, 12, 14, 15)] == [SENT] * 9
        assert [statuses[number] for number in (3, 4)] == [FILTERED] * 2
        assert statuses[7] == EventStatus("parked", "400")
        assert statuses[9] == EventStatus("waiting", "for loki")
        assert [statuses[number].outcome for number in (13, 16, 20)] == ["waiting"] * 3

    run(server, tmp_path, test)


def test_what_is_older_than_the_notes_is_unknown(server: NatsServer, tmp_path: Path) -> None:
    """Both sides of the rule: from the number in the oldest note on nothing is missing, before it anything may be."""

    async def test(queue: Queue) -> None:
        await queue.notes.write([(2, 3, *FILTERED)], 0)
        await queue.notes.write([(8, 8, *FILTERED)], 6)
        await queue.notes.write([(15, 15, *FILTERED)], 11)
        await queue.position(explained=18)
        statuses = await queue.statuses()
        assert {number for number, status in statuses.items() if status == SENT} == set(range(1, 21)) - {2, 3, 8, 15}
        await queue.client.jetstream().purge_stream(OUTCOMES, seq=2)
        statuses = await queue.statuses()
        assert {number for number, status in statuses.items() if status.outcome == "unknown"} == {1, 2, 3, 4, 5}
        assert statuses[8] == statuses[15] == FILTERED
        assert {statuses[number] for number in (6, 7, 9, 14, 16, 20)} == {SENT}
        await queue.client.jetstream().purge_stream(OUTCOMES)
        statuses = await queue.statuses()
        assert {number for number, status in statuses.items() if status == SENT} == {18, 19, 20}
        assert {statuses[number].outcome for number in range(1, 18)} == {"unknown"}

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
        statuses = await queue.statuses()
        assert statuses[4] == statuses[7] == EventStatus("parked", "400")
        assert (statuses[5].outcome, statuses[6], statuses[8]) == ("unknown", EventStatus("dropped", "no use"), SENT)
        assert statuses[10] == EventStatus("parked", "its whole envelope is parked: e9")
        assert statuses[13] == EventStatus("dropped", "no use either")
        await queue.letters.delete("e9")
        assert (await queue.statuses())[10].outcome == "unknown"

    run(server, tmp_path, test)


def test_what_an_operator_replays_while_it_is_read_waits(server: NatsServer, tmp_path: Path) -> None:
    """The position that is read has it parked still; its letter is gone."""

    async def test(queue: Queue) -> None:
        await queue.notes.write([(4, 4, "parked", "")], 0)
        await queue.position(explained=20)
        numbers = in_order(range(1, 21))
        with Texts(tmp_path) as texts:
            statuses = EventStatuses(Position(21, 21, 1, explained=20), "", numbers, texts, tmp_path)
            statuses.begin(1)
            await queue.notes.write([(4, 4, "replayed", "")], 20)
            statuses.complete(await queue.notes.read(statuses.note))
            assert statuses.status(4) == EventStatus("waiting", "it is sent again on an operator's request")
        assert (await queue.statuses())[4] == SENT

    run(server, tmp_path, test)


def test_where_some_are_gone_and_nobody_knows_which_none_without_a_note_is_sent(
    server: NatsServer, tmp_path: Path
) -> None:
    async def test(queue: Queue) -> None:
        await queue.notes.write([(3, 3, *FILTERED), (1, 9, "unknown", "gone")], 0)
        await queue.position(explained=10)
        statuses = await queue.statuses()
        assert (statuses[3], statuses[2].outcome, statuses[9].outcome, statuses[10]) == (
            FILTERED,
            "unknown",
            "unknown",
            SENT,
        )

    run(server, tmp_path, test)


def test_what_an_earlier_version_wrote_is_no_proof(server: NatsServer, tmp_path: Path) -> None:
    """It noted no parkings, and not from where on its notes are complete."""

    async def test(queue: Queue) -> None:
        await queue.client.jetstream().publish("kigeon.outcomes.a", b'[["filtered","the namespace filter",[[3,4]]]]')
        await queue.letters.park(6, 1, b"{}", "400")
        old = b'{"format":1,"sequence":9,"number":15,"first":1,"open":[],"retrySequence":0,"retry":{},"counts":%s}'
        key = f"$KV.{STATE}.{POSITION_KEY}.a"
        await queue.client.jetstream().publish(key, old % b'{"sent":11,"filtered":2,"parked":1}')
        statuses = await queue.statuses()
        assert (statuses[3], statuses[6]) == (FILTERED, EventStatus("parked", "400"))
        assert {statuses[number].outcome for number in (1, 2, 5, 7, 14)} == {"unknown"}
        await queue.client.jetstream().publish(key, old % b'{"sent":14}')
        assert (await queue.statuses())[7] == SENT

    run(server, tmp_path, test)
