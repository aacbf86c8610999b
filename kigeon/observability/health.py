"""Health, as Kubernetes asks for it: what is checked, and why a check fails. Pure.

``/livez`` fails when kigeon can't heal itself, so that a restart is worth a try; ``/readyz`` when it does not do its
work. Nothing here looks at destinations: one that is away is no reason for either.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kigeon.observability.snapshot import MEMBERSHIP, PIPELINE, SENDER, Moment, Part, Snapshot
from kigeon.roles import PIPELINE as PIPELINE_ROLE
from kigeon.roles import sender_role

SILENCE = 60.0
"""Seconds without a word of the root after which it hangs; it may wait for a quarter of that."""

FAILURES = 6
"""Times in a row that the actor system was built in vain: by then some 20 seconds have gone into waiting alone."""

HEALTHY = 60.0
"""Seconds for which the actor system has to run until what failed before is forgotten."""

BROKEN_FOR = 600.0
"""Seconds without nats-server, or an actor of the pipeline, after which kigeon does not heal itself any more."""

GRACE = 15.0
"""Seconds that an actor or nats-server may take to be replaced; the work goes on after it as if nothing had been."""

UNSTORED = 15.0
"""Seconds that it may take to store a batch: three attempts, as the configuration has it by default."""

UNHEARD = 180.0
"""Seconds without a word of the API server: a watch that is silent is made anew each minute."""


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at, and the reason why it fails; "" where it is well."""

    name: str
    reason: str = ""

    @property
    def passed(self) -> bool:
        """Whether it is well."""
        return not self.reason


def livez(snapshot: Snapshot, age: float, now: Moment) -> list[Check]:
    """Return what tells whether kigeon heals itself; *age* is how old the *snapshot* is, in seconds."""
    return [
        Check("root", _hung(age)),
        Check("actors", _failing(snapshot, now)),
        # A JetStream that others keep comes back, or does not, whether or not kigeon is restarted.
        Check("nats-server", "" if snapshot.external else _broken("nats-server", snapshot.nats_server, now)),
    ]


def readyz(snapshot: Snapshot, age: float, now: Moment) -> list[Check]:
    """Return what tells whether kigeon does its work."""
    return [
        Check("root", _hung(age) or ("it is stopping" if snapshot.stopping else "")),
        Check("nats-server", _missing("nats-server", snapshot.nats_server, now)),
        *_membership(snapshot, now),
        *_pipeline(snapshot, now),
        *(
            Check(f"{SENDER}{name}", _missing("the sender", snapshot.sender(name), now))
            for name in snapshot.senders
            if snapshot.holds(sender_role(name))
        ),
    ]


def _membership(snapshot: Snapshot, now: Moment) -> Iterator[Check]:
    """Of one of several replicas: whether it takes part. One that holds no role is ready to take one over."""
    if snapshot.external:
        membership = snapshot.child(MEMBERSHIP)
        reason = _missing("what keeps the lease", membership, now)
        unknown = "" if "holds" in membership.report else "it does not take part among the replicas yet"
        yield Check(MEMBERSHIP, reason or unknown)


def _pipeline(snapshot: Snapshot, now: Moment) -> Iterator[Check]:
    if snapshot.holds(PIPELINE_ROLE):
        yield from (Check(name, _missing(f"the {name}", snapshot.child(name), now)) for name in PIPELINE)
        yield Check("cluster", _unlisted(snapshot) or _unheard(snapshot, now))
        yield Check("store", _unstored(snapshot, now))


def passed(checks: list[Check]) -> bool:
    """Whether all is well."""
    return all(check.passed for check in checks)


def _hung(age: float) -> str:
    return f"the root process has said nothing for {age:.0f} s" if age > SILENCE else ""


def _failing(snapshot: Snapshot, now: Moment) -> str:
    actors = snapshot.actors
    if actors.failures >= FAILURES and not (actors.ready and now.steady - actors.since >= HEALTHY):
        return f"the actor system was built {actors.failures} times in a row and does not stay: {actors.problem}"
    return next(_broken_actors(snapshot, now), "")


def _broken_actors(snapshot: Snapshot, now: Moment) -> Iterator[str]:
    for name in PIPELINE:
        part = snapshot.child(name)
        if part.since and (reason := _broken(f"the {name}", part, now)):
            yield reason


def _broken(what: str, part: Part, now: Moment) -> str:
    gone = now.steady - part.since
    return f"{what} has not run for {gone:.0f} s" if not part.ready and part.since and gone > BROKEN_FOR else ""


def _missing(what: str, part: Part, now: Moment) -> str:
    if part.ready:
        return part.problem
    if not part.was_ready:
        return part.problem or f"{what} has not started yet"
    gone = now.steady - part.since
    return part.problem or f"{what} has not run for {gone:.0f} s" if gone > GRACE else ""


def _unlisted(snapshot: Snapshot) -> str:
    report = snapshot.child("watcher").report
    if report.get("lists") or report.get("watches"):
        return ""
    problem = report.get("problem")
    return f"no list yet: {problem}" if problem else "no list yet"


def _unheard(snapshot: Snapshot, now: Moment) -> str:
    report = snapshot.child("watcher").report
    heard = now.steady - report.get("heardAt", 0.0)
    # Nothing is read while what was read can't be stored.
    if report.get("waiting") or heard <= UNHEARD:
        return ""
    return f"the API server was not heard for {heard:.0f} s: {report.get('problem') or 'it says nothing'}"


def _unstored(snapshot: Snapshot, now: Moment) -> str:
    report = snapshot.child("queue").report
    if snapshot.nats_server.problem and not snapshot.external:
        return f"nats-server does not store: {snapshot.nats_server.problem}"
    if not report.get("open") and not snapshot.child("queue").was_ready:
        return "the events stream is not open yet"
    since = report.get("storingSince", 0.0)
    trying = now.steady - since if since else 0.0
    return f"a batch could not be stored for {trying:.0f} s" if trying > UNSTORED else ""
