"""What became of events, counted."""

from kigeon.senders.progress.books import Books
from kigeon.senders.progress.outcome import Outcome


def test_counts_go_on_from_those_of_an_earlier_run() -> None:
    books = Books({Outcome.SENT: 5}, 1)
    books.count(Outcome.SENT, 2)
    books.count(Outcome.PARKED, 1)
    assert books.counts[Outcome.SENT] == 7
    assert (books.ended[Outcome.SENT], books.ended[Outcome.PARKED]) == (2, 1)
    assert set(books.counts) == set(Outcome)


def test_what_is_taken_back_was_counted_and_what_has_ended_never_goes_down() -> None:
    """A counter that went down would be taken by Prometheus for one that began anew."""
    books = Books({}, 1)
    books.count(Outcome.SENT, 3)
    books.count(Outcome.SENT, -2)
    assert (books.counts[Outcome.SENT], books.ended[Outcome.SENT]) == (1, 3)
