"""What is posted to an actor, from any thread."""

import select
from collections.abc import Iterator
from contextlib import closing
from threading import Thread

import pytest

from actors.mailbox import Mailbox


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with closing(Mailbox()) as mailbox:
        yield mailbox


def is_readable(mailbox: Mailbox) -> bool:
    return bool(select.select([mailbox.fileno()], [], [], 0)[0])


def test_it_wakes_until_everything_is_taken_in_order(mailbox: Mailbox) -> None:
    assert not is_readable(mailbox)
    mailbox.post("a")
    mailbox.post("b")
    assert is_readable(mailbox)
    assert list(mailbox.take()) == ["a", "b"]
    assert not is_readable(mailbox)
    assert list(mailbox.take()) == []


def test_what_is_posted_while_items_are_taken_is_taken_too(mailbox: Mailbox) -> None:
    mailbox.post(0)
    taken = []
    for item in mailbox.take():
        taken.append(item)
        if len(taken) < 3:
            mailbox.post(len(taken))
    assert taken == [0, 1, 2]


def test_nobody_who_posts_ever_waits(mailbox: Mailbox) -> None:
    """More wakes than a socket holds."""

    def post() -> None:
        for number in range(20_000):
            mailbox.post(number)

    threads = [Thread(target=post) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30.0)
    assert len(list(mailbox.take())) == 40_000
    assert not is_readable(mailbox)
