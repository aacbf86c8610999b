import pytest

from kigeon.senders.progress.envelope import EnvelopeProgress
from kigeon.senders.retry.groups import REPLAY, UNDECIDED, Group

AWAY = "http://loki tenant away"


def page(sequence: int, count: int = 2) -> EnvelopeProgress:
    return EnvelopeProgress(sequence, 1, count, offsets=tuple(range(1, count + 1)))


def test_what_waits_for_a_destination_begins_again_at_what_came_back() -> None:
    group, pages = Group(AWAY), [page(sequence) for sequence in (7, 9, 12)]
    for each in pages:
        group.add(each.sequence, 2, 0.0)
    assert (group.pages, group.events, group.cursor, group.last) == (3, 6, 7, 12)
    assert [group.take(each, each.sequence) for each in pages] == [[0, 1]] * 3
    assert (group.pages, group.events, group.cursor) == (0, 0, 13)
    group.put_back(pages[1], 1)
    assert (group.pages, group.events, group.cursor) == (1, 1, 9)
    group.put_back(pages[1], 0)
    assert (group.pages, group.events) == (1, 2)
    assert group.take(pages[1], 9) == [0, 1]


def test_a_round_that_stirs_nothing_finds_nothing() -> None:
    group = Group(UNDECIDED)
    group.add(3, 2, 0.0)
    group.take(found := page(3), 3)
    assert group.end_round(0.0)
    group.put_back(found, 0)
    assert group.end_round(0.0), "it came back behind the cursor"
    assert not group.end_round(0.0)
    assert group.give_up() == 1
    assert (group.pages, group.events) == (0, 0)


def test_each_round_is_later_after_the_last_and_a_new_page_is_tried_soon() -> None:
    group = Group(UNDECIDED)
    group.add(1, 1, 100.0)
    assert 100.0 < group.due < 101.0
    dues = []
    for _ in range(10):
        group.end_round(100.0)
        dues.append(group.due - 100.0)
    assert dues[0] < dues[2] < dues[5] < 72.0
    assert dues[-1] > 45.0
    group.add(2, 1, 100.0)
    assert group.due <= 105.0


@pytest.mark.parametrize("waiting", [0, 1])
def test_what_an_operator_wants_is_tried_at_once(waiting: int) -> None:
    group = Group(REPLAY)
    for sequence in range(waiting):
        group.add(sequence + 1, 1, 0.0)
        group.end_round(0.0)
    group.add(9, 1, 50.0)
    assert group.due <= 50.0
