"""The records of replicas and roles in the state bucket: JSON, small, with a format version.

=================================== ===============================================================================
``replicas.lease.<id>``             a replica's lease: its name, a number that each renewal raises, what it may do
``replicas.role.pipeline``          who watches and stores
``replicas.role.sender.<name>``     who sends for the sender
=================================== ===============================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Generic, TypeVar

import orjson

T = TypeVar("T")

RECORD_FORMAT = 1
KEYS = "replicas"
LEASE_KEY = f"{KEYS}.lease"
ROLE_KEY = f"{KEYS}.role"
"""What the keys begin with, before a dot."""


@dataclass(frozen=True, slots=True)
class Replica:
    """A replica's lease.

    ``since`` is a time of day for people, when it came. ``roles`` are those that it is configured for. ``sees`` is
    whether the API server answers it, None where it does not ask. ``left``: the lease has ended, for good. ``fails``
    are roles whose actors do not keep running here; earlier versions wrote nothing of that.
    """

    id: str
    name: str
    since: str
    beat: int = 0
    roles: tuple[str, ...] = ()
    sees: bool | None = None
    left: bool = False
    fails: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Role:
    """Who holds a role: the id of a replica, "" for nobody; its name and a time of day since when, for people."""

    holder: str = ""
    name: str = ""
    since: str = ""


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """A record and its revision."""

    record: T
    revision: int


@dataclass(frozen=True, slots=True)
class View:
    """Some records as they were read: replicas by id, roles by name. They may be older than what was read before."""

    replicas: Mapping[str, Found[Replica]] = field(default_factory=dict)
    roles: Mapping[str, Found[Role]] = field(default_factory=dict)


def write_replica(replica: Replica) -> bytes:
    """Return the record of *replica*."""
    return orjson.dumps({"format": RECORD_FORMAT, **asdict(replica)})


def write_role(role: Role) -> bytes:
    """Return the record of *role*."""
    return orjson.dumps({"format": RECORD_FORMAT, **asdict(role)})


def read_replica(name: str, value: bytes) -> Replica:
    """Read what :func:`write_replica` wrote for the id *name*. What can't be read is renewed by nobody: it will end."""
    found = _object(value)
    try:
        return Replica(
            name,
            str(found["name"]),
            str(found["since"]),
            int(found["beat"]),
            tuple(map(str, found["roles"])),
            found["sees"] if isinstance(found["sees"], bool) else None,
            bool(found["left"]),
            tuple(map(str, found.get("fails", ()))),
        )
    except (KeyError, TypeError, ValueError):
        return Replica(name, "", "")


def read_role(value: bytes) -> Role:
    """Read what :func:`write_role` wrote. What can't be read is held by nobody."""
    found = _object(value)
    try:
        return Role(str(found["holder"]), str(found["name"]), str(found["since"]))
    except KeyError:
        return Role()


def _object(value: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(value)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}
