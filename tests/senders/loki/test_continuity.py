"""A process takes its connections with it: one that is older than a proof leads to who gave the proof."""

from kigeon.senders.loki.continuity import Continuity, Heard


def test_a_connection_tells_of_the_time_it_was_open() -> None:
    server = Continuity()
    assert server.heard(opened=10, asked=20, answered=22) == Heard(asked=20, since=10)
    assert server.heard(opened=10, asked=70, answered=72) == Heard(asked=70, since=10)


def test_connections_that_overlap_are_to_one_process() -> None:
    server = Continuity()
    server.heard(opened=10, asked=50, answered=52)
    assert server.heard(opened=40, asked=90, answered=92).since == 10
    assert server.heard(opened=80, asked=100, answered=102).since == 10


def test_one_that_was_opened_while_another_had_no_answer_is_to_the_same_process() -> None:
    server = Continuity()
    server.heard(opened=10, asked=20, answered=40)
    assert server.heard(opened=30, asked=50, answered=60) == Heard(asked=50, since=10)


def test_one_that_was_opened_later_than_any_was_asked_may_be_to_another() -> None:
    server = Continuity()
    server.heard(opened=10, asked=50, answered=52)
    assert server.heard(opened=60, asked=70, answered=72).since == 60


def test_an_older_one_that_is_asked_later_shows_that_the_process_is_the_same() -> None:
    server = Continuity()
    server.heard(opened=10, asked=50, answered=52)
    server.heard(opened=60, asked=70, answered=72)
    assert server.heard(opened=10, asked=80, answered=82).since == 10
    assert server.heard(opened=60, asked=90, answered=92).since == 10


def test_an_answer_that_comes_late_from_a_process_that_is_gone_tells_nothing_of_its_successor() -> None:
    server = Continuity()
    server.heard(opened=10, asked=50, answered=52)
    server.heard(opened=80, asked=90, answered=92)
    assert server.heard(opened=10, asked=60, answered=62) == Heard(asked=60, since=10)
    assert server.heard(opened=80, asked=100, answered=102).since == 80
