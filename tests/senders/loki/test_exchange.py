"""A push without a thread: what it needs, and that it ends as one by a thread does."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from kigeon.senders.entry import Answer, PushStatus
from kigeon.senders.loki import connection as connection_module
from kigeon.senders.loki import sink as sink_module
from kigeon.senders.loki.exchange import Exchange
from kigeon.senders.loki.settings import LokiSettings
from kigeon.senders.loki.sink import FEW, SMALL, BegunPush, LokiSink
from tests.support.events import make_event
from tests.support.loki import Loki


class Made:
    """A sink that has pushed once, so that a connection is open and idle."""

    def __init__(self, loki: Loki, **settings: Any) -> None:
        self.settings = LokiSettings(loki.url, **settings)
        self.sink = LokiSink(self.settings)
        self.generation = self.push().generation

    def close(self) -> None:
        """Close the sink."""
        self.sink.close()

    def push(self, *numbers: int) -> Answer:
        """Push as a thread does."""
        return self.sink.push(*self.entries(*numbers))

    def begin(self, *numbers: int, **more: Any) -> BegunPush | None:
        """Begin a push."""
        return self.sink.begin(*self.entries(*numbers, **more))

    def entries(self, *numbers: int, **more: Any) -> tuple[Any, list[Any]]:
        """Return what to push, and where."""
        events = [make_event(number, **more) for number in numbers or (0,)]
        entries = [self.sink.entry(event, None) for event in events]
        return entries[0].destination, entries

    async def ends(self, *numbers: int, is_at_hand: bool = True) -> Answer:
        """Push without a thread, to the end."""
        begun = self.begin(*numbers)
        assert begun is not None
        await begun.arrival()
        assert begun.is_at_hand == is_at_hand
        return begun.finish()

    @property
    def idle(self) -> Any:
        """The connection that is idle."""
        (connection,) = self.sink._connections.values()
        return connection._pool.pool.queue[-1]


@pytest.fixture
def made(loki: Loki) -> Iterator[Made]:
    with closing(Made(loki)) as made:
        yield made


def test_a_small_push_goes_by_the_connection_that_is_idle(made: Made, loki: Loki) -> None:
    connection = made.idle
    for number in range(1, 4):
        answer = asyncio.run(made.ends(number))
        assert (answer.status, answer.generation) == (PushStatus.DELIVERED, made.generation)
        assert made.idle is connection
    assert len(loki.held) == 4


def test_a_thread_and_the_loop_take_turns(made: Made, loki: Loki) -> None:
    for number in range(1, 9, 2):
        assert asyncio.run(made.ends(number)).status is made.push(number + 1).status is PushStatus.DELIVERED
    assert len(loki.held) == 9


def test_each_tenant_is_named(loki: Loki) -> None:
    with closing(Made(loki, tenant_id="team")) as made:
        asyncio.run(made.ends(1))
    assert {line.tenant for line in loki.lines} == {"team"}


@pytest.mark.parametrize("tenant", [" a", "a\nX-Other: b", "語"])
def test_a_tenant_that_is_no_header_is_left_to_a_thread(made: Made, tenant: str) -> None:
    entry = made.sink.entry(make_event(1), LokiSettings(made.settings.url, tenant))
    assert made.sink.begin(entry.destination, [entry]) is None
    assert made.idle.is_connected


def test_what_is_large_or_has_no_idle_connection_needs_a_thread(made: Made, loki: Loki) -> None:
    assert made.begin(*range(FEW + 1)) is None
    assert made.begin(1, message="x" * SMALL) is None
    first = made.begin(1)
    assert first is not None
    assert made.begin(2) is None, "the only connection is used"
    first.finish()
    with closing(LokiSink(LokiSettings(loki.url))) as fresh:
        assert fresh.begin(*made.entries(3)) is None


def test_tls_needs_a_thread_and_no_body_is_made_in_vain(
    certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Loki(certificate) as loki, closing(Made(loki, insecure_skip_verify=True)) as made:
        monkeypatch.setattr(sink_module, "body_of", lambda *_: pytest.fail("the thread makes the body"))
        assert made.begin(1) is None
        monkeypatch.undo()
        assert made.push(1).status is PushStatus.DELIVERED


def test_a_refusal_is_read_to_its_end_and_means_the_same(made: Made, loki: Loki) -> None:
    said = "entry for stream '{app=\"kigeon\"}' has timestamp too new: 2030-01-01T00:00:00Z"
    loki.answer_next(2, 400, said)
    by_loop, by_thread = asyncio.run(made.ends(1, is_at_hand=False)), made.push(1)
    assert by_loop == by_thread
    assert by_loop.status not in (PushStatus.DELIVERED, PushStatus.RETRY)


def test_how_long_to_wait_is_heeded(made: Made, loki: Loki) -> None:
    loki.answer_next(1, 429, "slow down", retry_after=7)
    assert asyncio.run(made.ends(1, is_at_hand=False)).retry_after == 7


@pytest.mark.parametrize("when", ["cut_before", "cut_after"])
def test_a_connection_that_ends_without_an_answer_is_a_loss(made: Made, loki: Loki, when: str) -> None:
    """And the next push makes another connection; what was stored is dropped by Loki when it comes again."""
    setattr(loki, when, 1)
    answer = asyncio.run(made.ends(1))
    assert (answer.status, answer.answered, answer.concerns_all) == (PushStatus.RETRY, False, True)
    assert answer.reason.startswith("no answer: ")
    assert answer.generation > made.generation
    assert made.begin(1) is None
    again = made.push(1)
    assert (again.status, again.generation) == (PushStatus.DELIVERED, answer.generation)
    assert len(loki.held) == 2
    assert loki.repeats == (when == "cut_after")


def test_one_that_takes_too_long_is_given_up(loki: Loki, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "PUSH_TIMEOUT", (5.0, 0.2))
    with closing(Made(loki)) as made:
        loki.answering.clear()
        answer = asyncio.run(made.ends(1))
        loki.answering.set()
        assert (answer.status, answer.answered) == (PushStatus.RETRY, False)
        assert "did not answer" in answer.reason
        assert answer.generation > made.generation
        assert made.begin(1) is None


def test_one_that_is_cancelled_leaves_no_connection_behind(made: Made, loki: Loki) -> None:
    """Its answer would be taken for that of the next push."""
    loki.answering.clear()
    connection = made.idle

    async def main() -> None:
        begun = made.begin(1)
        assert begun is not None
        waiting = asyncio.create_task(begun.arrival())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(main())
    loki.answering.set()
    assert connection.is_closed
    assert made.begin(2) is None
    assert made.push(2).status is PushStatus.DELIVERED


def test_a_loki_that_was_restarted_meanwhile_is_noticed(made: Made) -> None:
    """A thread takes over, and makes the connection again."""
    made.idle.sock.shutdown(socket.SHUT_RD)
    assert made.begin(1) is None
    assert made.push(1).generation > made.generation
    assert asyncio.run(made.ends(2)).status is PushStatus.DELIVERED


def test_what_can_not_be_written_at_once_is_left_to_a_thread(made: Made, loki: Loki) -> None:
    """The connection is lost with it: half of a request is on its way there."""
    connection = made.idle
    loki.answering.clear()
    taken: list[Any] = []
    exchange = Exchange(connection, taken.append, 5.0)
    assert not exchange.send("/loki/api/v1/push", b"x" * 64 * 1024 * 1024, {})
    assert taken == [None]
    assert connection.is_closed
    loki.answering.set()


def test_a_connection_that_is_lost_while_it_is_written_to_is_a_loss(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Exchange, "send", lambda self, *_: self.abandon())
    assert made.begin(1) is None
    assert made.push(1).generation > made.generation
