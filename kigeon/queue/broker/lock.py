"""The lock of a data directory, which lets only one kigeon use the directory at a time.

A child process can inherit the lock, which is then free only when both processes are gone.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from kigeon.errors import DataDirectoryInUse, StartError
from kigeon.queue.broker.volume import cure_of, owner_of

LOCK_PATIENCE = 2.0
"""Seconds to wait for the lock, since the processes of a kigeon that was killed may still be ending."""


class DirectoryLock:
    """A context manager within which the directory exists and is locked.

    Raises :class:`StartError` with the place and the cure, :class:`DataDirectoryInUse` where another has the lock.
    """

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self.descriptor: int | None = None
        """The file descriptor that holds the lock, for a child to inherit; None while the directory is not locked."""

    def __enter__(self) -> Self:
        try:
            self._data_dir.mkdir(parents=True, exist_ok=True)
            lock = os.open(self._data_dir / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise unusable(self._data_dir, error) from error
        deadline = time.monotonic() + LOCK_PATIENCE
        while not _flock(lock) and time.monotonic() < deadline:
            time.sleep(0.02)
        if not _flock(lock):
            holder = os.pread(lock, 20, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(lock)
            raise DataDirectoryInUse(
                f"global.dataDir {self._data_dir} is in use by another kigeon (process {holder}): "
                "stop that one, or give this one a directory of its own"
            )
        try:
            # Writing before truncating never needs new room, so that a full disk does not matter.
            os.ftruncate(lock, os.pwrite(lock, str(os.getpid()).encode(), 0))
        except OSError as error:
            os.close(lock)
            raise unusable(self._data_dir, error) from error
        self.descriptor = lock
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None


def unusable(data_dir: Path, error: OSError) -> StartError:
    """Return an error that says what is wrong with *data_dir*, and its cure."""
    said = f"{error.strerror or error}{owner_of(data_dir)}"
    return StartError(f"global.dataDir {data_dir} can't be used: {said}: {cure_of(error)}")


def _flock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
