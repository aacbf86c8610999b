"""The process that several actors share, as an object: who lives there, and what becomes of their messages."""

import logging
from typing import Any

import pytest
from thespian.actors import WatchMessage

from actors.base import KigeonActor
from actors.host import Host
from actors.messages import ChildSpec, Ping, Pong, Resync, Start, Stop, Stopped, Tenured
from actors.places import Hosted, Place
from kigeon.clock import boot_time
from kigeon.observability.logs import JsonFormatter
from tests.support.actors import ASKER, HERE, QUEUE, SETTINGS, ActorHarness, Crashed, MakeActor

Made = ActorHarness[Host]

log = logging.getLogger("resident")


class Resident(KigeonActor):
    """Notes what it is told, and passes a Resync on to whom it names."""

    def started(self, start: Start) -> None:
        self.noted: list[object] = []
        log.warning("it begins")

    async def work(self) -> None:
        log.warning("it works")

    def receiveMsg_Resync(self, message: Resync, sender: Any) -> None:  # noqa: N802 - as Thespian dispatches
        self.noted.append((message, sender))
        if message.reason == "fail":
            raise ValueError(message.reason)
        for name in message.reason.split():
            self.send(Place(HERE, name), Resync(message.epoch + 1, ""))

    def posted(self, item: object) -> None:
        self.noted.append(item)
        if item == "fail":
            raise ValueError(item)
        self.send("elsewhere", Resync(0, str(item)))

    def report(self) -> dict[str, Any]:
        return {"noted": len(self.noted)}


@pytest.fixture
def made(make: MakeActor) -> Made:
    """A Host in which nobody lives yet."""
    return make(Host)


def to(made: Made, name: str, message: object, sender: Any = ASKER) -> list[tuple[Any, Any]]:
    """Send a message to who lives there as *name*; return what is sent then."""
    return made.receive(Hosted(name, message), sender)


def start(made: Made, name: str, **fields: Any) -> Resident:
    """Have somebody move in."""
    spec = ChildSpec(name, f"{__name__}.Resident", pipeline=True)
    assert to(made, name, Start(spec, SETTINGS, QUEUE, **fields), "supervisor") == []
    return resident(made, name)


def resident(made: Made, name: str) -> Resident:
    """Return who lives there as *name*."""
    found = made.actor._residents[name]
    assert isinstance(found, Resident)
    return found


def test_each_moves_in_with_its_start_and_all_share_a_loop(made: Made) -> None:
    one, two = start(made, "one", until=boot_time() + 60), start(made, "two")
    assert one is not two
    assert {one.loop, two.loop} == {made.actor.loop}
    assert (one.name, one.supervisor) == ("one", "supervisor")
    assert one.tenure.until < two.tenure.until
    assert len(made.loop.spawned) == 2
    start(made, "one")
    assert resident(made, "one") is one


def test_each_says_that_it_is_well(made: Made) -> None:
    start(made, "one")
    start(made, "two").noted.append("a")
    for name, noted in (("one", 0), ("two", 1)):
        ((asker, pong),) = to(made, name, Ping(3))
        assert isinstance(pong, Pong)
        assert (asker, pong.nonce, pong.name, pong.report) == (ASKER, 3, name, {"noted": noted})


def test_each_is_extended_and_stopped_alone(made: Made) -> None:
    one, two = start(made, "one", until=boot_time() + 60), start(made, "two", until=boot_time() + 60)
    assert to(made, "one", Tenured(boot_time() + 120)) == []
    assert one.tenure.until > two.tenure.until
    made.loop.drop()
    assert to(made, "one", Stop(5.0), "root") == []
    made.loop.run()
    assert made.receive(WatchMessage([])) == [("root", Stopped("one", {"noted": 0}))]


def test_what_comes_before_the_start_is_dropped(made: Made) -> None:
    """It is sent again, as what is lost is."""
    assert to(made, "one", Resync(1, "")) == to(made, "one", Ping(0)) == []
    assert start(made, "one").noted == []


def test_one_whose_start_was_lost_ends_the_process(made: Made) -> None:
    start(made, "two")
    with pytest.raises(Crashed) as crashed:
        to(made, "one", Ping(1))
    assert "the Start of one was lost" in str(crashed.value.__cause__)


def test_what_residents_send_to_each_other_arrives_in_order_and_after_the_handler_that_sent_it(made: Made) -> None:
    one, two, three = (start(made, name) for name in ("one", "two", "three"))
    assert to(made, "one", Resync(1, "two three two")) == []
    assert len(one.noted) == 1
    assert two.noted == [(Resync(2, ""), Place(HERE, "one"))] * 2
    assert three.noted == [(Resync(2, ""), Place(HERE, "one"))]


def test_what_they_send_to_others_goes_out(made: Made) -> None:
    one = start(made, "one")
    one.send(Place("another host", "two"), "a")
    assert made.take() == [(Place("another host", "two"), "a")]


def test_what_a_loop_posts_is_for_its_own_actor(made: Made) -> None:
    one, two = start(made, "one"), start(made, "two")
    two.post("a")
    assert made.receive(WatchMessage([])) == [("elsewhere", Resync(0, "a"))]
    assert (one.noted, two.noted) == ([], ["a"])
    assert made.handle("not of a resident") == []


def test_a_failure_of_one_ends_the_process(made: Made) -> None:
    start(made, "one")
    with pytest.raises(Crashed):
        to(made, "one", Resync(1, "fail"))
    resident(made, "one").post("fail")
    with pytest.raises(Crashed):
        made.receive(WatchMessage([]))


def test_what_is_logged_says_by_whom(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    formatter, said = JsonFormatter(), []
    monkeypatch.setattr(log, "handle", lambda record: said.append((record.getMessage(), formatter.context_of(record))))
    start(made, "one")
    start(made, "two")
    made.loop.run()
    assert said[:2] == [("it begins", {"actor": "one"}), ("it begins", {"actor": "two"})]
    assert formatter.context_of(logging.makeLogRecord({})) == {}
