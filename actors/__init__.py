"""The running system: actors on Thespian, which are thin wrappers of the library's domain objects."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def _no_name_lookups() -> Iterator[None]:
    """Prevent the import of Thespian from looking up the host's name, which hangs for minutes without a resolver."""
    saved = socket.getfqdn, socket.getaddrinfo
    socket.getfqdn = lambda name="": "localhost"
    socket.getaddrinfo = lambda *args, **kwargs: []
    try:
        yield
    finally:
        socket.getfqdn, socket.getaddrinfo = saved


with _no_name_lookups():
    import thespian.actors
    import thespian.system.multiprocCommon  # noqa: F401 - whoever imports it later does not look up either
