"""Limits the answers that go on for as long as a client reads them, and notices clients that are gone."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MOST_FOLLOWING = 2
"""Such answers at the same time; the other processes stay free for short answers."""

SIGN_OF_LIFE = 5.0
"""Seconds after which an empty part is written, by which a client that is gone is noticed."""

TOO_MANY = f"{MOST_FOLLOWING} others follow this kigeon already (status --watch, tail): end one of them"


@contextmanager
def following(folder: Path) -> Iterator[None]:
    """Hold one of :data:`MOST_FOLLOWING` places during a block; raises :class:`ValueError` where all are taken.

    A place is a lock on a file in *folder*, which ends with its process.
    """
    for number in range(MOST_FOLLOWING):
        place = os.open(folder / f"follower-{number}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(place)
            continue
        try:
            yield
        finally:
            os.close(place)
        return
    raise ValueError(TOO_MANY)
