import os
from pathlib import Path

from kigeon.queue.broker.recovery import LOOKS, SAY_EVERY, STALLED_AFTER, Recovery, Work, work_of

HOUR = 3600


def test_one_that_reads_is_waited_for_without_an_end() -> None:
    recovery = Recovery(0.0)
    assert not any(recovery.is_stuck(float(second), Work(moved=second * 4096)) for second in range(HOUR))


def test_one_that_computes_is_waited_for() -> None:
    recovery = Recovery(0.0)
    assert not any(recovery.is_stuck(float(second), Work(processor=second * 0.01)) for second in range(HOUR))


def test_one_that_speaks_is_waited_for() -> None:
    recovery = Recovery(0.0)
    assert not any(recovery.is_stuck(float(second), Work(said=second // 20)) for second in range(HOUR))


def test_one_that_does_nothing_is_given_up() -> None:
    """A process that hangs turns over now and then, too."""
    recovery = Recovery(0.0)
    stuck = (second for second in range(HOUR) if recovery.is_stuck(float(second), Work(second * 0.001, 17, 5)))
    assert next(stuck) in range(int(STALLED_AFTER), int(STALLED_AFTER) + 10)


def test_time_in_which_nobody_looked_does_not_count() -> None:
    """Both were frozen, as on a machine that is suspended."""
    recovery = Recovery(0.0)
    assert not recovery.is_stuck(1.0, Work(moved=1))
    assert not recovery.is_stuck(9000.0, Work(moved=1))
    assert not any(recovery.is_stuck(9000.0 + look / 10, Work(moved=1)) for look in range(LOOKS - 1))


def test_it_is_said_now_and_then() -> None:
    recovery = Recovery(100.0)
    said = [second for second in range(100, 200) if recovery.is_worth_a_word(float(second))]
    assert said == list(range(110, 200, int(SAY_EVERY)))


def test_the_work_of_a_process_is_what_it_reads_computes_and_says(tmp_path: Path) -> None:
    output = tmp_path / "log"
    output.write_bytes(b"12345")
    before = work_of(os.getpid(), output)
    assert before.said == 5
    (tmp_path / "data").write_bytes(b"x" * 100_000)
    (tmp_path / "data").read_bytes()
    after = work_of(os.getpid(), output)
    assert after.moved >= before.moved + 200_000
    assert after.processor >= before.processor > 0
    assert after.exceeds(before)


def test_a_process_that_is_gone_has_done_nothing(tmp_path: Path) -> None:
    assert work_of(2**22 + 1, tmp_path / "none") == Work()
