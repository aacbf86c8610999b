"""The Supervisor as an object: whom it makes, watches, replaces, connects and stops, and what it tells the root."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from thespian.actors import ChildActorExited

from actors import supervisor
from actors.deduplicator import Deduplicator
from actors.messages import (
    BrokerFailing,
    ChildSpec,
    Connect,
    Ping,
    Pong,
    Resync,
    Start,
    Status,
    Stop,
    Stopped,
    Supervise,
)
from actors.queue import Queue
from actors.restarts import ANSWER_DEADLINE, DELAYS, START_DEADLINE
from actors.sender import Sender
from actors.spec import children_of
from actors.supervisor import CONNECT_AGAIN, Supervisor
from actors.watcher import Watcher
from tests.support.actors import ASKER, QUEUE, SENDER, SETTINGS, ActorHarness, MakeActor, ManualTime

CHILDREN = children_of(SETTINGS)
WATCHER, DEDUPLICATOR, QUEUES, SENDERS = (f"address-{number}" for number in range(1, 5))
SUPERVISE = Supervise(SETTINGS, QUEUE, None, CHILDREN)
LONG = 100.0
"""Seconds until whatever can be due is due."""

Made = ActorHarness[Supervisor]


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The processes that were killed; none of them was ever there, and all others are."""
    found: list[int] = []
    monkeypatch.setattr(supervisor, "kill", found.append)
    monkeypatch.setattr(supervisor, "is_running", lambda pid: pid not in found)
    return found


@pytest.fixture
def made(make: MakeActor, killed: list[int]) -> Made:
    """One that has made its children; none has answered."""
    made = make(Supervisor)
    made.receive(SUPERVISE, "root")
    return made


def answer(made: Made, number: int, beat_age: float = 0.0, script: str | None = None, **report: Any) -> Any:
    """Let a child answer, the one that was made as the *number* th; return what was sent then."""
    # A child that replaces another has its name.
    spec = CHILDREN[(number - 1) % len(CHILDREN)]
    pong = Pong(1, spec.name, 100 + number, beat_age, report, script)
    return made.receive(pong, f"address-{number}")


@pytest.fixture
def running(made: Made) -> Made:
    """One whose children are in their first epoch."""
    for number in range(1, 5):
        answer(made, number)
    answer(made, 1, epoch=1)
    made.take()
    return made


def of(kind: type, found: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """Return those of the messages that are of class *kind*, and to whom they were sent."""
    return [(to, message) for to, message in found if isinstance(message, kind)]


def status(made: Made) -> Status:
    """Return what the root is told."""
    ((to, found),) = made.receive(Ping(7), "root")
    assert (to, found.nonce) == ("root", 7)
    assert isinstance(found, Status)
    return found


def replacements(made: Made) -> list[type]:
    """Return the classes of the children that were made after the first four."""
    return list(made.created[4:])


def test_it_makes_each_child_and_tells_it_to_start(make: MakeActor, killed: list[int]) -> None:
    made = make(Supervisor)
    found = made.receive(SUPERVISE, "root")
    assert made.created == [Watcher, Deduplicator, Queue, Sender]
    starts = [(f"address-{number}", Start(spec, SETTINGS, QUEUE)) for number, spec in enumerate(CHILDREN, 1)]
    assert of(Start, found) == starts
    assert of(Ping, found) == [(to, Ping(0)) for to, _ in starts]
    assert made.wakeups


def test_told_twice_it_makes_its_children_once(made: Made) -> None:
    assert made.receive(SUPERVISE, "root") == []
    assert len(made.created) == 4


def test_the_root_is_told_how_each_child_fares(made: Made) -> None:
    answer(made, 3, script="text", stored=3)
    found = status(made)
    assert list(found.children) == [spec.name for spec in CHILDREN]
    assert found.children["queue"] == {"stored": 3, "pid": 103, "ready": True, "restarts": 0}
    assert found.children["watcher"] == {"pid": 101, "ready": False, "restarts": 0}
    assert found.scripts == {"queue": "text"}


def test_a_server_that_does_not_store_is_told_once(made: Made) -> None:
    made.receive(BrokerFailing("full"), QUEUES)
    assert [status(made).broker_failing for _ in range(2)] == ["full", ""]


def test_an_epoch_begins_when_the_pipeline_is_there(made: Made) -> None:
    assert answer(made, 1) == []
    assert answer(made, 2) == []
    connect = Connect(1, WATCHER, DEDUPLICATOR, QUEUES)
    assert answer(made, 3) == [(to, connect) for to in (WATCHER, DEDUPLICATOR, QUEUES)]
    assert answer(made, 4) == []


def test_what_no_child_says_changes_nothing(made: Made) -> None:
    before = status(made)
    made.receive(Pong(1, "queue", 7, 0.0, {"stored": 3}), "another")
    made.receive(Pong(1, "stranger", 101, 0.0, {}), "another")
    assert replace(status(made), nonce=before.nonce) == before


def test_an_epoch_is_begun_again_while_the_watcher_is_not_in_it(made: Made, time: ManualTime) -> None:
    for number in range(1, 5):
        answer(made, number)
    time.now += CONNECT_AGAIN
    assert of(Connect, made.wake()) == []
    time.now += 0.1
    assert [to for to, _ in of(Connect, made.wake())] == [WATCHER, DEDUPLICATOR, QUEUES]
    answer(made, 1, epoch=1)
    time.now += CONNECT_AGAIN + 0.1
    assert of(Connect, made.wake()) == []


def test_an_epoch_begins_for_whoever_asks_in_the_last_one(running: Made) -> None:
    connects = running.receive(Resync(1, "lost"), QUEUES)
    assert [(to, message.epoch) for to, message in connects] == [(WATCHER, 2), (DEDUPLICATOR, 2), (QUEUES, 2)]
    assert running.receive(Resync(1, "lost"), DEDUPLICATOR) == []


def test_children_are_asked_how_they_are(running: Made, time: ManualTime) -> None:
    time.now += 5.0
    asked = of(Ping, running.wake())
    assert [to for to, _ in asked] == [WATCHER, DEDUPLICATOR, QUEUES, SENDERS]
    assert all(message.nonce > 0 for _, message in asked)
    assert of(Ping, running.wake()) == []


def exits(made: Made, number: int) -> list[tuple[Any, Any]]:
    """Let a child end, the one that was made as the *number* th; return what was sent then."""
    return made.receive(ChildActorExited(f"address-{number}"), None)


def test_a_child_that_ended_is_replaced_at_once_and_once(running: Made) -> None:
    found = exits(running, 4)
    assert replacements(running) == [Sender]
    assert of(Start, found) == [("address-5", Start(CHILDREN[3], SETTINGS, QUEUE))]
    assert exits(running, 4) == []
    assert status(running).children["sender/out"] == {"pid": 105, "ready": False, "restarts": 1}


def test_a_sender_begins_again_with_the_hooks_text_that_was_loaded(running: Made) -> None:
    answer(running, 4, script="loaded")
    ((_, start),) = of(Start, exits(running, 4))
    assert start.spec.script == "loaded"


def test_an_epoch_begins_with_a_child_of_the_pipeline_that_is_new(running: Made) -> None:
    assert of(Connect, exits(running, 2)) == []
    connect = Connect(2, WATCHER, "address-5", QUEUES)
    pong = Pong(1, "deduplicator", 105, 0.0, {})
    assert running.receive(pong, "address-5") == [(to, connect) for to in (WATCHER, "address-5", QUEUES)]


def test_a_sender_that_is_new_disturbs_no_epoch(running: Made) -> None:
    exits(running, 4)
    assert running.receive(Pong(1, "sender/out", 105, 0.0, {}), "address-5") == []


def test_a_child_that_keeps_ending_is_replaced_ever_later(running: Made, time: ManualTime) -> None:
    exits(running, 4)
    exits(running, 5)
    assert replacements(running) == [Sender]
    time.now += DELAYS[1] - 0.01
    running.wake()
    assert replacements(running) == [Sender]
    time.now += 0.02
    running.wake()
    assert replacements(running) == [Sender, Sender]


@pytest.mark.parametrize("answers", [lambda made: None, lambda made: answer(made, 4, beat_age=LONG)])
def test_one_that_does_not_begin_in_time_is_killed_and_one_whose_loop_hangs_is(
    made: Made, killed: list[int], time: ManualTime, answers: Callable[[Made], Any]
) -> None:
    for number in range(1, 4):
        answer(made, number)
    answers(made)
    time.now += START_DEADLINE
    for number in range(1, 4):
        answer(made, number)
    made.wake()
    assert (killed, replacements(made)) == ([], [])
    time.now += 0.1
    made.wake()
    assert (killed, replacements(made)) == ([104], [Sender])


def test_one_that_answers_no_more_is_killed(running: Made, killed: list[int], time: ManualTime) -> None:
    time.now += ANSWER_DEADLINE + 0.1
    for number in range(1, 4):
        answer(running, number)
    running.wake()
    assert (killed, replacements(running)) == ([104], [Sender])


def test_one_that_ended_before_it_began_is_replaced(made: Made, killed: list[int]) -> None:
    killed.append(104)
    made.wake()
    assert replacements(made) == [Sender]


def test_it_stops_its_children_as_the_events_flow(running: Made) -> None:
    stop = Stop(10.0)
    assert running.receive(stop, "root") == [(WATCHER, stop)]
    assert running.receive(Stopped("watcher", {"received": 3}), WATCHER) == [(DEDUPLICATOR, stop)]
    assert running.receive(Stopped("deduplicator", {}), DEDUPLICATOR) == [(QUEUES, stop)]
    assert running.receive(Stopped("queue", {}), QUEUES) == [(SENDERS, stop)]
    ((to, stopped),) = running.receive(Stopped("sender/out", {"sent": 3}), SENDERS)
    assert (to, stopped.name) == ("root", "supervisor")
    assert (stopped.report["watcher"]["received"], stopped.report["sender/out"]["sent"]) == (3, 3)
    assert running.receive(Stopped("sender/out", {}), SENDERS) == []


def test_a_child_that_ends_while_it_is_to_stop_has_stopped(running: Made, time: ManualTime) -> None:
    running.receive(Stop(10.0), "root")
    time.now += 4.0
    assert exits(running, 1) == [(DEDUPLICATOR, Stop(6.0))]
    time.now += LONG
    assert exits(running, 2) == [(QUEUES, Stop(0.1))]
    running.wake()
    assert replacements(running) == []


def test_it_has_stopped_where_no_child_has_begun(make: MakeActor, killed: list[int]) -> None:
    made = make(Supervisor)
    made.receive(replace(SUPERVISE, children=(ChildSpec("sender/out", "actors.sender.Sender", sender=SENDER),)), "root")
    ((to, stopped),) = made.receive(Stop(10.0), ASKER)
    assert (to, stopped.name) == (ASKER, "supervisor")
