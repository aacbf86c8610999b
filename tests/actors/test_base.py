"""What every actor does, as an object."""

import asyncio
import logging
import os
import signal
import threading
from typing import Any

import pytest
from thespian.actors import ActorExitRequest, ChildActorExited

from actors.base import KigeonActor
from actors.messages import ChildSpec, Ping, Pong, Resync, Stop, Stopped, Stored, Tenured
from kigeon.clock import boot_time
from kigeon.errors import TenureEnded
from tests.support.actors import ASKER, ActorHarness, Crashed, MakeActor


class Noting(KigeonActor):
    """Notes what its loop posts, and what it is to finish within."""

    def __init__(self) -> None:
        super().__init__()
        self.noted: list[object] = []

    def posted(self, item: object) -> None:
        self.noted.append(item)

    def report(self) -> dict[str, Any]:
        return {"noted": len(self.noted)}

    async def finish(self, grace: float) -> None:
        self.noted.append(grace)
        if grace < 0.01:
            await asyncio.Event().wait()


@pytest.fixture
def made(make: MakeActor) -> ActorHarness[Noting]:
    return make(Noting)


def test_an_object_leaves_alone_the_process_that_it_is_made_in(make: MakeActor) -> None:
    def process() -> tuple[Any, ...]:
        return signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT), threading.excepthook, logging.root

    before = process()
    make(Noting)
    assert process() == before


def test_it_begins_once(made: ActorHarness[Noting]) -> None:
    made.start(ChildSpec("noting", ""))
    loop = made.loop
    made.start(ChildSpec("another", ""))
    assert (made.actor.name, made.actor.supervisor, made.loop) == ("noting", "supervisor", loop)


def test_it_says_that_it_is_well(made: ActorHarness[Noting]) -> None:
    made.start()
    made.handle("a")
    assert made.receive(Ping(3)) == [(ASKER, Pong(3, "noting", os.getpid(), {"noted": 1}))]


def test_a_ping_that_is_quicker_than_the_start_is_not_answered(made: ActorHarness[Noting]) -> None:
    assert made.receive(Ping(0)) == []


def test_one_whose_start_was_lost_ends(made: ActorHarness[Noting]) -> None:
    with pytest.raises(Crashed) as crashed:
        made.receive(Ping(1))
    assert str(crashed.value.__cause__) == "its Start was lost"


def test_its_tenure_ends_unless_it_is_put_off(made: ActorHarness[Noting]) -> None:
    made.start(until=boot_time() + 60)
    made.receive(Tenured(boot_time() + 120))
    made.actor.tenure.check()
    assert made.actor.tenure.until > boot_time() + 100


def test_one_whose_tenure_has_ended_ends(made: ActorHarness[Noting]) -> None:
    made.start(until=boot_time() - 1)
    with pytest.raises(TenureEnded):
        made.actor.tenure.check()
    with pytest.raises(Crashed):
        made.receive(Tenured(boot_time() + 60))


def test_what_is_posted_is_handled_in_order(made: ActorHarness[Noting]) -> None:
    made.handle("a", "b")
    made.handle("c")
    assert made.actor.noted == ["a", "b", "c"]


def test_however_much_is_posted_waking_does_not_block(made: ActorHarness[Noting]) -> None:
    made.handle(*range(10_000))
    assert made.actor.noted == list(range(10_000))


@pytest.mark.parametrize("grace", [1.0, 0.001])
def test_it_says_that_it_has_finished_or_that_its_time_is_up(made: ActorHarness[Noting], grace: float) -> None:
    made.start()
    assert made.receive(Stop(grace)) == []
    made.loop.run()
    assert made.handle() == [(ASKER, Stopped("noting", {"noted": 1}))]
    assert made.actor.noted == [grace]


def test_one_that_never_began_has_finished(made: ActorHarness[Noting]) -> None:
    assert made.receive(Stop(1.0)) == [(ASKER, Stopped("noting", {}))]


@pytest.mark.parametrize("message", [Resync(1, "lost"), Stored(1, 1, 8)])
def test_a_message_without_a_handler_is_told(
    made: ActorHarness[Noting], caplog: pytest.LogCaptureFixture, message: object
) -> None:
    assert made.receive(message) == []
    assert [record.getMessage() for record in caplog.records] == ["a message has no handler"]


@pytest.mark.parametrize("message", [ActorExitRequest(), ChildActorExited("address")])
def test_what_thespian_says_besides_is_not(
    made: ActorHarness[Noting], caplog: pytest.LogCaptureFixture, message: object
) -> None:
    assert made.receive(message) == []
    assert caplog.records == []
