"""For how long the cluster keeps its Events, as they show it."""

from kigeon.kube.lifetime import DECAY, LONGEST, SEVERAL, STEP, ObservedLifetime
from tests.support.clock import Clock

CONFIGURED = 3600.0


def shown(lifetime: ObservedLifetime, *ages: float) -> float | None:
    """Show an Event of each age; return what there is to report."""
    for number, age in enumerate(ages):
        lifetime.show(f"uid-{number}", age)
    return lifetime.settle()


def test_several_that_are_older_than_configured_make_it_longer_by_whole_steps() -> None:
    lifetime = ObservedLifetime(CONFIGURED, clock=Clock())
    assert shown(lifetime, *[7000.0] * (SEVERAL - 1)) is None
    assert shown(lifetime, *[7000.0] * SEVERAL) == 7200.0
    assert 7200.0 % STEP == 0
    assert shown(lifetime, *[7100.0] * SEVERAL) is None


def test_the_oldest_count_only_as_far_as_several_reach() -> None:
    lifetime = ObservedLifetime(CONFIGURED, clock=Clock())
    assert shown(lifetime, 50_000.0, 40_000.0, 7000.0) == 7200.0


def test_what_the_leases_add_and_what_a_wrong_clock_tells_shows_nothing() -> None:
    lifetime = ObservedLifetime(CONFIGURED, clock=Clock())
    assert shown(lifetime, *[lifetime.least] * 10) is None
    assert shown(lifetime, *[LONGEST + 1] * 10) is None


def test_one_event_that_is_shown_often_is_one() -> None:
    lifetime = ObservedLifetime(CONFIGURED, clock=Clock())
    for age in (7000.0, 8000.0, 9000.0):
        lifetime.show("the same", age)
    assert lifetime.settle() is None


def test_what_nothing_shows_for_a_day_decays_to_the_configured() -> None:
    clock = Clock()
    lifetime = ObservedLifetime(CONFIGURED, 7200.0, clock)
    clock.now += DECAY - 1
    assert lifetime.settle() is None
    clock.now += 1
    assert lifetime.settle() == CONFIGURED
    assert lifetime.seconds == 0.0


def test_what_was_observed_before_counts_only_where_it_is_longer() -> None:
    assert ObservedLifetime(CONFIGURED, CONFIGURED).seconds == 0.0
    assert ObservedLifetime(CONFIGURED, 7200.0).seconds == 7200.0
