"""Which failure turns which endpoint, and with which reason."""

from dataclasses import replace

import pytest

from kigeon.observability.health import livez, passed, readyz
from kigeon.observability.snapshot import Part, Snapshot
from tests.observability.snapshots import NOW, SENDS, STANDBY, WELL, part, with_child, with_report

FULL = replace(
    with_report("queue", storingSince=NOW.steady - 20.0), nats_server=part(problem="No space left on device")
)

FAILURES: dict[str, tuple[Snapshot, float, str, str]] = {
    "nothing": (WELL, 0.0, "", ""),
    "kigeon has just been started": (Snapshot(senders=("loki",)), 0.0, "", "nats-server has not started yet"),
    "nats-server has lost its index and reads a large store, for minutes": (
        replace(WELL, nats_server=Part(), children={}), 0.0, "", "nats-server has not started yet",
    ),
    "an actor is killed, crashes, hangs": (with_child("queue", part(ready=False, for_=5.0)), 0.0, "", ""),
    "an actor fails to start": (
        with_child("watcher", part(ready=False, for_=60.0)), 0.0, "", "the watcher has not run for 60 s",
    ),
    "an actor fails to start, for ever": (
        with_child("watcher", part(ready=False, for_=700.0)), 0.0,
        "the watcher has not run for 700 s", "the watcher has not run for 700 s",
    ),
    "a sender fails to start, for ever": (
        with_child("sender/loki", part(ready=False, for_=700.0)), 0.0, "", "the sender has not run for 700 s",
    ),
    "the Supervisor, or Thespian's admin or logger, is killed": (
        replace(WELL, actors=part(ready=False, for_=1.0, failures=1, problem="a process that it needs has ended")),
        0.0, "", "",
    ),
    "the actor system keeps failing": (
        replace(WELL, actors=part(ready=False, for_=1.0, failures=6, problem="the Supervisor does not answer")), 0.0,
        "the actor system was built 6 times in a row and does not stay: the Supervisor does not answer", "",
    ),
    "the actor system keeps failing, and runs for a moment": (
        replace(WELL, actors=part(for_=5.0, failures=6, problem="it ended")), 0.0,
        "the actor system was built 6 times in a row and does not stay: it ended", "",
    ),
    "the actor system kept failing, and is well again": (
        replace(WELL, actors=part(for_=61.0, failures=6, problem="it ended")), 0.0, "", "",
    ),
    "the root hangs": (
        WELL, 61.0, "the root process has said nothing for 61 s", "the root process has said nothing for 61 s",
    ),
    "nats-server is killed, or hangs": (replace(WELL, nats_server=part(ready=False, for_=3.0)), 0.0, "", ""),
    "nats-server does not come back": (
        replace(WELL, nats_server=part(ready=False, for_=100.0, problem="it ended")), 0.0, "", "it ended",
    ),
    "nats-server never comes back": (
        replace(WELL, nats_server=part(ready=False, for_=601.0)), 0.0,
        "nats-server has not run for 601 s", "nats-server has not run for 601 s",
    ),
    "its disk is full, or turns read-only": (FULL, 0.0, "", "No space left on device"),
    "a batch is not stored for long": (
        with_report("queue", storingSince=NOW.steady - 20.0), 0.0, "", "a batch could not be stored for 20 s",
    ),
    "the events stream can't be opened": (
        with_child("queue", Part(report={"open": False})), 0.0, "", "the queue has not started yet",
    ),
    "the API server is away at the start": (
        with_report("watcher", lists=0, watches=0, problem="connection refused"), 0.0,
        "", "no list yet: connection refused",
    ),
    "a right is missing": (
        with_report("watcher", lists=0, watches=0, problem="403 events is forbidden"), 0.0,
        "", "no list yet: 403 events is forbidden",
    ),
    "the API server is away for a moment": (
        with_report("watcher", heardAt=NOW.steady - 100.0, problem="connection refused"), 0.0, "", "",
    ),
    "the API server is away for long": (
        with_report("watcher", heardAt=NOW.steady - 200.0, problem="connection refused"), 0.0,
        "", "the API server was not heard for 200 s: connection refused",
    ),
    "nothing is read because nothing can be stored": (
        with_report("watcher", heardAt=NOW.steady - 200.0, waiting=2000), 0.0, "", "",
    ),
    "Loki is away, or answers 429 or 5xx": (with_report("sender/loki", blocked=["a", "b"], open=10**6), 0.0, "", ""),
    "the API server sends garbage": (with_report("queue", unreadable=10**6), 0.0, "", ""),
    "kigeon is told to stop": (replace(WELL, stopping=True), 0.0, "", "it is stopping"),
}  # fmt: skip


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failure_turns_the_endpoints_that_it_should(failure: str) -> None:
    snapshot, age, not_live, not_ready = FAILURES[failure]
    live, ready = livez(snapshot, age, NOW), readyz(snapshot, age, NOW)
    assert next((check.reason for check in live if not check.passed), "") == not_live
    assert next((check.reason for check in ready if not check.passed), "") == not_ready
    assert (passed(live), passed(ready)) == (not not_live, not not_ready)


def test_each_sender_and_each_actor_of_the_pipeline_is_checked() -> None:
    names = [check.name for check in readyz(WELL, 0.0, NOW)]
    assert names == ["root", "nats-server", "watcher", "deduplicator", "queue", "cluster", "store", "sender/loki"]


def test_a_replica_that_holds_no_role_is_ready_to_take_one_over() -> None:
    assert passed(readyz(STANDBY, 0.0, NOW))
    assert passed(livez(STANDBY, 0.0, NOW))


def test_a_replica_is_ready_when_it_does_what_it_holds() -> None:
    assert passed(readyz(SENDS, 0.0, NOW))
    gone = with_child("sender/loki", part(ready=False, for_=60.0), SENDS)
    assert [check.reason for check in readyz(gone, 0.0, NOW) if not check.passed] == ["the sender has not run for 60 s"]


def test_a_replica_that_is_not_heard_of_is_not_ready() -> None:
    alone = replace(STANDBY, children={"membership": part(report={})})
    (check,) = (check for check in readyz(alone, 0.0, NOW) if not check.passed)
    assert check.reason == "it does not take part among the replicas yet"
