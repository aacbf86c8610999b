"""When children are asked how they are, and which."""

from actors.acts import Tell
from actors.children import Children
from actors.messages import Ping, Pong
from actors.pings import PING_EVERY, PING_OFTEN, Pings
from actors.spec import children_of
from tests.support.actors import SETTINGS, at


def begun(time: float) -> Children:
    """Return children that were created then, and have answered."""
    children = Children()
    for spec in children_of(SETTINGS)[:2]:
        children.add(spec)
    for child in children:
        child.created(time, child.spec.name, 0)
        child.answered(Pong(1, child.spec.name, 0, {}), child.spec.name, time)
    return children


def asked(nonce: int) -> list[Tell]:
    """Return the questions with this *nonce*."""
    return [Tell(at("watcher"), Ping(nonce)), Tell(at("deduplicator"), Ping(nonce))]


def test_each_is_asked_when_it_is_time_and_more_often_while_something_begins() -> None:
    pings, children = Pings(), begun(0.0)
    assert pings.ask(children, 10.0, is_busy=False) == asked(1)
    assert pings.due_at == 10.0 + PING_EVERY
    assert pings.ask(children, 9.9 + PING_EVERY, is_busy=False) == []
    assert pings.ask(children, 9.9 + PING_OFTEN, is_busy=True) == []
    assert pings.ask(children, 10.0 + PING_OFTEN, is_busy=True) == asked(2)
    assert pings.ask(children, 10.0 + PING_OFTEN + PING_EVERY, is_busy=False) == asked(3)


def test_one_that_was_told_to_start_just_now_is_not_asked() -> None:
    """The question might overtake what it is to start with."""
    children = begun(10.0)
    assert Pings().ask(children, 10.0 + PING_OFTEN, is_busy=True) == []
    assert len(Pings().ask(children, 10.1 + PING_OFTEN, is_busy=True)) == 2


def test_who_is_gone_is_not_asked() -> None:
    children = begun(0.0)
    watcher = children.get("watcher")
    assert watcher is not None
    watcher.ended(5.0)
    assert Pings().ask(children, 10.0, is_busy=False) == [Tell(at("deduplicator"), Ping(1))]
