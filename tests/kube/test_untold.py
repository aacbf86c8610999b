"""What is told with a batch, and what is worth one of its own."""

from __future__ import annotations

from kigeon.kube.untold import TELL_EVERY, Untold


def test_each_thing_is_told_once() -> None:
    untold = Untold()
    untold.note(unreadable=2)
    untold.note(unreadable=1, watched_until=50.0, lifetime=3600.0)
    first, second = untold.tell("a", others_wait=False), untold.tell("b", others_wait=False)
    assert (first.unreadable, first.watched_until, first.lifetime, first.anchor) == (3, 50.0, 3600.0, "a")
    assert (second.unreadable, second.watched_until, second.lifetime, second.anchor) == (0, 50.0, 3600.0, "b")
    assert (first.session, first.batch, second.batch) == (second.session, 1, 2)
    assert Untold().tell("", others_wait=False).session != first.session


def test_while_events_wait_what_is_watched_is_not_what_is_stored() -> None:
    untold = Untold()
    untold.note(watched_until=50.0)
    assert untold.tell("", others_wait=True).watched_until == 0.0


def test_a_loss_and_a_new_lifetime_are_told_at_once_and_the_time_now_and_then() -> None:
    untold = Untold()
    worth = [untold.is_worth_telling]
    for note in ({"unreadable": 1}, {"lifetime": 3600.0}, {"watched_until": TELL_EVERY}):
        untold.note(**note)
        worth.append(untold.is_worth_telling)
        untold.tell("", others_wait=False)
        worth.append(untold.is_worth_telling)
    untold.note(watched_until=TELL_EVERY * 1.9)
    assert [*worth, untold.is_worth_telling] == [False, True, False, True, False, True, False, False]
