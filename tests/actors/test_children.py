"""The table of children: which there are, which are to be, and what is known of each."""

import math
from dataclasses import replace

from actors.acts import Tell
from actors.children import Child, Children
from actors.messages import ChildSpec, Pong, Stop
from actors.places import Place
from actors.restarts import ANSWER_DEADLINE, START_DEADLINE
from actors.roles import MEMBERSHIP
from actors.spec import children_of
from tests.support.actors import SETTINGS

SPECS = children_of(SETTINGS)
SENDER = SPECS[-1]


def begun(spec: ChildSpec = SENDER, now: float = 10.0) -> Child:
    """Return one that was created, and has answered."""
    child = Child(spec)
    child.created(now, "new", 7)
    child.answered(Pong(1, spec.name, 7, {}), "there", now)
    return child


def test_its_first_answer_tells_where_it_is_and_the_later_ones_how_it_fares() -> None:
    child = Child(SENDER)
    child.created(10.0, "new", 7)
    assert (child.address, child.ready) == ("new", False)
    assert child.answered(Pong(1, SENDER.name, 7, {"sent": 1}, "text"), "there", 11.0)
    assert (child.address, child.ready, child.report, child.spec.script) == ("there", True, {"sent": 1}, "text")
    assert not child.answered(Pong(2, SENDER.name, 7, {"sent": 2}), "elsewhere", 12.0)
    assert (child.address, child.report, child.spec.script) == ("there", {"sent": 2}, "text")
    assert child.life.hangs_at == 12.0 + ANSWER_DEADLINE


def test_it_is_told_to_stop_once_while_it_is_at_work() -> None:
    child = Child(SENDER)
    assert child.stop(3.0) == []
    child = begun()
    assert child.stop(3.0) == [Tell("there", Stop(3.0))]
    assert child.stop(3.0) == []
    assert child.is_at_work
    child.stopped = True
    assert not child.is_at_work


def test_another_in_its_place_has_been_told_nothing() -> None:
    child = begun()
    child.stop(3.0)
    child.stopped = True
    assert child.ended(20.0) == 0.0
    assert (child.address, child.pid, child.ready) == (None, 0, False)
    child.created(20.0, "new", 8)
    child.answered(Pong(1, SENDER.name, 0, {}), "there", 20.0)
    assert child.stop(3.0) == [Tell("there", Stop(3.0))]


def table(*names: str) -> Children:
    """Return one that knows all specs, with children of these *names*."""
    children = Children(SPECS)
    for spec in (*SPECS, MEMBERSHIP):
        if spec.name in names:
            children.add(spec)
    return children


def test_it_knows_what_each_is_part_of() -> None:
    children = table("watcher", "queue", "sender/out", "membership")
    assert [child.spec.name for child in children.pipeline] == ["watcher", "queue"]
    assert [child.spec.name for child in children.working] == ["watcher", "queue", "sender/out"]
    assert children.membership is children.get("membership")
    assert table("watcher").membership is None
    assert children.of({"sender.out"}) == [SENDER]
    assert children.of({"pipeline"}) == list(SPECS[:3])


def test_who_goes_through_them_may_remove_some() -> None:
    children = table("watcher", "queue", "sender/out")
    seen = []
    for child in children:
        seen.append(child in children)
        if child in children:
            for other in children.pipeline:
                children.remove(other)
    assert seen == [True, False, True]
    assert len(children) == 1


def test_the_next_of_its_name_has_the_hooks_text_that_was_loaded() -> None:
    children = table("sender/out")
    child = children.get("sender/out")
    assert child is not None
    assert children.scripts() == {}
    child.answered(Pong(1, SENDER.name, 0, {}, "loaded"), "there", 1.0)
    assert children.scripts() == {"sender/out": "loaded"}
    children.remove(child)
    assert children.scripts() == {"sender/out": "loaded"}
    assert children.of({"sender.out"}) == [replace(SENDER, script="loaded")]
    assert children.status() == {}


def test_those_of_the_pipeline_share_a_process() -> None:
    children = table("watcher", "queue", "sender/out")
    watcher, queue, sender = children
    assert children.beside(watcher) is None
    watcher.created(1.0, "new", 7)
    assert children.beside(queue) is watcher
    queue.created(1.0, "new", 7)
    assert [watcher.address, queue.address] == [Place("new", "watcher"), Place("new", "queue")]
    assert children.beside(sender) is None
    watcher.answered(Pong(1, "watcher", 7, {}), "there", 2.0)
    assert watcher.address == Place("there", "watcher")
    assert [children.pid_of(address) for address in ("there", "new", "away")] == [7, 7, 0]
    assert children.of_process(7) == [watcher, queue]
    watcher.ended(3.0)
    assert children.beside(watcher) is queue
    queue.ended(3.0)
    assert children.beside(watcher) is None
    assert children.of_process(0) == children.of_process(7) == []
    assert children.pid_of(None) == 0


def test_they_begin_until_each_has_answered() -> None:
    children = table("watcher", "sender/out")
    begins = [children.are_beginning]
    assert children.hangs_at == math.inf
    for child in children:
        child.created(5.0, "new", 0)
        begins.append(children.are_beginning)
        assert children.hangs_at <= 5.0 + START_DEADLINE
        child.answered(Pong(1, child.spec.name, 0, {}), "there", 6.0)
    assert [*begins, children.are_beginning] == [True, True, True, False]
    assert children.hangs_at == 6.0 + ANSWER_DEADLINE
    assert children.status()["watcher"] == {"pid": 0, "ready": True, "restarts": 0}
