"""A control group of the kernel's: what is in it gets no more memory than it may have, and is killed instead."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Self

import pytest

from tests.support.processes import wait_until

_ROOT = Path("/sys/fs/cgroup")


class MemoryGroup:
    """A context manager. What processes had before they were taken in does not count, what they ask for then does."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._is_first_version = (_ROOT / "memory").is_dir()
        self._parent = _ROOT / "memory" if self._is_first_version else _ROOT
        self._folder = self._parent / f"kigeon-test-{os.getpid()}"

    def __enter__(self) -> Self:
        try:
            self._folder.mkdir()
        except OSError as error:
            pytest.skip(f"no control group can be made here: {error}")
        limit = self._folder / ("memory.limit_in_bytes" if self._is_first_version else "memory.max")
        try:
            limit.write_text(str(self._limit))
        except OSError as error:
            self._folder.rmdir()
            pytest.skip(f"the memory of a control group can't be limited here: {error}")
        return self

    def __exit__(self, *error: object) -> None:
        wait_until(self._is_removed, what="the end of a control group")

    def take(self, *pids: int) -> None:
        """Take processes in; those that they start are in it, too."""
        for pid in pids:
            with suppress(ProcessLookupError):
                (self._folder / "cgroup.procs").write_text(str(pid))

    @property
    def kills(self) -> int:
        """How many processes the kernel has killed for want of memory."""
        told = self._folder / ("memory.oom_control" if self._is_first_version else "memory.events")
        return int(dict(line.split() for line in told.read_text().splitlines())["oom_kill"])

    def _is_removed(self) -> bool:
        for pid in (self._folder / "cgroup.procs").read_text().split():
            with suppress(ProcessLookupError):
                (self._parent / "cgroup.procs").write_text(pid)
        with suppress(OSError):
            self._folder.rmdir()
        return not self._folder.exists()
