"""The metrics of a snapshot. What is an account is one here too; the rest counts since a process began.

A counter of Prometheus must not go down, and a sender's accounts may: an event that was booked as sent may be sent
again, a dead letter replayed. So the accounts of senders are gauges, and how many events ended how since the sender's
process began is counted beside them.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from kigeon.observability.accounts import sender_accounts, watcher_accounts
from kigeon.observability.exposition import Family
from kigeon.observability.snapshot import MEMBERSHIP, Moment, Snapshot


def metrics(snapshot: Snapshot, now: Moment) -> Iterator[Family]:
    """Yield everything that is known of kigeon but its health and its processes."""
    yield from _about(snapshot)
    yield from _pipeline(snapshot)
    yield from _watch(snapshot, now)
    yield from _queue(snapshot)
    yield from _senders(snapshot)
    yield from _pushes(snapshot)
    yield from _parts(snapshot)
    yield from _roles(snapshot)


def health_metrics(is_live: bool, is_ready: bool) -> Iterator[Family]:
    """Yield what the health endpoints say."""
    yield gauge("kigeon_live", "Whether /livez passes.", int(is_live))
    yield gauge("kigeon_ready", "Whether /readyz passes.", int(is_ready))


def gauge(name: str, told: str, value: float | None) -> Family:
    """Return a gauge without labels; one without a value has no sample."""
    family = Family(name, "gauge", told)
    family.add(value)
    return family


def counter(name: str, told: str, value: float | None) -> Family:
    """Return a counter without labels; one without a value has no sample."""
    family = Family(name, "counter", told)
    family.add(value)
    return family


def _about(snapshot: Snapshot) -> Iterator[Family]:
    build = Family("kigeon_build_info", "gauge", "The version of kigeon, and of the Python that it runs on.")
    build.add(1, version=snapshot.version, python=platform.python_version())
    yield build
    yield gauge("kigeon_config_hash", "Tells configurations apart; secrets are no part of it.", snapshot.config_hash)
    yield gauge("kigeon_config_last_load_successful", "Whether the configuration in use was loaded whole.", 1)
    told = "When the configuration in use was loaded, in seconds since the epoch."
    yield gauge("kigeon_config_last_load_success_timestamp_seconds", told, snapshot.started_at)


def _pipeline(snapshot: Snapshot) -> Iterator[Family]:
    accounts = watcher_accounts(snapshot)
    for name, told in (
        ("received", "Events that were read, by list or watch, and are settled."),
        ("stored", "Events that were new, and are stored in the queue."),
        ("repeated", "Events that were read again and were known already."),
        ("unreadable", "Lines and items that could not be read as an Event."),
    ):
        yield counter(f"kigeon_events_{name}_total", told, accounts.get(name))
    told = "Events of the cluster that were new, since the Deduplicator's process began."
    cluster = Family("kigeon_cluster_events_total", "counter", told)
    for type_, reason, namespace, count in snapshot.child("deduplicator").report.get("cluster", ()):
        cluster.add(count, type=type_, reason=reason, **({"namespace": namespace} if namespace else {}))
    yield cluster


def _watch(snapshot: Snapshot, now: Moment) -> Iterator[Family]:
    report = snapshot.child("watcher").report
    if "pending" in report:
        yield gauge("kigeon_watch_up", "Whether a watch of the cluster is open.", int(report.get("watching", False)))
    yield counter("kigeon_watch_lists_total", "Complete lists of the cluster's Events.", report.get("lists"))
    relists = Family("kigeon_watch_relists_total", "counter", "Lists that should not have been needed.")
    for cause, count in report.get("relistsByCause", {}).items():
        relists.add(count, reason=cause)
    yield relists
    told = "Requests to the API server that failed or were refused."
    yield counter("kigeon_watch_errors_total", told, report.get("errors"))
    told = "Stretches of time in which Events may have come and gone unseen."
    yield counter("kigeon_watch_gaps_total", told, report.get("gaps"))
    heard = report.get("heardAt")
    told = "When the API server gave a sign of life last, in seconds since the epoch."
    yield gauge("kigeon_watch_last_heard_timestamp_seconds", told, round(now.of(heard), 1) if heard else None)
    told = "Up to when no Event is known to be missing, in seconds since the epoch."
    until = snapshot.child("queue").report.get("watchedUntil")
    yield gauge("kigeon_watch_complete_until_timestamp_seconds", told, until or None)
    yield gauge("kigeon_watch_pending_events", "Events that were read and are not stored yet.", report.get("pending"))


def _queue(snapshot: Snapshot) -> Iterator[Family]:
    streams: Mapping[str, Mapping[str, float]] = snapshot.child("queue").report.get("streams", {})
    size = Family("kigeon_queue_bytes", "gauge", "Bytes of a stream of the queue on disk.")
    messages = Family("kigeon_queue_messages", "gauge", "Messages in a stream; one of the events stream is a batch.")
    oldest = Family("kigeon_queue_oldest_timestamp_seconds", "gauge", "When the oldest message of a stream was stored.")
    for name, told in streams.items():
        stream = name.removeprefix("kigeon-")
        size.add(told["bytes"], stream=stream)
        messages.add(told["messages"], stream=stream)
        oldest.add(told["oldest"] or None, stream=stream)
    yield from (size, messages, oldest)
    limit = "Bytes from which on the oldest events of the queue go."
    yield gauge("kigeon_queue_limit_bytes", limit, snapshot.queue_limit)
    remembered = snapshot.child("deduplicator").report.get("remembered")
    yield gauge("kigeon_queue_digests", "Occurrences that are remembered, so that none is stored twice.", remembered)
    parked = streams.get("kigeon-dead-letter", {}).get("messages")
    yield gauge("kigeon_dead_letters", "Messages in the dead-letter stream.", parked)


def _senders(snapshot: Snapshot) -> Iterator[Family]:
    accounts = Family(
        "kigeon_sender_account_events",
        "gauge",
        "What became of all events that were stored for a sender, as kigeon status tells it.",
    )
    ended = Family("kigeon_sender_events_total", "counter", "Events that ended for a sender, since its process began.")
    resent = Family("kigeon_sender_resent_events_total", "counter", "Events that were sent again on request.")
    undecided = Family(
        "kigeon_sender_undecided_events", "gauge", "Events of which filter or hook can't say now where they go."
    )
    for name, report in _reports(snapshot):
        found = sender_accounts(snapshot, name)
        for account, count in found.items():
            accounts.add(count, sender=name, account=account)
        for outcome, count in report.get("ended", {}).items():
            ended.add(count, sender=name, outcome=outcome)
        resent.add(found.get("resent"), sender=name)
        undecided.add(report.get("undecided"), sender=name)
    yield from (accounts, ended, resent, undecided)


def _pushes(snapshot: Snapshot) -> Iterator[Family]:
    pushes = Family("kigeon_sender_pushes_total", "counter", "Pushes by what came of them.")
    seconds = Family("kigeon_sender_push_duration_seconds", "histogram", "How long pushes took.")
    age = Family(
        "kigeon_sender_event_age_seconds",
        "histogram",
        "How old events were when they were sent, since they happened (event) or were stored (arrival).",
    )
    hook = Family("kigeon_sender_hook_duration_seconds", "histogram", "How long the hook took for an event.")
    kills = Family("kigeon_sender_hook_kills_total", "counter", "Times a hook's worker was killed, being too slow.")
    workers = Family("kigeon_sender_hook_workers", "gauge", "Workers that the hook has now.")
    streams = Family("kigeon_sender_streams", "gauge", "Streams of the destinations by what is known of them.")
    unproven = Family("kigeon_sender_unproven_events", "gauge", "Events that were sent and of which no proof has come.")
    blocked = Family("kigeon_sender_blocked_destinations", "gauge", "Destinations, or streams, that take nothing now.")
    for name, report in _reports(snapshot):
        for outcome, count in report.get("pushes", {}).items():
            pushes.add(count, sender=name, outcome=outcome)
        seconds.add_histogram(report.get("pushSeconds"), sender=name)
        age.add_histogram(report.get("secondsSinceEvent"), sender=name, since="event")
        age.add_histogram(report.get("secondsSinceStored"), sender=name, since="arrival")
        hook.add_histogram(report.get("hookSeconds"), sender=name)
        kills.add(report.get("hookKills"), sender=name)
        workers.add(sum(map(bool, report["hookPids"])) if "hookPids" in report else None, sender=name)
        known = report.get("streams", {})
        for state in ("known", "proven", "held"):
            streams.add(known.get(state), sender=name, state=state)
        unproven.add(known.get("unproven"), sender=name)
        blocked.add(len(report["blocked"]) if "blocked" in report else None, sender=name)
    yield from (pushes, seconds, age, hook, kills, workers, streams, unproven, blocked)


def _parts(snapshot: Snapshot) -> Iterator[Family]:
    up = Family("kigeon_actor_up", "gauge", "Whether an actor runs.")
    restarts = Family("kigeon_actor_restarts_total", "counter", "Times an actor was replaced.")
    for name, part in snapshot.children.items():
        up.add(int(part.ready), actor=name)
        restarts.add(part.restarts, actor=name)
    yield from (up, restarts)
    told = "Times the actor system was built again as a whole."
    yield counter("kigeon_actor_system_restarts_total", told, snapshot.actors.restarts)
    yield gauge("kigeon_nats_server_up", "Whether nats-server takes connections.", int(snapshot.nats_server.ready))
    restarts_of_server = "Times nats-server was started again."
    yield counter("kigeon_nats_server_restarts_total", restarts_of_server, snapshot.nats_server.restarts)


def _roles(snapshot: Snapshot) -> Iterator[Family]:
    """Yield, of one of several replicas, what it holds, and who holds what as it knows it."""
    report = snapshot.child(MEMBERSHIP).report
    held = Family("kigeon_role_held", "gauge", "Whether this replica holds a role.")
    since = Family(
        "kigeon_role_taken_timestamp_seconds", "gauge", "When a role was taken by the replica that holds it."
    )
    for role, holder in report.get("holders", {}).items():
        held.add(int(role in report["holds"]), role=role)
        taken = datetime.fromisoformat(holder["since"]).timestamp() if holder["since"] else None
        since.add(taken, role=role, replica=holder["replica"])
    others = report.get("others")
    yield from (held, since)
    told = "Replicas that take part, this one included."
    yield gauge("kigeon_replicas", told, others + 1 if others is not None else None)


def _reports(snapshot: Snapshot) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name in snapshot.senders:
        yield name, snapshot.sender(name).report
