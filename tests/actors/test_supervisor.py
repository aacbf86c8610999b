"""The Supervisor as an object: whom it makes, watches, replaces, connects and stops, and what it tells the root."""

from dataclasses import replace
from typing import Any

import pytest
from thespian.actors import ChildActorExited

from actors import supervisor
from actors.epochs import CONNECT_AGAIN
from actors.host import Host
from actors.membership import Membership
from actors.messages import (
    BrokerFailing,
    ChildSpec,
    Connect,
    Failing,
    Leave,
    Ping,
    Pong,
    Resync,
    RoleStopped,
    Standing,
    Start,
    Status,
    Stop,
    Stopped,
    Supervise,
    Tenured,
)
from actors.restarts import ANSWER_DEADLINE, DELAYS, FAILS_AFTER, START_DEADLINE
from actors.roles import HAND_OVER, SPENT_AFTER
from actors.sender import Sender
from actors.spec import children_of
from actors.supervisor import Supervisor
from kigeon.leases.records import Replica
from tests.support.actors import ASKER, PIPELINE, QUEUE, SENDER, SETTINGS, ActorHarness, MakeActor, ManualTime, at

CHILDREN = children_of(SETTINGS)
HOST, SENDERS = "address-1", "address-2"
WATCHER, DEDUPLICATOR, QUEUES = (at(name, HOST) for name in PIPELINE)
SUPERVISE = Supervise(SETTINGS, QUEUE, None, CHILDREN)
ALL = tuple(spec.name for spec in CHILDREN)
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


def answer(made: Made, name: str, process: int = 0, script: str | None = None, **report: Any) -> Any:
    """Let a child answer from the *process* that was made as so many th; return what was sent then."""
    process = process or (2 if name == "sender/out" else 1)
    return made.receive(Pong(1, name, 100 + process, report, script), f"address-{process}")


def answer_all(made: Made, *names: str) -> Any:
    """Let these children answer, or all; return what was sent then."""
    return [sent for name in names or ALL for sent in answer(made, name)]


@pytest.fixture
def running(made: Made) -> Made:
    """One whose children are in their first epoch."""
    answer_all(made)
    answer(made, "watcher", epoch=1)
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
    """Return what was made after the first two processes."""
    return list(made.created[2:])


def test_it_makes_each_child_and_tells_it_to_start(make: MakeActor, killed: list[int]) -> None:
    made = make(Supervisor)
    found = made.receive(SUPERVISE, "root")
    assert made.created == [Host, Sender]
    starts = [
        (to, Start(spec, SETTINGS, QUEUE))
        for to, spec in zip((WATCHER, DEDUPLICATOR, QUEUES, SENDERS), CHILDREN, strict=True)
    ]
    assert of(Start, found) == starts
    assert of(Ping, found) == [(to, Ping(0)) for to, _ in starts]
    assert made.wakeups


def test_told_twice_it_makes_its_children_once(made: Made) -> None:
    assert made.receive(SUPERVISE, "root") == []
    assert len(made.created) == 2


def test_the_root_is_told_how_each_child_fares(made: Made) -> None:
    answer(made, "queue", script="text", stored=3)
    found = status(made)
    assert list(found.children) == [spec.name for spec in CHILDREN]
    assert found.children["queue"] == {"stored": 3, "pid": 101, "ready": True, "restarts": 0}
    assert found.children["watcher"] == {"pid": 101, "ready": False, "restarts": 0}
    assert found.scripts == {"queue": "text"}


def test_a_server_that_does_not_store_is_told_once(made: Made) -> None:
    made.receive(BrokerFailing("full"), QUEUES)
    assert [status(made).broker_failing for _ in range(2)] == ["full", ""]


def test_an_epoch_begins_when_the_pipeline_is_there(made: Made) -> None:
    assert answer_all(made, "watcher", "deduplicator") == []
    connect = Connect(1, WATCHER, DEDUPLICATOR, QUEUES)
    assert answer(made, "queue") == [(to, connect) for to in (WATCHER, DEDUPLICATOR, QUEUES)]
    assert answer(made, "sender/out") == []


def test_what_no_child_says_changes_nothing(made: Made) -> None:
    before = status(made)
    made.receive(Pong(1, "queue", 7, {"stored": 3}), "another")
    made.receive(Pong(1, "stranger", 101, {}), "another")
    assert replace(status(made), nonce=before.nonce) == before


def test_an_epoch_is_begun_again_while_the_watcher_is_not_in_it(made: Made, time: ManualTime) -> None:
    answer_all(made)
    time.now += CONNECT_AGAIN
    assert of(Connect, made.wake()) == []
    time.now += 0.1
    assert [to for to, _ in of(Connect, made.wake())] == [WATCHER, DEDUPLICATOR, QUEUES]
    answer(made, "watcher", epoch=1)
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
    found = exits(running, 2)
    assert replacements(running) == [Sender]
    assert of(Start, found) == [("address-3", Start(CHILDREN[3], SETTINGS, QUEUE))]
    assert exits(running, 2) == []
    assert status(running).children["sender/out"] == {"pid": 103, "ready": False, "restarts": 1}


def test_those_that_share_a_process_are_replaced_together(running: Made) -> None:
    found = exits(running, 1)
    assert replacements(running) == [Host]
    starts = [(at(name, "address-3"), name) for name in PIPELINE]
    assert [(to, start.spec.name) for to, start in of(Start, found)] == starts
    assert exits(running, 1) == []
    told = status(running).children
    assert [(told[name]["pid"], told[name]["ready"], told[name]["restarts"]) for name in PIPELINE] == [
        (103, False, 1)
    ] * 3
    assert told["sender/out"]["restarts"] == 0


def test_a_sender_begins_again_with_the_hooks_text_that_was_loaded(running: Made) -> None:
    answer(running, "sender/out", script="loaded")
    ((_, start),) = of(Start, exits(running, 2))
    assert start.spec.script == "loaded"


def test_an_epoch_begins_with_a_pipeline_that_is_new(running: Made) -> None:
    assert of(Connect, exits(running, 1)) == []
    assert [answer(running, name, 3) for name in PIPELINE[:2]] == [[], []]
    there = [at(name, "address-3") for name in PIPELINE]
    assert answer(running, "queue", 3) == [(to, Connect(2, *there)) for to in there]


def test_a_sender_that_is_new_disturbs_no_epoch(running: Made) -> None:
    exits(running, 2)
    assert answer(running, "sender/out", 3) == []


def test_a_child_that_keeps_ending_is_replaced_ever_later(running: Made, time: ManualTime) -> None:
    exits(running, 2)
    exits(running, 3)
    assert replacements(running) == [Sender]
    time.now += DELAYS[1] - 0.01
    running.wake()
    assert replacements(running) == [Sender]
    time.now += 0.02
    running.wake()
    assert replacements(running) == [Sender, Sender]


def test_one_that_does_not_begin_in_time_is_killed(made: Made, killed: list[int], time: ManualTime) -> None:
    answer_all(made, *PIPELINE)
    time.now += START_DEADLINE
    answer_all(made, *PIPELINE)
    made.wake()
    assert (killed, replacements(made)) == ([], [])
    time.now += 0.1
    made.wake()
    assert (killed, replacements(made)) == ([102], [Sender])


def test_one_that_answers_no_more_is_killed(running: Made, killed: list[int], time: ManualTime) -> None:
    time.now += ANSWER_DEADLINE + 0.1
    answer_all(running, *PIPELINE)
    running.wake()
    assert (killed, replacements(running)) == ([102], [Sender])


def test_with_one_that_answers_no_more_those_end_that_share_its_process(
    running: Made, killed: list[int], time: ManualTime
) -> None:
    time.now += ANSWER_DEADLINE + 0.1
    answer_all(running, "watcher", "queue", "sender/out")
    running.wake()
    assert (killed, replacements(running)) == ([101], [Host])


def test_one_that_ended_before_it_began_is_replaced(made: Made, killed: list[int]) -> None:
    killed.append(102)
    made.wake()
    assert replacements(made) == [Sender]


def test_with_one_that_did_not_begin_those_are_replaced_that_share_its_process(made: Made, killed: list[int]) -> None:
    answer_all(made, "watcher", "queue")
    killed.append(101)
    made.wake()
    assert replacements(made) == [Host]


def test_it_stops_its_children_as_the_events_flow(running: Made) -> None:
    stop = Stop(10.0)
    assert running.receive(stop, "root") == [(WATCHER, stop)]
    assert running.receive(Stopped("watcher", {"received": 3}), HOST) == [(DEDUPLICATOR, stop)]
    assert running.receive(Stopped("deduplicator", {}), HOST) == [(QUEUES, stop)]
    assert running.receive(Stopped("queue", {}), HOST) == [(SENDERS, stop)]
    ((to, stopped),) = running.receive(Stopped("sender/out", {"sent": 3}), SENDERS)
    assert (to, stopped.name) == ("root", "supervisor")
    assert (stopped.report["watcher"]["received"], stopped.report["sender/out"]["sent"]) == (3, 3)
    assert running.receive(Stopped("sender/out", {}), SENDERS) == []


def test_those_that_end_while_they_are_to_stop_have_stopped(running: Made, time: ManualTime) -> None:
    running.receive(Stop(10.0), "root")
    time.now += 4.0
    assert exits(running, 1) == [(SENDERS, Stop(6.0))]
    time.now += LONG
    assert [(to, type(message)) for to, message in exits(running, 2)] == [("root", Stopped)]
    running.wake()
    assert replacements(running) == []


def test_while_it_stops_no_epoch_is_begun_again(made: Made, time: ManualTime) -> None:
    answer_all(made)
    made.receive(Stop(10.0), "root")
    time.now += CONNECT_AGAIN + 0.1
    assert of(Connect, made.wake()) == []


def test_it_has_stopped_where_no_child_has_begun(make: MakeActor, killed: list[int]) -> None:
    made = make(Supervisor)
    made.receive(replace(SUPERVISE, children=(ChildSpec("sender/out", "actors.sender.Sender", sender=SENDER),)), "root")
    ((to, stopped),) = made.receive(Stop(10.0), ASKER)
    assert (to, stopped.name) == (ASKER, "supervisor")


# ------------------------------------------------------------------------------------- where there are other replicas

MEMBER = "address-1"
REPLICA = Replica("a", "kigeon-0", "", roles=("pipeline", "sender.out"))


@pytest.fixture
def among(make: MakeActor, killed: list[int], time: ManualTime, monkeypatch: pytest.MonkeyPatch) -> Made:
    """One among other replicas, whose Membership has answered; it holds nothing."""
    monkeypatch.setattr(supervisor, "boot_time", time.monotonic)
    made = make(Supervisor)
    made.receive(replace(SUPERVISE, replica=REPLICA), "root")
    made.receive(Pong(1, "membership", 101, {}), MEMBER)
    made.take()
    return made


def stands(
    made: Made, number: int, *running: str, until: float = 2000.0, others: int = 1, **giving: int
) -> list[tuple[Any, Any]]:
    """Tell how the replica stands; return what was sent then. The roles to give back come by keyword."""
    given = {name.replace("_", "."): revision for name, revision in giving.items()}
    return made.receive(Standing(number, REPLICA, until, frozenset(running), given, {}, others), MEMBER)


def test_among_replicas_it_runs_what_the_replica_holds(among: Made) -> None:
    assert among.created == [Membership]
    found = stands(among, 1, "sender.out")
    assert among.created == [Membership, Sender]
    ((_, start),) = of(Start, found)
    assert (start.until, start.replica) == (2000.0, REPLICA)
    stands(among, 2, "sender.out", "pipeline")
    assert among.created[2:] == [Host]
    assert list(status(among).children) == ["membership", "sender/out", "watcher", "deduplicator", "queue"]


def test_each_renewal_puts_the_end_off(among: Made) -> None:
    stands(among, 1, "sender.out")
    assert of(Tenured, stands(among, 2, "sender.out", until=2001.0)) == [("address-2", Tenured(2001.0))]


def test_what_nobody_renews_is_killed_in_time(among: Made, time: ManualTime, killed: list[int]) -> None:
    stands(among, 1, "sender.out", "pipeline", until=1003.5)
    time.now = 1003.4
    among.wake()
    assert killed == []
    time.now = 1003.5
    among.wake()
    assert sorted(killed) == [102, 103]
    assert list(status(among).children) == ["membership"]
    stands(among, 2, "sender.out", until=1010.0)
    assert among.created[-1] is Sender


def test_a_role_that_is_lost_ends_at_once(among: Made, killed: list[int]) -> None:
    stands(among, 1, "sender.out")
    found = stands(among, 2)
    assert killed == [102]
    assert of(RoleStopped, found) == []


def test_an_older_standing_is_no_news(among: Made, killed: list[int]) -> None:
    stands(among, 2, "sender.out")
    stands(among, 1)
    assert killed == []
    among.receive(Standing(3, REPLICA, 2000.0, frozenset(), {}, {}, 1), "somebody that was before")
    assert killed == []


def test_a_role_is_given_back_when_its_actors_have_finished(among: Made, killed: list[int]) -> None:
    stands(among, 1, "pipeline")
    for name in PIPELINE:
        answer(among, name, 2)
    among.take()
    found = stands(among, 2, pipeline=7)
    ((to, _),) = of(Stop, found)
    assert to == at("watcher", "address-2"), "the Watcher first"
    found = among.receive(Stopped("watcher", {}), "address-2")
    assert [to for to, _ in of(Stop, found)] == [at("deduplicator", "address-2")]
    among.receive(Stopped("deduplicator", {}), "address-2")
    found = among.receive(Stopped("queue", {}), "address-2")
    assert set(killed) == {102}
    assert of(RoleStopped, [*found, *among.wake()]) == [(MEMBER, RoleStopped("pipeline", 7))]


def test_a_pipeline_that_is_taken_again_begins_another_epoch(among: Made) -> None:
    for time in (1, 2):
        stands(among, 2 * time, "pipeline")
        found = [sent for name in PIPELINE for sent in answer(among, name, len(among.created))]
        assert {message.epoch for _, message in of(Connect, found)} == {time}
        stands(among, 2 * time + 1)


def test_an_actor_begins_with_the_server_by_which_the_lease_was_renewed(among: Made) -> None:
    standing = Standing(1, REPLICA, 2000.0, frozenset({"sender.out"}), {}, {}, 1, server="b:4222")
    ((_, start),) = of(Start, among.receive(standing, MEMBER))
    assert start.queue == replace(QUEUE, preferred="b:4222")


def test_another_membership_goes_on_with_the_lease_that_there_is(among: Made, killed: list[int]) -> None:
    """It may be another one than the first: one that others have ended is followed by another."""
    among.receive(Standing(1, replace(REPLICA, id="b", sees=True), 2000.0, frozenset(), {}, {}, 1), MEMBER)
    killed.append(101)
    among.receive(ChildActorExited(MEMBER), MEMBER)
    ((_, start),) = of(Start, [*among.take(), *among.wake()])
    assert among.created == [Membership, Membership]
    assert start.replica == replace(REPLICA, id="b")


def test_the_root_is_told_when_no_role_has_been_held_for_long(among: Made, time: ManualTime) -> None:
    """One that has held none yet has nothing to give back."""
    assert not is_spent_after(among, time, LONG)
    stands(among, 1, "sender.out", until=3000.0)
    assert not is_spent_after(among, time, 0.0)
    stands(among, 2, until=3000.0)
    assert not is_spent_after(among, time, SPENT_AFTER - 0.1)
    assert is_spent_after(among, time, 0.1)


def is_spent_after(among: Made, time: ManualTime, seconds: float) -> bool:
    """Return what the root is told in so many seconds; the Membership is well."""
    time.now += seconds
    among.receive(Pong(1, "membership", 101, {}), MEMBER)
    return status(among).is_spent


def test_others_are_told_of_actors_that_end_again_and_again(among: Made, time: ManualTime) -> None:
    stands(among, 1, "sender.out", "pipeline")
    for number in range(FAILS_AFTER):
        found = end_sender(among, time)
        assert of(Failing, found) == ([(MEMBER, Failing("sender.out"))] if number == FAILS_AFTER - 1 else [])


def end_sender(among: Made, time: ManualTime) -> list[tuple[Any, Any]]:
    """Let the sender end, and its successor be made and be asked how it is; return what was sent."""
    number = max(n for n, kind in enumerate(among.created, 1) if kind is Sender)
    found = among.receive(ChildActorExited(f"address-{number}"), f"address-{number}")
    time.now += DELAYS[FAILS_AFTER]
    return [*found, *among.wake()]


def test_who_does_not_finish_in_time_is_killed(among: Made, killed: list[int], time: ManualTime) -> None:
    stands(among, 1, "sender.out")
    among.receive(Pong(1, "sender/out", 102, {}), "address-2")
    stands(among, 2, sender_out=9)
    time.now += HAND_OVER
    found = among.wake()
    assert killed == [102]
    assert (MEMBER, RoleStopped("sender.out", 9)) in [*found, *among.wake()]


def test_with_its_membership_everything_ends(among: Made, killed: list[int]) -> None:
    stands(among, 1, "sender.out", "pipeline")
    among.receive(ChildActorExited(MEMBER), None)
    assert sorted(killed) == [102, 103]
    killed.append(101)
    among.wake()
    assert among.created[3:] == [Membership], "not before what it was for is gone"


def test_what_ends_with_a_membership_that_hangs_is_not_replaced(
    among: Made, killed: list[int], time: ManualTime, caplog: pytest.LogCaptureFixture
) -> None:
    stands(among, 1, "sender.out")
    time.now += START_DEADLINE + 0.1
    among.wake()
    assert sorted(killed) == [101, 102]
    replaced = [record for record in caplog.records if record.getMessage() == "an actor is replaced"]
    assert [vars(record)["actor"] for record in replaced] == ["membership"]


def test_stopping_it_leaves_the_others(among: Made, killed: list[int]) -> None:
    stands(among, 1, "sender.out")
    among.receive(Pong(1, "sender/out", 102, {}), "address-2")
    found = among.receive(Stop(10.0), "root")
    assert of(Leave, found) == [(MEMBER, Leave("a"))]
    assert of(Stop, found) == [], "the role is to be given back first"
    assert [to for to, _ in of(Stop, stands(among, 2, sender_out=9))] == ["address-2"]
    found = among.receive(Stopped("sender/out", {}), "address-2")
    found += among.wake()
    assert (MEMBER, RoleStopped("sender.out", 9)) in found
    assert [to for to, _ in of(Stop, found)] == [MEMBER]
    assert [to for to, _ in of(Stopped, among.receive(Stopped("membership", {}), MEMBER))] == ["root"]


def test_while_it_stops_nothing_is_imported_for_roles_that_it_will_not_run(
    among: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    imported: list[list[ChildSpec]] = []
    monkeypatch.setattr(supervisor, "import_actors", imported.append)
    stands(among, 1, "sender.out")
    among.receive(Stop(10.0), "root")
    stands(among, 2, "sender.out", "pipeline")
    assert imported == [[CHILDREN[3]]]


def test_alone_it_takes_its_time_to_stop(among: Made, killed: list[int]) -> None:
    """What waits is sent first: there is nobody else who could."""
    stands(among, 1, "sender.out", others=0)
    among.receive(Pong(1, "sender/out", 102, {}), "address-2")
    found = among.receive(Stop(10.0), "root")
    ((to, stop),) = of(Stop, found)
    assert to == "address-2"
    assert stop.grace > 9
    found = among.receive(Stopped("sender/out", {}), "address-2")
    assert killed == [102], "it would go on with what comes next, and the lease ends"
    assert [to for to, _ in of(Stop, [*found, *among.wake()])] == [MEMBER]
