"""Explains why a data directory can't be used, with the cure."""

from __future__ import annotations

import errno
import os
from pathlib import Path


def owner_of(place: Path) -> str:
    """Return a remark on the owner of *place* for an error message; "" where *place* belongs to this process's user."""
    try:
        owner = place.stat().st_uid
    except OSError:
        return ""
    if os.geteuid() == owner:
        return ""
    return f" ({place} belongs to the user {owner}, this process runs as the user {os.geteuid()})"


def cure_of(error: OSError) -> str:
    """Return the cure of an *error* of the data directory."""
    if error.errno == errno.EROFS:
        return "mount the volume for writing (readOnly: false)"
    if error.errno in (errno.EACCES, errno.EPERM):
        return "give the directory to the user that kigeon runs as (securityContext.fsGroup, or chown)"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "give it a larger volume, or lower queue.eventsMaxBytes"
    return "name a directory that can be written to (global.dataDir)"
