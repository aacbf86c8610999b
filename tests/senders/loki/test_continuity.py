"""A process takes its connections with it: one that is older than a proof leads to who gave the proof."""

from kigeon.senders.loki.continuity import Continuity, Heard


def test_a_connection_tells_of_the_time_it_was_open() -> None:
    server = Continuity()
    assert server.heard(opened=1, asked=2) == Heard(asked=2, since=1)
    assert server.heard(opened=1, asked=7) == Heard(asked=7, since=1)


def test_connections_that_overlap_are_to_one_process() -> None:
    server = Continuity()
    server.heard(opened=1, asked=5)
    assert server.heard(opened=4, asked=9).since == 1
    assert server.heard(opened=8, asked=10).since == 1


def test_one_that_was_opened_later_than_any_was_asked_may_be_to_another() -> None:
    server = Continuity()
    server.heard(opened=1, asked=5)
    assert server.heard(opened=6, asked=7).since == 6


def test_an_older_one_that_is_asked_later_shows_that_the_process_is_the_same() -> None:
    server = Continuity()
    server.heard(opened=1, asked=5)
    server.heard(opened=6, asked=7)
    assert server.heard(opened=1, asked=8).since == 1
    assert server.heard(opened=6, asked=9).since == 1


def test_an_answer_that_comes_late_from_a_process_that_is_gone_tells_nothing_of_its_successor() -> None:
    server = Continuity()
    server.heard(opened=1, asked=5)
    server.heard(opened=8, asked=9)
    assert server.heard(opened=1, asked=6) == Heard(asked=6, since=1)
    assert server.heard(opened=8, asked=10).since == 8
