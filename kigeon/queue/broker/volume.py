"""What is wrong with a data directory that can't be used, and what cures it."""

from __future__ import annotations

import errno
import os
from pathlib import Path


def owner_of(place: Path) -> str:
    """Return whose *place* is, to be said after an error, where it belongs to somebody else."""
    try:
        owner = place.stat().st_uid
    except OSError:
        return ""
    if os.geteuid() == owner:
        return ""
    return f" ({place} belongs to the user {owner}, this process runs as the user {os.geteuid()})"


def cure_of(error: OSError) -> str:
    """Return what an operator can do about an *error* of the data directory."""
    if error.errno == errno.EROFS:
        return "mount the volume for writing (readOnly: false)"
    if error.errno in (errno.EACCES, errno.EPERM):
        return "give the directory to the user that kigeon runs as (securityContext.fsGroup, or chown)"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "give it a larger volume, or lower queue.eventsMaxBytes"
    return "name a directory that can be written to (global.dataDir)"
