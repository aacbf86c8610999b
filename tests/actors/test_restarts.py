from actors.restarts import ANSWER_DEADLINE, DELAYS, FAILS_AFTER, HEALTHY, START_DEADLINE, Lifeline


def test_a_child_is_due_at_once_and_then_no_more() -> None:
    life = Lifeline()
    assert life.is_due(0.0)
    life.created(0.0)
    assert not life.is_due(100.0)


def test_one_that_keeps_failing_is_replaced_at_once_first_and_ever_later_then() -> None:
    life = Lifeline()
    delays = []
    for _ in range(len(DELAYS) + 2):
        life.created(0.0)
        delays.append(life.ended(0.0))
    assert delays == [*DELAYS, DELAYS[-1], DELAYS[-1]]
    assert life.restarts == len(delays)
    assert not life.is_due(DELAYS[-1] - 0.1)
    assert life.is_due(DELAYS[-1])


def test_health_begins_the_delays_anew() -> None:
    life = Lifeline()
    for now in (0.0, 1.0, 2.0):
        life.created(now)
        life.ended(now)
    life.created(10.0)
    life.answered(10.0 + HEALTHY)
    assert life.ended(11.0 + HEALTHY) == DELAYS[0]


def test_one_fails_that_ends_again_and_again_until_it_runs_for_long() -> None:
    life = Lifeline()
    for _ in range(FAILS_AFTER):
        assert not life.fails
        life.created(0.0)
        life.ended(1.0)
    assert life.fails
    life.created(2.0)
    life.answered(1.0 + HEALTHY)
    assert life.fails
    life.answered(2.0 + HEALTHY)
    assert not life.fails


def test_a_child_counts_as_hung_when_it_does_not_answer() -> None:
    life = Lifeline()
    life.created(0.0)
    assert not life.is_hung(START_DEADLINE)
    assert life.is_hung(START_DEADLINE + 0.1)
    life.answered(20.0)
    assert not life.is_hung(20.0 + ANSWER_DEADLINE)
    assert life.is_hung(20.1 + ANSWER_DEADLINE)


def test_one_that_is_gone_is_not_hung() -> None:
    life = Lifeline()
    life.created(0.0)
    life.ended(1.0)
    assert not life.is_hung(1000.0)
