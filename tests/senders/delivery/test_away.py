"""What destinations of an origin that is away learn from each other."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from kigeon.senders.delivery.away import CROWD, FRESH, AwayOrigins
from kigeon.senders.entry import Answer, PushStatus

AWAY = Answer(PushStatus.RETRY, "503 away", concerns_all=True)
BACK = Answer(PushStatus.DELIVERED)
LIMITED = Answer(PushStatus.RETRY, "429 this tenant")


@dataclass(frozen=True)
class Tenant:
    label: str
    origin: str = "http://loki"


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def refused(*tenants: str) -> tuple[AwayOrigins, Clock]:
    origins = AwayOrigins(clock := Clock())
    for tenant in tenants:
        origins.note(Tenant(tenant), AWAY)
    return origins, clock


CROWDED = [f"team-{number}" for number in range(CROWD)]


def test_a_crowd_that_is_refused_shares_the_answer_for_a_moment() -> None:
    origins, clock = refused(*CROWDED)
    assert origins.answer_for(Tenant("another")) is AWAY
    clock.now += FRESH
    assert origins.answer_for(Tenant("another")) is None
    origins.note(Tenant("another"), AWAY)
    assert origins.answer_for(Tenant("team-0")) is AWAY


def test_a_few_ask_each_for_itself_however_often_they_are_refused() -> None:
    origins, _ = refused(*CROWDED[1:], *CROWDED[1:])
    assert origins.answer_for(Tenant("team-1")) is None


def test_another_origin_is_asked() -> None:
    origins, _ = refused(*CROWDED)
    assert origins.answer_for(Tenant("team-0", "http://another")) is None


@pytest.mark.parametrize("answer", [BACK, LIMITED])
def test_any_other_answer_ends_it_for_all(answer: Answer) -> None:
    origins, _ = refused(*CROWDED)
    origins.note(Tenant("team-1"), answer)
    assert origins.answer_for(Tenant("team-0")) is None
    origins.note(Tenant("team-0"), AWAY)
    assert origins.answer_for(Tenant("team-2")) is None
