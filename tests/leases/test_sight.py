"""Whether the API server answers this replica is found out while it matters."""

from threading import Event

from kigeon.leases.sight import BLIND_AFTER, EVERY, Sight
from tests.support.clock import Clock
from tests.support.processes import wait_until


def test_nobody_is_asked_while_it_is_of_no_matter() -> None:
    asked: list[bool] = []

    def ask() -> bool:
        asked.append(True)
        return True

    assert Sight(ask, Clock()).look(matters=False) is None
    assert not asked


def test_an_answer_is_believed_until_it_is_too_old() -> None:
    clock, answers = Clock(), [True]
    sight = Sight(lambda: answers[-1], clock)
    assert sight.look(matters=True) is None
    clock.now += EVERY
    wait_until(lambda: sight.look(matters=True), what="an answer")
    answers.append(False)
    wait_until(lambda: not sight._thread or not sight._thread.is_alive(), what="the end of the question")
    clock.now += BLIND_AFTER
    assert sight.look(matters=True) is False


def test_a_question_that_hangs_is_the_only_one_and_after_a_while_no_answer() -> None:
    clock, go_on, asked = Clock(), Event(), []

    def ask() -> bool:
        asked.append(clock.now)
        return go_on.wait(30)

    sight = Sight(ask, clock)
    try:
        assert sight.look(matters=True) is None
        clock.now += BLIND_AFTER
        assert sight.look(matters=True) is False
        assert len(asked) == 1
    finally:
        go_on.set()
        assert sight._thread is not None
        sight._thread.join()


def test_what_was_answered_before_it_mattered_again_does_not_count() -> None:
    clock = Clock()
    sight = Sight(lambda: True, clock)
    sight.look(matters=True)
    clock.now += EVERY
    wait_until(lambda: sight.look(matters=True), what="an answer")
    sight.look(matters=False)
    clock.now += 0.1
    assert sight.look(matters=True) is None
