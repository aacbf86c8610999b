"""What ``kigeon status`` shows: the accounts as a table, and what each sender waits for."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from kigeon.cli.table import Table, clean, paragraph, span
from kigeon.cli.terminal import Look

COUNTS = ("stored", "sent", "waiting", "filtered", "skipped", "parked", "evicted")
INDENT = 2


def status_lines(answer: Mapping[str, Any], look: Look, now: float | None = None) -> Iterator[str]:
    """Yield the lines of a status; *now* is in seconds since the epoch."""
    now = time.time() if now is None else now
    yield from _watcher(answer["watcher"], look, now)
    yield ""
    yield from _senders(answer["senders"], answer.get("waits", {}), look)
    yield from _roles(answer.get("roles", {}), answer.get("replicas", []), look, now)
    for name, accounts in answer["senders"].items():
        yield from _details(name, accounts, answer.get("waits", {}).get(name, ()), look, now)


def _watcher(watcher: Mapping[str, Any], look: Look, now: float) -> Iterator[str]:
    table = Table(("RECEIVED", "STORED", "REPEATED", "UNREADABLE", "WATCHED UNTIL"))
    until = watcher["watchedUntil"]
    watched = f"{span(now - _seconds(until))} ago" if until else "not watched yet"
    table.add(watcher["received"], watcher["stored"], watcher["repeated"], watcher["unreadable"], watched)
    yield from table.lines(look)


def _senders(senders: Mapping[str, Any], waits: Mapping[str, Any], look: Look) -> Iterator[str]:
    table, styles = Table(("SENDER", *(count.upper() for count in COUNTS))), []
    for name, accounts in senders.items():
        table.add(name, *(accounts[count] for count in COUNTS))
        styles.append(_style(accounts, waits.get(name, ())))
    yield from table.lines(look, styles=styles)


def _roles(roles: Mapping[str, Any], replicas: Sequence[Mapping[str, Any]], look: Look, now: float) -> Iterator[str]:
    """Yield who does what of several replicas, and then those that wait to take over."""
    if not replicas:
        return
    yield ""
    table, styles = Table(("ROLE", "REPLICA", "SINCE")), []
    for role, held in roles.items():
        since = f"{span(now - _seconds(held['since']))} ago" if held["replica"] else ""
        table.add(role.replace("sender.", "sender "), held["replica"] or "nobody", since)
        styles.append("" if held["replica"] else "red")
    for replica in replicas:
        if not replica["roles"]:
            table.add("standby", replica["name"], f"{span(now - _seconds(replica['since']))} ago")
            styles.append("")
    yield from table.lines(look, styles=styles)


def _style(accounts: Mapping[str, Any], waits: Any) -> str:
    if accounts["unaccounted"] or "problem" in accounts or any(wait["held"] for wait in waits):
        return "red"
    return "yellow" if waits else ""


def _details(name: str, accounts: Mapping[str, Any], waits: Any, look: Look, now: float) -> Iterator[str]:
    """Yield what needs attention; nothing where all is well with the sender."""
    if accounts["resent"]:
        yield from ("", f"{name}: {accounts['resent']} were sent again on an operator's request")
    if accounts["unaccounted"]:
        yield from ("", look.paint(f"{name}: {accounts['unaccounted']} are NOT ACCOUNTED FOR", "red", "bold"))
    if "problem" in accounts:
        yield from ("", *paragraph(f"{name}: ", accounts["problem"], look, 0))
    for wait in waits:
        yield ""
        yield from _wait(name, wait, look, now)


def _wait(name: str, wait: Mapping[str, Any], look: Look, now: float) -> Iterator[str]:
    what = f"{wait['events']} events wait" if wait["events"] else "not known what waits"
    where = f" for {clean(wait['destination'])}" if wait["destination"] else ""
    stream = f", stream {clean(wait['queue'])}" if wait["queue"] else ""
    style = "red" if wait["held"] else "yellow"
    yield from (look.paint(line, style) for line in paragraph(f"{name}: ", f"{what}{where}{stream}", look, 0))
    yield from paragraph("why   ", wait["reason"], look, INDENT)
    if wait["cure"]:
        yield from paragraph("cure  ", wait["cure"], look, INDENT)
    if wait["since"]:
        following = f", tried again in {span(_seconds(wait['nextTry']) - now)}" if wait["nextTry"] else ""
        yield f"{' ' * INDENT}since {wait['since']}, for {span(now - _seconds(wait['since']))}{following}"


def _seconds(time_: str) -> float:
    return datetime.fromisoformat(time_).timestamp()
