"""The end: who finishes when, who is killed, and when it is said that all is done."""

from dataclasses import replace

import pytest

from actors.acts import Acts, Kill, Tell
from actors.children import Child, Children
from actors.messages import Leave, Pong, Standing, Stop, Stopped
from actors.roles import MEMBERSHIP, Roles
from actors.spec import children_of
from actors.stopping import END_WITHIN, LEAST, Stopping
from kigeon.config.settings import SenderSettings, Settings
from kigeon.leases.records import Replica
from tests.support.actors import at

SPECS = children_of(Settings((SenderSettings("a", "stdout"), SenderSettings("b", "stdout"))))
REPLICA = Replica("a", "kigeon-0", "", roles=("pipeline", "sender.a"))
DEADLINE = 20.0


class Ending:
    """Children that work, each at the address of its name, and the end of them, which "root" has asked for at 10."""

    def __init__(self, others: int | None = None) -> None:
        self.children = Children(SPECS)
        self.roles = Roles(REPLICA if others is not None else None)
        if others is not None:
            self.children.add(MEMBERSHIP)
            running = frozenset({"pipeline", "sender.a", "sender.b"})
            self.roles.note(Standing(1, REPLICA, 1e9, running, {}, {}, others))
        for spec in SPECS:
            self.children.add(spec)
        for pid, child in enumerate(self.children, 101):
            child.created(0.0, child.spec.name, pid)
            child.answered(Pong(1, child.spec.name, pid, {}), child.spec.name, 0.0)
        self.stopping = Stopping("root", DEADLINE, self.children, self.roles)

    def go_on(self, now: float = 10.0) -> Acts:
        return self.stopping.go_on("supervisor", now)

    def stopped(self, *names: str) -> Acts:
        """Let children have finished, and go on."""
        for name in names:
            child = self.children.get(name)
            assert isinstance(child, Child)
            child.stopped = True
        return self.go_on()


@pytest.fixture
def ending() -> Ending:
    return Ending()


def test_the_pipeline_stops_one_by_one_then_all_senders(ending: Ending) -> None:
    assert ending.go_on() == [Tell(at("watcher"), Stop(10.0))]
    assert ending.go_on() == []
    assert ending.stopped("watcher") == [Tell(at("deduplicator"), Stop(10.0))]
    assert ending.stopped("deduplicator") == [Tell(at("queue"), Stop(10.0))]
    assert ending.stopped("queue") == [Tell("sender/a", Stop(10.0)), Tell("sender/b", Stop(10.0))]
    assert ending.stopped("sender/b") == []
    assert ending.stopped("sender/a") == [Tell("root", Stopped("supervisor", ending.children.status()))]
    assert ending.go_on() == []


def test_one_that_is_not_there_is_not_waited_for(ending: Ending) -> None:
    for child in ending.children:
        if child.spec.name != "sender/b":
            child.ended(5.0)
    assert ending.go_on() == [Tell("sender/b", Stop(10.0))]


def test_however_late_it_is_there_is_time_to_finish(ending: Ending) -> None:
    assert ending.go_on(100.0) == [Tell(at("watcher"), Stop(LEAST))]


def test_alone_the_lease_ends_when_what_it_is_for_is_gone() -> None:
    ending = Ending(others=0)
    assert ending.stopping.leave() == []
    assert ending.go_on() == [Tell(at("watcher"), Stop(10.0))]
    acts = ending.stopped("watcher", "deduplicator", "queue", "sender/a", "sender/b")
    assert acts == [Kill(pid) for pid in range(102, 107)]
    assert ending.go_on() == []
    for pid in range(102, 107):
        ending.roles.ended(pid)
    assert ending.go_on() == [Tell("membership", Stop(END_WITHIN))]
    ((said),) = ending.stopped("membership")
    assert said == Tell("root", Stopped("supervisor", ending.children.status()))


def test_where_another_takes_over_the_roles_are_given_back_and_nobody_is_stopped_here() -> None:
    ending = Ending(others=1)
    assert ending.stopping.leave() == [Tell("membership", Leave("a"))]
    assert ending.go_on() == []
    for child in ending.children.working:
        ending.children.remove(child)
    assert ending.go_on() == [Tell("membership", Stop(END_WITHIN))]


def test_a_replica_without_roles_has_none_to_give_back() -> None:
    ending = Ending(others=1)
    ending.roles.note(Standing(2, replace(REPLICA, roles=()), 1e9, frozenset(), {}, {}, 1))
    assert ending.stopping.leave() == []
