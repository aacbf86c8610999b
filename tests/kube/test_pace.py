"""The limit of requests in a second."""

import pytest

from kigeon.kube.pace import Pace
from tests.support.clock import Clock


def test_so_many_look_ups_in_a_second_and_no_more() -> None:
    clock = Clock()

    def sleep(seconds: float) -> None:
        clock.now += seconds

    pace = Pace(200.0, clock, sleep)
    began = clock.now
    for _ in range(1000):
        pace.wait()
    assert clock.now - began == pytest.approx(999 / 200)
    clock.now += 100.0
    assert pace.wait() == 0.0
    assert pace.wait() == pytest.approx(1 / 200)
