"""Each kind of message is lost, late, or there twice, once, at a chosen moment while events flow."""

import pytest

from tests.faults.actors.moments import MOMENTS, Moment, message_kinds
from tests.faults.actors.rig import Rig


def test_every_kind_of_message_is_here() -> None:
    assert {moment.kind for moment in MOMENTS} == message_kinds()


@pytest.mark.parametrize("action", ["drop", "delay", "double"])
@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: moment.point)
def test_a_message_goes_wrong(rig: Rig, moment: Moment, action: str) -> None:
    moment.goes_wrong(rig, action)
