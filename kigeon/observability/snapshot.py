"""What the root knows of all parts at one moment: plain data, handed to the process that serves it.

Times named ``since``, ``…At`` or ``…Since`` are on the steady clock, which all processes share; :class:`Moment` makes
times of day of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Any

import orjson

from kigeon.clock import stamp
from kigeon.config.settings import Settings
from kigeon.events.summary import EventSummary
from kigeon.observability.latest import Numbered

PIPELINE = ("watcher", "deduplicator", "queue")
MEMBERSHIP = "membership"
SENDER = "sender/"
"""What the names of senders' actors begin with."""

ACCOUNTS = ("received", "stored", "repeated", "unreadable", "watchedUntil", "sequence")
"""What the Queue tells that is 0 until its stream is open."""


NO_REPORT = frozenset({"pid", "ready", "restarts", "latest"})
"""What the Supervisor tells with the report of a child, and what of it is kept elsewhere."""


@dataclass(frozen=True, slots=True)
class Moment:
    """Now, by the clock of the day and by the steady one, in seconds."""

    day: float
    steady: float

    def of(self, steady: float) -> float:
        """Return the time of day of a moment on the steady clock."""
        return self.day - (self.steady - steady)

    def stamp(self, steady: float) -> str | None:
        """Return it as RFC 3339, None for 0."""
        return stamp(self.of(steady)) if steady else None


@dataclass(frozen=True, slots=True)
class Part:
    """An actor, the actor system or nats-server. ``since`` is when ``ready`` became what it is.

    ``failures`` is how many times in a row it was replaced without being well for a while, ``problem`` what is wrong.
    """

    ready: bool = False
    since: float = 0.0
    was_ready: bool = False
    restarts: int = 0
    failures: int = 0
    problem: str = ""
    pid: int = 0
    report: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """``processes`` are process ids by the name of the process, ``config_hash`` is of everything but secrets.

    ``external`` says that ``nats_server`` is a JetStream that others keep: ready where the Queue can work with it.
    ``latest`` are the last events with running numbers.
    """

    version: str = ""
    started_at: float = 0.0
    config_hash: int = 0
    queue_limit: int = 0
    senders: tuple[str, ...] = ()
    stopping: bool = False
    external: bool = False
    nats_server: Part = Part()
    actors: Part = Part()
    children: Mapping[str, Part] = field(default_factory=dict)
    processes: Mapping[str, int] = field(default_factory=dict)
    latest: tuple[Numbered, ...] = ()

    def holds(self, role: str) -> bool:
        """Whether *role* is this kigeon's; every role is where there are no replicas."""
        return not self.external or role in self.child(MEMBERSHIP).report.get("holds", ())

    def child(self, name: str) -> Part:
        """Return an actor, one that never was where there is none."""
        return self.children.get(name, Part())

    def sender(self, name: str) -> Part:
        """Return the actor of a sender."""
        return self.child(f"{SENDER}{name}")


def write_snapshot(snapshot: Snapshot) -> bytes:
    """Return *snapshot* as one line of JSON."""
    return orjson.dumps(snapshot, _plain, orjson.OPT_NON_STR_KEYS) + b"\n"


def _plain(value: object) -> tuple[Any, ...]:
    """Return a named tuple as orjson writes one: it takes no subclass."""
    if isinstance(value, EventSummary):
        return tuple(value)
    raise TypeError


def read_snapshot(line: bytes) -> Snapshot:
    """Read what :func:`write_snapshot` wrote."""
    told: dict[str, Any] = orjson.loads(line)
    told.update({name: Part(**told[name]) for name in ("nats_server", "actors")})
    told["children"] = {name: Part(**part) for name, part in told["children"].items()}
    told["senders"] = tuple(told["senders"])
    told["latest"] = tuple((number, EventSummary(*event)) for number, event in told["latest"])
    return Snapshot(**told)


def initial(settings: Settings, version: str, started_at: float) -> Snapshot:
    """Return the first snapshot: nothing runs yet."""
    digest = blake2b(repr(settings).encode(), digest_size=6).digest()
    names = tuple(sender.name for sender in settings.senders)
    external = settings.queue.external is not None
    return Snapshot(
        version, started_at, int.from_bytes(digest), settings.queue.events_max_bytes, names, external=external
    )


def moved(part: Part, ready: bool, now: float, **more: Any) -> Part:
    """Return *part* as it is *now*, itself where it has not changed."""
    is_same = part.ready == ready and part.since and part.was_ready >= ready
    if is_same and all(getattr(part, name) == value for name, value in more.items()):
        return part
    since = part.since if part.ready == ready and part.since else now
    return replace(part, ready=ready, since=since, was_ready=part.was_ready or ready, **more)


def with_children(snapshot: Snapshot, children: Mapping[str, Mapping[str, Any]], now: float) -> Snapshot:
    """Return *snapshot* with what the Supervisor told of its *children*."""
    parts = dict(snapshot.children)
    if snapshot.external:
        # An actor that is not told of runs elsewhere by now.
        parts = {name: part for name, part in parts.items() if name in children}
    for name, told in children.items():
        report = {key: value for key, value in told.items() if key not in NO_REPORT}
        before = parts.get(name, Part())
        parts[name] = moved(
            before,
            bool(told.get("ready")),
            now,
            restarts=int(told.get("restarts", 0)),
            pid=int(told.get("pid", 0)),
            report=_kept(name, before.report, report),
        )
    queue = parts.get("queue", Part()).report
    server = snapshot.nats_server
    if queue.get("open") and not queue.get("storingSince"):
        server = replace(server, problem="")
    return replace(snapshot, children=parts, nats_server=server)


def _kept(name: str, before: Mapping[str, Any], report: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return *report*; accounts that an actor that has just begun does not know yet stay as they were."""
    if name.startswith(SENDER) and "position" not in report:
        return {**before, **report}
    if name == "queue" and not report.get("open"):
        rest = {key: value for key, value in report.items() if key not in ACCOUNTS}
        return {**before, **rest, "open": False}
    return report
