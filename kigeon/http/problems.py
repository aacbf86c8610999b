"""Finds the problems in the data of ``/api/status``, each with its cure. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kigeon.clock import CLOCK_CURE
from kigeon.http.moments import number

Told = Mapping[str, Any]

MOST_SKEW = 30
"""Seconds by which clocks may differ; an API server's Date header has whole seconds, and takes a while to arrive."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem; ``is_bad`` says that an operator has to act, and that waiting does not help."""

    title: str
    text: str
    cure: str = ""
    is_bad: bool = True


def problems(told: Told) -> list[Problem]:
    """Return the problems, the worst first."""
    found = [*_checks(told), *_senders(told), *_cluster(told)]
    return sorted(found, key=lambda problem: not problem.is_bad)


def _checks(told: Told) -> Iterator[Problem]:
    failing = [check for name in ("livez", "readyz") for check in told["checks"][name] if not check["passed"]]
    # One reason may fail both liveness and readiness.
    yield from {check["reason"]: Problem(check["name"], check["reason"]) for check in failing}.values()


def _senders(told: Told) -> Iterator[Problem]:
    for name, sender in told["senders"].items():
        for lane in sender["held"]:
            what = f"a stream of {lane['destination']}" if lane["stream"] else lane["destination"]
            yield Problem(f"{name}: {what} takes nothing", lane["reason"], lane["cure"], lane["state"] == "held")
        for trouble in sender["troubles"]:
            yield Problem(f"{name}: {trouble['what']}", trouble["reason"], trouble["cure"])
        if sender.get("parked"):
            yield Problem(
                f"{name}: {number(sender['parked'])} events are parked",
                "They can't be delivered.",
                "kigeon dead-letter list says why; kigeon dead-letter replay tries them again",
                is_bad=False,
            )
        if sender.get("evicted"):
            yield Problem(
                f"{name}: {number(sender['evicted'])} events were evicted",
                "They went from the queue before they could be sent.",
                "raise queue.eventsMaxAge and queue.eventsMaxBytes",
            )


def _cluster(told: Told) -> Iterator[Problem]:
    cluster = told["cluster"]
    failing = any(check["name"] == "cluster" and not check["passed"] for check in told["checks"]["readyz"])
    if cluster["problem"] and not failing:
        yield Problem("The API server", cluster["problem"], is_bad=False)
    if abs(ahead := cluster["clockAhead"]) > MOST_SKEW:
        way = "behind" if ahead > 0 else "ahead of"
        said = f"It is {abs(ahead)} s {way} that of the API server."
        yield Problem("This machine's clock", said, CLOCK_CURE)
    if cluster["lastGap"]:
        began, ended = cluster["lastGap"]
        yield Problem("Events may be missing", f"The cluster was not watched from {began} to {ended}.", is_bad=False)
