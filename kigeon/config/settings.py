"""What a configuration file becomes: frozen settings, documented field by field.

Durations are seconds, sizes are bytes. Defaults are those of the documented configuration. Every class
can be pickled: settings travel to the actors in messages.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from kigeon.config.labels import DEFAULT_EVENT_LABELS, DEFAULT_STRUCTURED_METADATA, Labels

OnError = Literal["use-default", "skip", "fail"]
LogLevel = Literal["debug", "info", "warn", "error"]


@dataclass(frozen=True, slots=True)
class GlobalSettings:
    """``global``: where the queue lives and how kigeon logs."""

    data_dir: Path = Path("/var/lib/kigeon/data")
    log_level: LogLevel = "info"
    log_format: Literal["json", "text"] = "json"


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """``queue``: how much history is kept (seconds, bytes), and how long an event is remembered (seconds)."""

    events_max_age: float = 24 * 3600.0
    events_max_bytes: int = 500 * 1024 * 1024
    kubernetes_events_max_lifetime: float = 3600.0


@dataclass(frozen=True, slots=True)
class PusherSettings:
    """``pusher``: how batches get into the queue.

    ``push_timeout`` is in seconds, for one attempt to store one. ``batch_wait`` is how many seconds lie between two
    that are not full; 0: none.
    """

    push_timeout: float = 5.0
    batch_wait: float = 0.2


@dataclass(frozen=True, slots=True)
class FilterSettings:
    """``eventsenders[].filter``: which namespaces' events a sender sends.

    ``hard_refresh_interval`` is in seconds; 0 is off.
    """

    match_labels: Mapping[str, str] = field(default_factory=dict)
    include_non_namespaced: bool = False
    hard_refresh_interval: float = 0.0


@dataclass(frozen=True, slots=True)
class HookSettings:
    """``eventsenders[].config.hook``: the script, its limits (seconds for each event), and what an error means.

    ``pod_lookups_per_second`` is how many Pods it may ask the API server for in a second, with ``enrich_pod``.
    """

    script: Path
    timeout: float = 0.1
    on_error: OnError = "use-default"
    enrich_pod: bool = False
    skip_on_pod_not_found: bool = False
    pod_lookups_per_second: float = 200.0


@dataclass(frozen=True, slots=True)
class BasicAuth:
    """Credentials for Loki. Never in a ``repr``."""

    username: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class LokiSettings:
    """One way to push to Loki: the sender's own ``config``, or what a hook returned for an event.

    ``event_labels`` and ``structured_metadata`` are pairs of a name and the event's field (snake_case) that becomes
    a stream label, or structured metadata, of that name.
    """

    url: str
    tenant_id: str | None = None
    stream_labels: Mapping[str, str] = field(default_factory=dict)
    basic_auth: BasicAuth | None = None
    insecure_skip_verify: bool = False
    event_labels: Labels = DEFAULT_EVENT_LABELS
    structured_metadata: Labels = DEFAULT_STRUCTURED_METADATA


@dataclass(frozen=True, slots=True)
class SenderSettings:
    """One of ``eventsenders``.

    ``loki`` is set for type ``loki``. ``config`` is what a hook's ``transform(config, event)`` gets: the
    mapping as in the file, secrets from the environment resolved, without ``hook``.
    """

    name: str
    type: Literal["loki", "stdout"]
    filter: FilterSettings | None = None
    hook: HookSettings | None = None
    loki: LokiSettings | None = None
    config: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Settings:
    """A whole configuration file that was found valid."""

    senders: tuple[SenderSettings, ...]
    global_: GlobalSettings = GlobalSettings()
    queue: QueueSettings = QueueSettings()
    pusher: PusherSettings = PusherSettings()
