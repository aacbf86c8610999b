"""The actors of roles: which are told what, and which are killed, as a standing says."""

import pytest

from actors.acts import Kill, Tell
from actors.children import Child, Children
from actors.messages import Leave, Pong, RoleStopped, Standing, Stop, Tenured
from actors.role_actors import RoleActors
from actors.roles import HAND_OVER, MEMBERSHIP, Roles
from actors.spec import children_of
from kigeon.leases.records import Replica
from tests.support.actors import SETTINGS, at

SPECS = children_of(SETTINGS)
REPLICA = Replica("a", "kigeon-0", "", roles=("pipeline", "sender.out"))
UNTIL = 2000.0


class Replicated:
    """A Membership that works, and what it told."""

    def __init__(self) -> None:
        self.children = Children(SPECS)
        self.roles = Roles(REPLICA)
        self.actors = RoleActors(self.children, self.roles)
        self._told = 0
        self.add(MEMBERSHIP.name)

    def add(self, *names: str) -> None:
        """Have children begin, each at the address of its name, as processes from 100 on."""
        for spec in (*SPECS, MEMBERSHIP):
            if spec.name in names:
                self.children.add(spec)
                child = self.child(spec.name)
                child.created(0.0, spec.name, 100 + len(self.children))
                child.answered(Pong(1, spec.name, child.pid, {}), spec.name, 0.0)

    def child(self, name: str) -> Child:
        """Return the child of this name."""
        child = self.children.get(name)
        assert child is not None
        return child

    def stands(self, *running: str, expected: tuple[str, ...] = (), **giving: int) -> None:
        """Take a standing in; the roles to give back come by keyword."""
        self._told += 1
        given = {name.replace("_", "."): revision for name, revision in giving.items()}
        standing = Standing(self._told, REPLICA, UNTIL, frozenset(running), given, {}, 1, frozenset(expected))
        assert self.roles.note(standing)


@pytest.fixture
def found() -> Replicated:
    return Replicated()


def test_what_was_taken_is_missing_until_it_is_a_child(found: Replicated) -> None:
    assert found.actors.missing() == []
    found.stands("pipeline")
    assert found.actors.missing() == list(SPECS[:3])
    found.add("watcher", "deduplicator", "queue")
    assert found.actors.missing() == []


def test_tenures_are_extended_and_what_is_lost_is_killed(found: Replicated) -> None:
    found.add("watcher", "sender/out")
    found.stands("sender.out")
    assert found.actors.follow() == [Kill(102), Tell("sender/out", Tenured(UNTIL))]
    assert found.children.get("watcher") is None
    assert list(found.roles.ending) == [102]


def test_one_that_is_away_is_told_nothing_and_killed_by_nobody(found: Replicated) -> None:
    found.add("watcher", "sender/out")
    for name in ("watcher", "sender/out"):
        found.child(name).ended(1.0)
    found.stands("sender.out")
    assert found.actors.follow() == []
    assert [child.spec.name for child in found.children.working] == ["sender/out"]


def test_what_works_is_over_when_the_lease_is(found: Replicated) -> None:
    found.stands("sender.out")
    assert not found.actors.are_over(UNTIL)
    found.add("sender/out")
    assert not found.actors.are_over(UNTIL - 0.1)
    assert found.actors.are_over(UNTIL)
    assert found.actors.end_all() == [Kill(102)]
    assert not found.actors.are_over(UNTIL)


def test_without_the_membership_nothing_may_run(found: Replicated) -> None:
    found.stands("sender.out")
    found.add("sender/out")
    assert found.actors.lose_membership(101) == [Kill(102)]
    assert found.actors.missing() == []
    for pid in (102, 101):
        assert not found.roles.may_begin(MEMBERSHIP)
        found.roles.ended(pid)
    assert found.roles.may_begin(MEMBERSHIP)


def test_who_gives_a_role_back_finishes_one_after_the_other(found: Replicated) -> None:
    found.add("watcher", "deduplicator", "queue")
    found.stands(pipeline=7)
    for name in ("watcher", "deduplicator", "queue"):
        (stop,) = found.actors.hand_over(10.0)
        assert stop == Tell(at(name), Stop(HAND_OVER))
        assert found.actors.hand_over(10.0) == []
        found.child(name).stopped = True
    assert found.actors.hand_over(10.5) == [Kill(102), Kill(103), Kill(104)]
    assert found.actors.hand_over(10.6) == []
    for pid in (102, 103, 104):
        found.roles.ended(pid)
    assert found.actors.hand_over(10.7) == [Tell("membership", RoleStopped("pipeline", 7))]


def test_those_that_share_a_process_are_killed_once(found: Replicated) -> None:
    found.add("watcher", "deduplicator", "queue")
    for child in found.children.pipeline:
        child.pid = 102
    assert found.actors.end_all() == [Kill(102)]
    assert len(found.children) == 1


def test_who_does_not_finish_in_time_is_killed(found: Replicated) -> None:
    found.add("sender/out")
    found.stands(sender_out=9)
    found.actors.hand_over(10.0)
    assert found.actors.hand_over(9.9 + HAND_OVER) == []
    assert found.actors.hand_over(10.0 + HAND_OVER) == [Kill(102)]


def test_who_leaves_says_which_lease_it_held(found: Replicated) -> None:
    assert found.actors.leave() == []
    found.stands("sender.out")
    assert found.actors.leave() == [Tell("membership", Leave("a"))]
