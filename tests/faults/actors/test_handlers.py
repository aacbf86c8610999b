"""An exception in each handler of each actor: the actor is replaced, and nothing is lost or double."""

import pytest

from tests.faults.actors.injection import ACTORS
from tests.faults.actors.moments import MOMENTS, OF_REPLICAS, OF_THESPIAN, Moment
from tests.faults.actors.rig import Rig

HANDLED = [moment for moment in (*MOMENTS, *OF_THESPIAN) if moment.receiver != "root"]

CHILDLESS = ("watcher", "deduplicator", "queue", "sender")

NEVER = {("supervisor", "Start"), *((kind, "ChildActorExited") for kind in CHILDLESS)}
"""The Supervisor is told what to do by Supervise, and has all the children."""


def test_every_handler_of_every_actor_is_here() -> None:
    there = {
        (kind.__name__.lower(), name.removeprefix("receiveMsg_"))
        for kind in ACTORS
        for name in dir(kind)
        if name.startswith("receiveMsg_")
    }
    here = {(actor, kind) for actor, kind in there if kind not in OF_REPLICAS}
    assert here - NEVER == {(moment.receiver.partition("/")[0], moment.kind) for moment in HANDLED}


@pytest.mark.parametrize("action", ["raise", "memory"])
@pytest.mark.parametrize("moment", HANDLED, ids=lambda moment: moment.point)
def test_a_handler_fails(rig: Rig, moment: Moment, action: str) -> None:
    moment.goes_wrong(rig, action)
