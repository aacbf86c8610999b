"""What the transport carries itself, and what it leaves to Thespian."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from thespian.actors import ActorAddress
from thespian.system.addressManager import ActorAddressManager
from thespian.system.transport import TransmitIntent
from thespian.system.transport.TCPTransport import ExternalTransportCopy

from actors.messages import Connect, Ping
from actors.transport import Received, UnixAddress, UnixTransport


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[UnixTransport, UnixTransport]]:
    admin = ActorAddress(UnixAddress(str(tmp_path / "admin")))
    here, there = (UnixTransport(ExternalTransportCopy(), admin) for _ in range(2))
    with closing(here), closing(there):
        yield here, there


def received(transport: UnixTransport) -> list[Any]:
    return [pickle.loads(message) for message in transport._links.wait(10.0).messages]


def test_a_message_goes_straight_to_whom_it_is_for(pair: tuple[UnixTransport, UnixTransport]) -> None:
    here, there = pair
    assert here.carry(there.myAddress, Ping(7))
    there._links.wait(10.0)
    assert received(there) == [(here.myAddress, Ping(7))]


def test_what_only_thespian_can_do_is_left_to_it(pair: tuple[UnixTransport, UnixTransport]) -> None:
    here, there = pair
    unknown = ActorAddressManager(here._adminAddr, here.myAddress).createLocalAddress()
    assert not here.carry(here.myAddress, Ping(1))
    assert not here.carry(unknown, Ping(1))
    assert not here.carry(there.myAddress, Connect(1, unknown, unknown, unknown))
    there.close()
    assert not here.carry(there.myAddress, Ping(1))


def test_no_message_is_made_a_text_of() -> None:
    class Silent:
        def __str__(self) -> str:
            raise AssertionError("nobody reads it")

    assert Received(None, Silent()).identify() == TransmitIntent(None, Silent()).identify() == "Silent"
