"""The Membership as an object: what it passes on, what it tells of the replicas, and how it ends."""

import asyncio
from typing import Any

import pytest

from actors.membership import Membership
from actors.messages import ChildSpec, Failing, Leave, RoleStopped, Standing
from kigeon.leases.records import Replica, Role
from tests.support.actors import ActorHarness, MakeActor

Made = ActorHarness[Membership]
REPLICA = Replica("a", "kigeon-0", "", roles=("pipeline",))
STANDING = Standing(
    3, REPLICA, 7.5, frozenset({"pipeline"}), {"sender.out": 9}, {"pipeline": Role("a", "kigeon-0", "t")}, 2
)


class RecordingMember:
    """Stands for the member: notes what it is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def stopped(self, role: str, revision: int) -> None:
        self.told.append((role, revision))

    def fails(self, role: str) -> None:
        self.told.append(f"{role} fails")

    def leave(self) -> None:
        self.told.append("leave")

    async def end(self) -> None:
        self.told.append("end")


@pytest.fixture
def made(make: MakeActor) -> Made:
    """One that was started, and has no member yet."""
    made = make(Membership)
    made.start(ChildSpec("membership", ""), replica=REPLICA)
    return made


@pytest.fixture
def member(made: Made) -> RecordingMember:
    """Its member."""
    member = RecordingMember()
    made.actor._member = member  # type: ignore[assignment]
    return member


def test_it_tells_the_supervisor_how_the_replica_stands(made: Made) -> None:
    assert made.handle(STANDING) == [("supervisor", STANDING)]


def test_its_report_says_who_holds_what_and_tells_the_supervisor_again(made: Made) -> None:
    assert made.report() == {"queueProblem": ""}
    made.handle(STANDING)
    assert made.report() == {
        "queueProblem": "",
        "replica": "kigeon-0",
        "id": "a",
        "holds": ["pipeline", "sender.out"],
        "others": 2,
        "holders": {"pipeline": {"replica": "kigeon-0", "since": "t", "id": "a"}},
    }
    assert made.take() == [("supervisor", STANDING)]


def test_a_role_that_has_stopped_is_given_back(made: Made, member: RecordingMember) -> None:
    made.receive(RoleStopped("sender.out", 9))
    made.loop.run()
    assert member.told == [("sender.out", 9)]


def test_others_are_told_what_fails(made: Made, member: RecordingMember) -> None:
    made.receive(Failing("pipeline"))
    made.loop.run()
    assert member.told == ["pipeline fails"]


def test_it_leaves_and_ends(made: Made, member: RecordingMember) -> None:
    made.receive(Leave("a"))
    made.loop.run()
    asyncio.run(made.actor.finish(1.0))
    assert member.told == ["leave", "end"]
