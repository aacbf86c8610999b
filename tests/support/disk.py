"""A disk of a test's own, in a private mount namespace: it fills up, turns read-only, dies, and loses its power.

A process holds the namespace. kigeon is started in it; a test looks into it through ``/proc``. Both need root.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Self

import pytest

from tests.support.processes import wait_until

_EXT4_IOC_SHUTDOWN = 0x8004587D
_WITHOUT_THE_JOURNAL = 2

_HOLD = "echo ready && exec cat"


class Disk:
    """A context manager: mounted at *place* for those in its namespace, until it is left.

    Memory of *megabytes* by default. With *image*, an ext4 file system in that file: it can lose its power.
    """

    def __init__(self, place: Path, megabytes: int, image: Path | None = None) -> None:
        self._place = place
        self._image = image
        self._size = megabytes
        self._holder: subprocess.Popen[bytes] | None = None
        place.mkdir(parents=True, exist_ok=True)
        if image is not None:
            with image.open("wb") as file:
                file.truncate(megabytes * 2**20)
            subprocess.run(["mkfs.ext4", "-q", image], check=True)

    @property
    def enter(self) -> list[str]:
        """What comes before a command that is to run where the disk is mounted."""
        return ["nsenter", "-t", str(self._pid), "-m"]

    @property
    def root(self) -> Path:
        """The disk as everybody can see it."""
        return Path(f"/proc/{self._pid}/root{self._place}")

    def __enter__(self) -> Self:
        self.mount()
        return self

    def __exit__(self, *error: object) -> None:
        self.unmount()

    def mount(self) -> None:
        """Mount it; skip the test where that is not permitted."""
        options = ["-t", "tmpfs", "-o", f"size={self._size}m", "none"] if self._image is None else ["-o", "loop"]
        source = [] if self._image is None else [str(self._image)]
        mount = ["unshare", "-m", "sh", "-c", f'mount "$@" && {_HOLD}', "mount", *options, *source, str(self._place)]
        try:
            self._holder = subprocess.Popen(
                mount, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
        except FileNotFoundError as error:
            pytest.skip(f"a disk of its own needs {error.filename}")
        stdout, stderr = self._holder.stdout, self._holder.stderr
        assert stdout is not None
        assert stderr is not None
        if stdout.readline() != b"ready\n":
            said = stderr.read().decode().strip()
            self.unmount()
            pytest.skip(f"mounting a disk is not permitted here: {said}")

    def unmount(self) -> None:
        """Unmount it: it goes with the last process in its namespace."""
        if self._holder is not None:
            self._holder.kill()
            self._holder.communicate()
            self._holder = None
        if self._image is not None:
            loops = ["losetup", "-j", str(self._image)]
            wait_until(lambda: not subprocess.run(loops, capture_output=True, check=True).stdout, what="unmounting")

    def fill(self) -> None:
        """Leave no room, whatever is freed meanwhile by others; :meth:`free` makes room again."""
        with (self.root / "filler").open("ab", buffering=0) as filler, suppress(OSError):
            for size in (2**20, 4096, 1):
                with suppress(OSError):
                    while True:
                        filler.write(b"\0" * size)

    def free(self) -> None:
        """Make room."""
        (self.root / "filler").unlink()

    def remount(self, options: str) -> None:
        """Mount it again with other *options*."""
        command = [*self.enter, "mount", "-o", f"remount,{options}", str(self._place)]
        subprocess.run(command, check=True, capture_output=True)

    def lose_power(self) -> None:
        """From now on nothing reaches the disk any more; what was not made durable before is gone."""
        descriptor = os.open(self.root, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, _EXT4_IOC_SHUTDOWN, struct.pack("I", _WITHOUT_THE_JOURNAL))
        except OSError as error:
            if error.errno not in (errno.ENOTTY, errno.EOPNOTSUPP, errno.EPERM):
                raise
            pytest.skip(f"this kernel has no switch for a disk's power: {error}")
        finally:
            os.close(descriptor)

    @property
    def _pid(self) -> int:
        assert self._holder is not None, "the disk is not mounted"
        return self._holder.pid
