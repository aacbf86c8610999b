import itertools

import pytest

from kigeon.errors import MoveRefused
from kigeon.move.deciding import Found, Plan, Step, decide, undo
from kigeon.queue.broker.mark import Mark, MoveState, why_unusable

LEAVING, ARRIVING, MOVED, HERE = MoveState.LEAVING, MoveState.ARRIVING, MoveState.MOVED, MoveState.HERE


def mark(state: MoveState, move: str = "1", follows: str = "") -> Mark:
    return Mark(state, move, "the other end", "2027-01-15T08:00:00+00:00", follows)


def source(found: Mark | None = None, holds: bool = True) -> Found:
    return Found("the source", found, holds)


def target(found: Mark | None = None, holds: bool = True) -> Found:
    return Found("the target", found, holds)


EMPTY = target(holds=False)


@pytest.mark.parametrize(
    ("at_source", "at_target", "plan"),
    [
        (source(), EMPTY, Plan(Step.COPY, "new")),
        (source(mark(HERE)), EMPTY, Plan(Step.COPY, "new", "1")),
        (source(mark(LEAVING)), EMPTY, Plan(Step.COPY, "1")),
        (source(mark(LEAVING)), target(mark(ARRIVING)), Plan(Step.COPY, "1")),
        (source(mark(LEAVING)), Found("the target", None, True, has_begun=True), Plan(Step.COPY, "1")),
        (source(mark(LEAVING, "2", "1")), target(mark(MOVED, "1")), Plan(Step.COPY, "2", "1")),
        (source(mark(MOVED)), target(mark(ARRIVING)), Plan(Step.FINISH, "1")),
        (source(mark(MOVED)), target(mark(HERE)), Plan(Step.NOTHING, "1")),
        (source(mark(HERE)), target(mark(MOVED)), Plan(Step.COPY, "new", "1")),
    ],
)
def test_what_is_to_be_done(at_source: Found, at_target: Found, plan: Plan) -> None:
    assert decide(at_source, at_target, "new") == plan


@pytest.mark.parametrize(
    ("at_source", "at_target", "said"),
    [
        (source(holds=False), EMPTY, "the source holds no queue"),
        (source(), target(), "the target is not empty: a queue lies there already"),
        (source(), target(mark(HERE)), "a queue lies there already"),
        (source(), Found("the target", None, True, has_begun=True), "a queue lies there already"),
        (source(), target(mark(LEAVING)), "a queue lies there already"),
        (source(), target(mark(ARRIVING)), "an unfinished move from the other end"),
        (source(), target(mark(MOVED)), "was moved to the other end, and it is not that one"),
        (source(mark(HERE, "2")), target(mark(MOVED)), "was moved to the other end, and it is not that one"),
        (source(mark(LEAVING)), target(mark(ARRIVING, "2")), "an unfinished move from the other end"),
        (source(mark(LEAVING)), target(), "a queue lies there already"),
        (source(mark(ARRIVING)), EMPTY, "the source: the queue that is to come here"),
        (source(mark(MOVED)), EMPTY, "moved at 2027-01-15T08:00:00+00:00 to the other end, and the target is not that"),
        (source(mark(MOVED)), target(mark(HERE, "2")), "the target is not that"),
        (source(mark(MoveState.UNREADABLE)), EMPTY, "can't be read"),
        (source(), target(mark(MoveState.UNREADABLE)), "a queue lies there already"),
    ],
)
def test_what_is_refused_with_its_place_and_its_cure(at_source: Found, at_target: Found, said: str) -> None:
    with pytest.raises(MoveRefused) as refused:
        decide(at_source, at_target, "new")
    assert said in str(refused.value)
    assert str(refused.value).rpartition(": ")[2]


def test_a_move_that_began_is_undone_and_one_that_is_finished_is_not() -> None:
    assert undo(source(mark(LEAVING)), target(mark(ARRIVING))) == mark(LEAVING)
    assert undo(source(mark(LEAVING)), target(mark(HERE, "2"))) == mark(LEAVING)
    assert undo(source(mark(MOVED)), target(mark(ARRIVING))) == mark(MOVED)
    for found in (EMPTY, target(mark(HERE)), target(mark(ARRIVING, "2"))):
        with pytest.raises(MoveRefused, match="was finished"):
            undo(source(mark(MOVED)), found)
    for known in (None, mark(HERE), mark(ARRIVING)):
        with pytest.raises(MoveRefused, match="nothing is to be undone"):
            undo(source(known), EMPTY)


def test_nothing_is_copied_over_an_end_that_may_be_valid() -> None:
    """Of all pairs of marks, of two moves: what is at the target is deleted only where the source is its successor."""
    marks = [None, *(mark(state, move, follows) for state in MoveState for move in "12" for follows in ("", "1", "2"))]
    copied = 0
    for at_source, at_target in itertools.product(marks, repeat=2):
        try:
            plan = decide(source(at_source), target(at_target), "new")
        except MoveRefused:
            continue
        assert at_source is None or at_source.state is not ARRIVING
        if plan.step is Step.COPY:
            copied += 1
            assert at_target is not None
            assert at_target.state in (ARRIVING, MOVED)
            assert at_source is None or at_source.state in (HERE, LEAVING)
    assert copied > 10


def test_both_ends_are_never_usable_on_the_way_of_a_move() -> None:
    """In the order in which the marks are written, from either kind of source; a data directory is locked meanwhile."""
    steps = [
        (None, None),
        (mark(LEAVING), None),
        (mark(LEAVING), mark(ARRIVING)),
        (mark(MOVED), mark(ARRIVING)),
        (mark(MOVED), mark(HERE)),
    ]
    for shared in (True, False):
        usable = [(not why_unusable(one, shared)[0], not why_unusable(other, shared)[0]) for one, other in steps[2:]]
        assert usable == [(not shared, False), (False, False), (False, True)]
