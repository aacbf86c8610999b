"""What the actors of a replica tell one another goes wrong, once, while another replica is there or comes."""

from collections.abc import Iterator

import pytest

from actors.membership import Membership
from tests.faults.actors.moments import OF_REPLICAS, Moment
from tests.faults.actors.rig import Rig
from tests.faults.actors.shared import Shared
from tests.faults.actors.sharing import MOMENTS, SharingRig


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    shared = Shared(tmp_path_factory, SharingRig)
    yield shared
    shared.close()


def test_every_kind_of_message_is_here() -> None:
    assert {moment.kind for moment in MOMENTS} >= OF_REPLICAS


def test_every_handler_of_the_membership_is_here() -> None:
    there = {name.removeprefix("receiveMsg_") for name in dir(Membership) if name.startswith("receiveMsg_")}
    assert there - {"Tenured"} == {moment.kind for moment in MOMENTS if moment.receiver == "membership"}


@pytest.mark.parametrize("action", ["drop", "delay", "double"])
@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: moment.point)
def test_a_message_goes_wrong(rig: Rig, moment: Moment, action: str) -> None:
    moment.goes_wrong(rig, action)


@pytest.mark.parametrize("action", ["raise", "memory"])
@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: moment.point)
def test_a_handler_fails(rig: Rig, moment: Moment, action: str) -> None:
    moment.goes_wrong(rig, action)
