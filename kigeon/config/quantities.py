"""Durations as Go writes them, sizes as Kubernetes does."""

from __future__ import annotations

import re
from decimal import Decimal

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_DURATION = re.compile(rf"(?:{_PART.pattern})+", re.ASCII)

_SUFFIXES = {
    "": 1,
    "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15, "E": 10**18,
    "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "Ei": 2**60,
}  # fmt: skip
_SIZE = re.compile(r"(\d+(?:\.\d*)?|\.\d+)([A-Za-z]*)", re.ASCII)

_MAX = 2**63 - 1
"""Go and JetStream hold nanoseconds and bytes in 64 bits: a larger value would be refused only when it is used."""


def parse_duration(text: str) -> float:
    """Return a duration like ``1h30m``, ``100ms`` or ``0`` in seconds; ValueError for what is none."""
    if text == "0":
        return 0.0
    if not _DURATION.fullmatch(text):
        raise ValueError(f"{text!r} is no duration")
    seconds = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    if seconds > _MAX / 1e9:
        raise ValueError(f"{text!r} is no duration")
    return seconds


def parse_size(text: str) -> int:
    """Return a size like ``500Mi``, ``1.5G`` or ``1048576`` in bytes, rounded up; ValueError for what is none."""
    match = _SIZE.fullmatch(text)
    if match is None or match[2] not in _SUFFIXES:
        raise ValueError(f"{text!r} is no size")
    exact = Decimal(match[1]) * _SUFFIXES[match[2]]
    if exact > _MAX:
        raise ValueError(f"{text!r} is no size")
    return int(exact.to_integral_value(rounding="ROUND_CEILING"))
