"""What a running kigeon serves by HTTP, as Prometheus and a kubelet ask for it."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.error import HTTPError

from prometheus_client.parser import text_string_to_metric_families

from tests.support.kigeon import Kigeon
from tests.support.processes import wait_until

DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Asks nobody but whom it names; urllib's own opener keeps the proxies of the environment it was first used in."""

LISTEN = {"listen": "127.0.0.1:0"}


def address(kigeon: Kigeon) -> str:
    """Return where a kigeon serves HTTP."""

    def find() -> str:
        told = [line for line in kigeon.log() if line["message"].endswith("are served")]
        return str(told[-1]["address"]) if told else ""

    return wait_until(find, what="an address")


def get(kigeon: Kigeon, path: str, accept: str = "text/plain") -> tuple[int, str]:
    """Return status and body of what is served under *path*."""
    request = urllib.request.Request(f"http://{address(kigeon)}{path}", headers={"Accept": accept})
    try:
        with DIRECT.open(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


def checks(kigeon: Kigeon, path: str) -> Mapping[str, str]:
    """Return the reasons of the checks that fail."""
    _, body = get(kigeon, path, "application/json")
    return {check["name"]: check["reason"] for check in json.loads(body)["checks"] if not check["passed"]}


def scrape(kigeon: Kigeon) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Return every sample by its name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(get(kigeon, "/metrics")[1])
        for sample in family.samples
    }


def value(kigeon: Kigeon, name: str, **labels: str) -> float | None:
    """Return one sample."""
    return scrape(kigeon).get((name, frozenset(labels.items())))


def told_by_metrics(kigeon: Kigeon) -> dict[str, Any]:
    """Return the accounts as ``kigeon status`` tells them, from the metrics."""
    found = scrape(kigeon)
    watcher = {
        name: found.get((f"kigeon_events_{name}_total", frozenset()))
        for name in ("received", "stored", "repeated", "unreadable")
    }
    senders: dict[str, dict[str, float]] = {}
    for (name, labels), count in found.items():
        if name == "kigeon_sender_account_events":
            told = dict(labels)
            senders.setdefault(told["sender"], {})[told["account"]] = count
    return {"watcher": watcher, "senders": senders}


def told_by_status(kigeon: Kigeon) -> dict[str, Any]:
    """Return the same from the command."""
    status = kigeon.ask("status")
    status["watcher"].pop("watchedUntil")
    for sender in status["senders"].values():
        assert sender.pop("unaccounted") == 0
    return {"watcher": status["watcher"], "senders": status["senders"]}


OUTCOMES = ("sent", "filtered", "skipped", "parked", "evicted", "waiting")


def told_by_audit(kigeon: Kigeon) -> dict[str, Any]:
    """Return how many Events of the cluster ended how for each sender, from the audit."""
    audit = kigeon.ask("audit")
    assert audit["unaccounted"] == 0
    found = {
        name: {outcome: counts.get(outcome, 0) for outcome in OUTCOMES} for name, counts in audit["senders"].items()
    }
    assert all(sum(counts.values()) == audit["listed"] for counts in found.values()), audit["senders"]
    return found


def outcomes(told: dict[str, Any]) -> dict[str, Any]:
    """Return the same from what status or the metrics told."""
    return {name: {outcome: counts[outcome] for outcome in OUTCOMES} for name, counts in told["senders"].items()}


def settled(kigeon: Kigeon) -> dict[str, Any]:
    """Return what status tells once the metrics tell the same: they are told what has changed every few seconds."""
    wait_until(lambda: told_by_metrics(kigeon) == told_by_status(kigeon), what="figures that are the accounts")
    return told_by_status(kigeon)
