"""A whole kigeon, as a user runs it, before a hostile API server: what was told is in Loki, or its end is booked."""

from __future__ import annotations

import tempfile
from math import inf
from pathlib import Path
from typing import Any

from tests.fuzz.account import Account
from tests.fuzz.oracle import Kind
from tests.fuzz.server import Server
from tests.fuzz.watch import HostileApiServer
from tests.support.kigeon import Kigeon, loki_sender
from tests.support.loki import Loki
from tests.support.processes import wait_until

HOOK = """
def transform(config, event):
    if event["reason"] == "Started":
        return None
    config["streamLabels"]["kind"] = event["involvedObject"]["kind"]
    return config
"""
PATIENCE = 300.0


def whole(seed: int, lines: int) -> Account:
    """Have kigeon read *lines* hostile lines, and send what they tell by two senders, one with a hook."""
    api = HostileApiServer(seed, lines)
    with (
        Server(api.answer) as server,
        Loki() as plain,
        Loki() as hooked,
        tempfile.TemporaryDirectory(prefix="fuzz-") as name,
    ):
        folder = Path(name)
        (folder / "hook.star").write_text(HOOK)
        for loki in (plain, hooked):
            loki.limits.max_age = loki.limits.max_behind = loki.limits.max_ahead = inf
        senders = [loki_sender(plain, "plain"), loki_sender(hooked, "hooked", hook={"script": "hook.star"})]
        with Kigeon(folder, server, senders, global_={"logLevel": "warn"}) as kigeon:
            wait_until(lambda: api.is_done, timeout=PATIENCE, what="the end of what is told")
            try:
                wait_until(lambda: _is_at_rest(kigeon.ask("status"), api), timeout=PATIENCE, what="the end of it all")
            except TimeoutError:
                return Account({}, [f"it does not come to rest: {kigeon.ask('status')}, told {api.told}"])
            letters = kigeon.ask("dead-letter", "list")["deadLetters"]
            status = kigeon.ask("status")
            ended = kigeon.stop(60)
        log = kigeon.log_path.read_text()
    account = _account(status, {"plain": plain, "hooked": hooked}, letters)
    if ended != 0 or "Traceback" in log or '"level":"critical"' in log:
        account.wrong.append(f"it ended with {ended}; its log: {log[log.find('Traceback') :][:2000]}")
    return account


def _is_at_rest(status: dict[str, Any], api: HostileApiServer) -> bool:
    watcher = status["watcher"]
    told = watcher["received"] == api.told[Kind.EVENT] + api.told[Kind.UNREADABLE]
    return told and not any(sender["waiting"] for sender in status["senders"].values())


def _account(status: dict[str, Any], lokis: dict[str, Loki], letters: list[dict[str, Any]]) -> Account:
    watcher = status["watcher"]
    account = Account({key: watcher[key] for key in ("received", "stored", "repeated", "unreadable")})
    for name, loki in lokis.items():
        books = status["senders"][name]
        ends = {key: books[key] for key in ("sent", "filtered", "skipped", "parked", "evicted", "unaccounted")}
        account.figures |= {f"{name}: {key}": count for key, count in ends.items()}
        account.wrong += [f"{name}: a malformed push, {push}" for push in loki.malformed]
        # What is refused for a few of its lines is pushed again in halves: Loki drops what it holds of them.
        held = len(loki.lines)
        if not held <= ends["sent"] <= held + loki.repeats or sum(ends.values()) != watcher["stored"]:
            account.wrong.append(f"{name}: {held} lines are held, {loki.repeats} repeated; {books}")
        if ends["evicted"] or ends["unaccounted"] or ends["filtered"]:
            account.wrong.append(f"{name}: ended otherwise: {books}")
    # Nothing else of an event is to be refused than a line that is too long.
    strange = [letter for letter in letters if "max entry size" not in letter["reason"]]
    account.wrong += [f"parked for another reason: {letter}"[:500] for letter in strange]
    return account
