"""Messages between two processes' links; both are in this process here."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.links import Links, frame


class End:
    """Links with a name."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(self.path)
        listener.listen()
        self.links = Links(listener)

    def receive(self, count: int, sender: Links | None = None) -> list[bytes]:
        """Return so many messages; *sender* goes on sending meanwhile."""
        found: list[bytes] = []
        while len(found) < count:
            if sender is not None:
                sender.wait(0.0)
            found += self.links.wait(0.01).messages
        return found


@pytest.fixture
def here(tmp_path: Path) -> Iterator[End]:
    end = End(tmp_path / "here")
    yield end
    end.links.close()


@pytest.fixture
def there(tmp_path: Path) -> Iterator[End]:
    end = End(tmp_path / "there")
    yield end
    end.links.close()


def test_messages_arrive_in_order_over_one_connection(here: End, there: End) -> None:
    for number in range(3):
        here.links.send(there.path, frame(str(number).encode()))
    here.links.send(there.path, frame(b""))
    assert there.receive(4) == [b"0", b"1", b"2", b""]
    here.links.send(there.path, frame(b"again"))
    happened = there.links.wait(1.0)
    assert (happened.messages, happened.connected) == ([b"again"], False)


def test_both_send_at_once(here: End, there: End) -> None:
    here.links.send(there.path, frame(b"to there"))
    there.links.send(here.path, frame(b"to here"))
    assert (here.receive(1), there.receive(1)) == ([b"to here"], [b"to there"])


def test_what_a_slow_peer_does_not_take_waits_and_arrives_in_order(here: End, there: End) -> None:
    messages = [bytes([number]) * 300_000 for number in range(5)]
    for message in messages:
        here.links.send(there.path, frame(message))
    assert here.links.has_unsent
    assert there.receive(5, here.links) == messages
    assert not here.links.has_unsent


def test_nobody_listens(here: End, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        here.links.send(str(tmp_path / "nowhere"), frame(b"lost"))


def test_a_peer_that_has_ended_is_noticed_and_its_successor_found(here: End, there: End) -> None:
    here.links.send(there.path, frame(b"lost"))
    there.links.close()
    with pytest.raises(ConnectionRefusedError):
        here.links.send(there.path, frame(b"nobody"))
    Path(there.path).unlink()
    successor = End(Path(there.path))
    here.links.send(there.path, frame(b"found"))
    assert successor.receive(1) == [b"found"]
    successor.links.close()


def test_what_waits_for_a_peer_that_ends_is_lost_with_it(here: End, there: End) -> None:
    here.links.send(there.path, frame(bytes(3_000_000)))
    assert here.links.has_unsent
    there.links.close()
    here.links.wait(1.0)
    assert not here.links.has_unsent


def test_half_a_message_is_none(here: End, there: End) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as cut:
        cut.connect(there.path)
        cut.sendall(frame(b"whole") + frame(b"half")[:-1])
        assert there.receive(1) == [b"whole"]
    assert there.links.wait(1.0).messages == []
    here.links.send(there.path, frame(b"other"))
    assert there.receive(1) == [b"other"]


def test_a_watched_descriptor_is_told_for_as_long_as_it_is_watched(here: End) -> None:
    read, write = os.pipe()
    os.write(write, b"x")
    assert here.links.wait(1.0, [read]).ready == [read]
    assert here.links.wait(0.0, []).ready == []
    assert here.links.wait(1.0, [read]).ready == [read]
    os.close(read)
    os.close(write)
    assert here.links.wait(0.0, []).ready == []


def test_who_forks_keeps_its_connections_when_its_child_lets_go(here: End, there: End) -> None:
    here.links.send(there.path, frame(b"before"))
    assert there.receive(1) == [b"before"]
    child = os.fork()
    if not child:
        there.links.close()
        os._exit(0)
    os.waitpid(child, 0)
    here.links.send(there.path, frame(b"after"))
    assert there.receive(1) == [b"after"]
