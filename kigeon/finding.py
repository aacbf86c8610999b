"""What was found: that something works, or what is wrong with it and what cures that."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """About one *subject*. ``said`` is what was found, ``cure`` what an operator can do where it is not well."""

    subject: str
    is_well: bool
    said: str
    cure: str = ""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that failed while kigeon ran, and may fail again: why it did, and what an operator can do about it.

    ``at`` is when it failed last, on the steady clock.
    """

    what: str
    reason: str
    cure: str
    at: float


def well(subject: str, said: str) -> Finding:
    """Return that *subject* works."""
    return Finding(subject, True, said)


def failed(subject: str, said: str, cure: str) -> Finding:
    """Return what is wrong with *subject*."""
    return Finding(subject, False, said, cure)
