"""What a line of a watch is, by the standard library's JSON and the API's own words: a second opinion on kigeon's."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import Enum
from typing import Any

_ODD_NUMBER = re.compile(rb"[:,\[]\s*-?(?:\d{18}|\d[\d.]*[eE])")
_OUT_OF_RANGE = re.compile(rb"[:,\[]\s*-?(?:\d{300}|\d[\d.]*[eE]\+?\d{3})")
"""Numbers on which readers of JSON may differ, and Python's two do; and those beyond what a double holds."""

_PAIR = rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F]"
_HALF = re.compile(rb"\\u[dD][89a-fA-F]")
"""Half a character: some readers let it pass, and where a key is there twice it may go unnoticed."""

_DEEP = 200


class Kind(Enum):
    """What has to become of a line."""

    EVENT = "it has to arrive"
    DELETED = "it is counted"
    BOOKMARK = "it tells a version"
    ERROR = "it ends the watch"
    UNREADABLE = "it is skipped and counted"
    EITHER = "readers may differ: it arrives, or is skipped and counted"
    BLANK = "it is none"


@dataclass(slots=True)
class Opinion:
    """``event`` is what was read; not ``exact`` where it holds numbers that two readers may read differently."""

    kind: Kind
    event: Any = None
    exact: bool = True
    line: bytes = b""


_KINDS = {
    **dict.fromkeys(("ADDED", "MODIFIED"), Kind.EVENT),
    "DELETED": Kind.DELETED,
    "BOOKMARK": Kind.BOOKMARK,
    "ERROR": Kind.ERROR,
}


def opinion_of(line: bytes) -> Opinion:
    """Return what *line* is."""
    if not line.strip():
        return Opinion(Kind.BLANK)
    if line.count(b"[") + line.count(b"{") > _DEEP:
        return Opinion(Kind.EITHER)
    odd = bool(_ODD_NUMBER.search(line))
    try:
        found = json.loads(line.decode(), parse_constant=_refuse)
    except (ValueError, RecursionError):
        return Opinion(Kind.EITHER if odd else Kind.UNREADABLE)
    kind = _kind(found)
    if _HALF.search(re.sub(_PAIR, b"", line)) or (odd and _OUT_OF_RANGE.search(line)):
        return Opinion(Kind.EITHER)
    return Opinion(kind, found["object"] if kind is Kind.EVENT else None, not odd, line)


def _kind(found: Any) -> Kind:
    if not isinstance(found, dict) or not isinstance(found.get("object"), dict):
        return Kind.UNREADABLE
    name = found.get("type")
    kind = _KINDS.get(name, Kind.UNREADABLE) if isinstance(name, str) else Kind.UNREADABLE
    if kind is not Kind.ERROR and not isinstance(found["object"].get("metadata"), dict):
        return Kind.UNREADABLE
    return kind


def _refuse(constant: str) -> None:
    raise ValueError(constant)
