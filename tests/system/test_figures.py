"""Whatever happened: what the metrics tell is what status tells, and that is what an audit finds."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from kigeon.observability.accounts import OUTCOMES
from kigeon.standin.apiserver import ApiServer
from tests.support.events import make_event
from tests.support.http import LISTEN, outcomes, settled, told_by_audit
from tests.support.kigeon import Kigeon, accounts, loki_sender
from tests.support.loki import Loki
from tests.support.processes import is_running, wait_until

HOOK = """
def transform(config, event):
    return None if event["source"]["host"] == "node-3" else config
"""
EVENTS, STRIKES = 40, ("sender/loki", "deduplicator", "watcher", "queue", "sender/hooked", "nats-server", "tree")


def test_after_everything_was_killed_the_figures_are_the_accounts(tmp_path: Path, api: ApiServer, loki: Loki) -> None:
    (tmp_path / "hook.star").write_text(HOOK)
    api.put_namespace("shop", {"team": "web"})
    api.put_namespace("bank", {"team": "bank"})
    loki.refuse = lambda line: line.fields["uid"].endswith("7")
    with Loki() as away, Loki() as other:
        away.always = lambda tenant: 503
        senders = [
            loki_sender(loki, filter={"namespaceSelector": {"matchLabels": {"team": "web"}}}),
            loki_sender(other, "hooked", hook={"script": "../hook.star"}),
            loki_sender(away, "away"),
        ]
        with Kigeon(tmp_path / "kigeon", api, senders, http=LISTEN) as kigeon:
            for number, what in enumerate(STRIKES):
                put(api, range(number * EVENTS, number * EVENTS + EVENTS))
                strike(kigeon, what)
                total = number * EVENTS + EVENTS
                wait_until(lambda total=total: ended(kigeon) == total, what=f"the end of {total} events")
            status = settled(kigeon)
            assert outcomes(status) == told_by_audit(kigeon)
            total = EVENTS * len(STRIKES)
            found = outcomes(status)
            assert found["away"]["waiting"] == total
            assert found["loki"]["filtered"] == total / 4
            assert 0 < found["loki"]["parked"] < total / 4
            assert found["hooked"]["skipped"] + found["hooked"]["sent"] == total
            assert found["hooked"]["skipped"] > 0


def put(api: ApiServer, numbers: range) -> None:
    """Have events happen, a quarter of them in the bank."""
    api.put_events([make_event(number, "bank" if number % 4 == 0 else "shop") for number in numbers])


def ended(kigeon: Kigeon) -> int:
    """Return how many events have ended for both senders whose destination is there, as they said last."""
    told = [accounts(kigeon, f"sender/{name}") for name in ("loki", "hooked")]
    return min(sum(report.get(outcome, 0) for outcome in OUTCOMES) for report in told)


def strike(kigeon: Kigeon, what: str) -> None:
    """Kill a part of it, or everything at once."""
    if what == "tree":
        kigeon.kill_tree()
        kigeon.start()
        return
    pid = kigeon.process("nats-server") if what == "nats-server" else kigeon.actor(what)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not is_running(pid), what=f"the end of {what}")
