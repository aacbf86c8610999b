"""When an epoch of the pipeline begins, and whom that is told."""

import pytest

from actors.acts import Tell
from actors.children import Children
from actors.epochs import CONNECT_AGAIN, Epochs
from actors.messages import Connect, Pong
from actors.spec import children_of
from tests.support.actors import PIPELINE, SETTINGS, at

SPECS = children_of(SETTINGS)


@pytest.fixture
def children() -> Children:
    """Children of which none has answered; each will be at the address of its name."""
    children = Children(SPECS)
    for spec in SPECS:
        children.add(spec)
    return children


def answers(children: Children, *names: str, **report: object) -> None:
    """Let children answer."""
    for name in names:
        child = children.get(name)
        assert child is not None
        child.answered(Pong(1, name, child.pid, report), name, 0.0)


def connects(number: int) -> list[Tell]:
    """Return what begins the epoch of this *number*."""
    return [Tell(at(name), Connect(number, *map(at, PIPELINE))) for name in PIPELINE]


def test_the_first_begins_when_the_pipeline_is_there_and_once(children: Children) -> None:
    epochs = Epochs(children)
    answers(children, "watcher", "queue")
    assert epochs.begin(1.0) == []
    answers(children, "deduplicator")
    assert epochs.begin(1.0) == connects(1)
    assert epochs.begin(1.0) == []


def test_none_begins_where_there_is_no_pipeline() -> None:
    epochs = Epochs(Children(SPECS))
    epochs.demand()
    assert epochs.begin(1.0) == []
    assert not epochs.is_busy


def test_another_begins_for_who_asks_in_the_last(children: Children) -> None:
    epochs = Epochs(children)
    answers(children, *PIPELINE)
    epochs.begin(1.0)
    assert not epochs.resync(0)
    assert epochs.begin(2.0) == []
    assert epochs.resync(1)
    assert epochs.begin(2.0) == connects(2)
    assert epochs.begin(2.0) == []


def test_another_is_due_until_who_was_replaced_is_there(children: Children) -> None:
    epochs = Epochs(children)
    answers(children, *PIPELINE)
    epochs.begin(1.0)
    answers(children, "watcher", epoch=1)
    began = epochs.is_busy
    queue = children.get("queue")
    assert queue is not None
    queue.ended(2.0)
    epochs.demand()
    assert epochs.begin(2.0) == []
    assert (began, epochs.is_busy) == (False, True)
    answers(children, "queue")
    assert epochs.begin(3.0) == connects(2)


def test_it_is_begun_again_until_the_watcher_is_in_it(children: Children) -> None:
    epochs = Epochs(children)
    assert epochs.repeat(100.0) == []
    answers(children, *PIPELINE)
    epochs.begin(1.0)
    begins = epochs.is_busy
    assert epochs.repeat(1.0 + CONNECT_AGAIN) == []
    assert epochs.repeat(1.1 + CONNECT_AGAIN) == connects(1)
    assert epochs.repeat(1.2 + CONNECT_AGAIN) == []
    answers(children, "watcher", epoch=1)
    assert epochs.repeat(100.0) == []
    assert (begins, epochs.is_busy) == (True, False)


def test_who_is_away_is_not_told_again(children: Children) -> None:
    epochs = Epochs(children)
    answers(children, *PIPELINE)
    epochs.begin(1.0)
    queue = children.get("queue")
    assert queue is not None
    queue.ended(2.0)
    connect = Connect(1, at("watcher"), at("deduplicator"), None)
    assert epochs.repeat(100.0) == [Tell(at("watcher"), connect), Tell(at("deduplicator"), connect)]
