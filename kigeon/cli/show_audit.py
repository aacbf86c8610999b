"""What ``kigeon audit`` shows: the answer's Events, and the sums at the end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from kigeon.cli.asking import Part
from kigeon.cli.table import Table, clean
from kigeon.cli.terminal import Look

OUTCOMES = ("sent", "filtered", "skipped", "parked", "dropped", "evicted", "waiting", "earlier", "unknown")


def audit_lines(parts: Iterable[Part], look: Look) -> Iterator[str]:
    """Yield a line for each Event that was asked for (all, or those with which something is wrong), then the sums."""
    answer: dict[str, Any] = {}
    shown = 0
    for part in parts:
        if part.whole:
            answer[part.name] = part.value
            continue
        for event in part.value:
            shown += 1
            name = clean(f"{event['namespace']}/{event['name']}")
            line = f"{name} (count {event['count']}): {'; '.join(_statuses(event))}"
            yield line if event["accounted"] else look.paint(line, "red")
    if shown:
        yield ""
    yield from _sums("SENDER", answer["senders"], look)
    if answer["loki"]:
        yield from ("", *_sums("IN LOKI", answer["loki"], look))
    said = f"{answer['listed']} Events are in the cluster, {answer['unaccounted']} of them unaccounted for"
    yield from ("", look.paint(said, "red" if answer["unaccounted"] else "green"))


def _sums(title: str, sums: Mapping[str, Mapping[str, int]], look: Look) -> Iterator[str]:
    found = {what for counts in sums.values() for what in counts}
    columns = [*(what for what in OUTCOMES if what in found), *sorted(found - set(OUTCOMES))]
    table = Table((title, *(what.upper() for what in columns)))
    for name, counts in sums.items():
        table.add(name, *(counts.get(what, 0) for what in columns))
    yield from table.lines(look)


def _statuses(event: Mapping[str, Any]) -> Iterator[str]:
    if not event["accounted"]:
        yield "UNACCOUNTED FOR"
    for name, status in event["senders"].items():
        reason = f" ({clean(status['reason'])})" if status["reason"] else ""
        loki = f", {status['loki']} in Loki" if "loki" in status else ""
        yield f"{name} {status['outcome']}{reason}{loki}"
