"""What ``kigeon dead-letter`` shows: letters below the reason that they share, or each on a line of its own."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from kigeon.cli.table import Table, clean, paragraph, span
from kigeon.cli.terminal import Look

FEW = 20
"""Up to this many letters all are shown; of more, :data:`EXAMPLES` of each reason."""

EXAMPLES = 3
MOST_REASONS = 50
MOST_OF_A_REASON = 80
"""Characters by which two reasons are told apart."""

OTHERS = "other reasons"

_PARTICULARS = re.compile(r"""\{[^}]*\}|"[^"]*"|'[^']*'|\b\d[\w:.+-]*""")
"""What differs between two letters that were refused for the same reason: labels, quoted texts, numbers, times."""


@dataclass(slots=True)
class Group:
    """Letters of one sender that share a reason; ``shown`` are the first of them."""

    sender: str
    reason: str
    count: int = 0
    since: list[str] = field(default_factory=list)
    shown: list[Mapping[str, Any]] = field(default_factory=list)

    def add(self, letter: Mapping[str, Any]) -> None:
        """Count *letter*."""
        self.count += 1
        self.since = [min([*self.since[:1], letter["since"]]), max([*self.since[1:], letter["since"]])]
        if len(self.shown) < FEW:
            self.shown.append(letter)


def kind_of(reason: str) -> str:
    """Return how *reason* begins, without its particulars, so that letters can be grouped; the status stays.

    Loki says the same again for each line of a push, and what is long is cut somewhere.
    """
    first, _, rest = reason.partition(" ")
    return f"{first} {_PARTICULARS.sub('…', rest)}".strip()[:MOST_OF_A_REASON]


def grouped(letters: Iterable[Mapping[str, Any]]) -> list[Group]:
    """Return *letters* by sender and reason, the most frequent first; only letters to be shown are held."""
    groups: dict[tuple[str, str], Group] = {}
    for letter in letters:
        sender, kind = letter["id"].partition("/")[0], kind_of(letter["reason"])
        if (sender, kind) not in groups and len(groups) >= MOST_REASONS:
            kind = OTHERS
        group = groups.setdefault((sender, kind), Group(sender, OTHERS if kind == OTHERS else letter["reason"]))
        group.add(letter)
    return sorted(groups.values(), key=lambda group: -group.count)


def grouped_lines(letters: Iterable[Mapping[str, Any]], look: Look, now: float | None = None) -> Iterator[str]:
    """Yield what is parked, by reason; *now* is in seconds since the epoch."""
    now = time.time() if now is None else now
    groups = grouped(letters)
    total = sum(group.count for group in groups)
    most = FEW if total <= FEW else EXAMPLES
    for index, group in enumerate(groups):
        if index:
            yield ""
        yield look.paint(f"{group.sender}: {group.count} parked {_when(group, now)}", "bold")
        yield from paragraph("why   ", group.reason, look, 2)
        yield from (f"  {line}" for line in _table(group.shown[:most], look, now))
        if group.count > most:
            yield f"  … and {group.count - most} more"
    if total > FEW:
        yield from ("", f"{total} dead letters; --all shows each")


def letter_lines(letters: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield a line for each of *letters*, as they come."""
    for letter in letters:
        yield f"{letter['id']}  {letter['since']}  {_event(letter)}  {clean(letter['reason'])}"


def whole(letter: Mapping[str, Any]) -> str:
    """Return all that is known of a letter."""
    return orjson.dumps(letter, option=orjson.OPT_INDENT_2).decode()


def _table(letters: Iterable[Mapping[str, Any]], look: Look, now: float) -> Iterator[str]:
    table = Table(("ID", "AGE", "EVENT"))
    for letter in letters:
        table.add(letter["id"], _age(letter["since"], now), _event(letter))
    yield from table.lines(Look(max(look.width - 2, 0), look.coloured))


def _when(group: Group, now: float) -> str:
    oldest, newest = (_age(since, now) for since in group.since)
    return f"{oldest} ago" if oldest == newest else f"{oldest} to {newest} ago"


def _age(since: str, now: float) -> str:
    try:
        return span(now - datetime.fromisoformat(since).timestamp())
    except ValueError:
        return "?"


def _event(letter: Mapping[str, Any]) -> str:
    if "name" not in letter:
        return "(not readable)"
    return clean(f"{letter['namespace']}/{letter['name']} {letter['why']}")
