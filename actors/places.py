"""The address of an actor that shares a process with others, and what is put around a message to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Place:
    """The address of an actor that lives in a :class:`~actors.host.Host`: the Host's address, the actor's name."""

    host: Any
    name: str


@dataclass(frozen=True, slots=True)
class Hosted:
    """To a Host: a *message* for the actor *name*, which lives there."""

    name: str
    message: Any


def process_of(address: Any) -> Any:
    """Return the address by which Thespian knows the process of an actor at *address*."""
    return address.host if isinstance(address, Place) else address
