"""What the Supervisor's rooms decide, for the Supervisor to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Tell:
    """Send *message* to *address*."""

    address: Any
    message: Any


@dataclass(frozen=True, slots=True)
class Kill:
    """Kill the process *pid* of a child."""

    pid: int


Acts = list[Tell | Kill]
"""In the order in which they are done."""
