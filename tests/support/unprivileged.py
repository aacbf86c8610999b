"""Processes that may do less than those that start them."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path

CLONE_NEWNS = 0x00020000
MS_REMOUNT_READ_ONLY_BIND = 32 | 1 | 4096
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 24, 1, 2
MS_BIND, MS_PRIVATE_ALL = 4096, 1 << 18 | 16384


def in_a_namespace_where_it_is_read_only(path: Path) -> Callable[[], None]:
    """Return what a process does before it is executed, so that *path* is read-only for it alone; root may."""
    libc = ctypes.CDLL(None, use_errno=True)
    name = str(path).encode()

    def mount() -> None:
        for done in (
            libc.unshare(CLONE_NEWNS),
            libc.mount(None, b"/", None, MS_PRIVATE_ALL, None),
            libc.mount(name, name, None, MS_BIND, None),
            libc.mount(None, name, None, MS_REMOUNT_READ_ONLY_BIND, None),
        ):
            if done:
                raise OSError(ctypes.get_errno(), "no namespace")

    return mount


def as_a_user_like_any_other() -> None:
    """Let what is executed next have no right to files of others, though it is root."""
    libc = ctypes.CDLL(None, use_errno=True)
    for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
