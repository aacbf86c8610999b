"""What a configuration file becomes: frozen settings, documented field by field.

Durations are seconds, sizes are bytes. Defaults are those of the documented configuration. Every class
can be pickled: settings travel to the actors in messages.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

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

    ``push_timeout`` is the time for one attempt to store a batch, in seconds. ``batch_wait`` is the least time between
    two batches that are not full, in seconds; 0 is no wait.
    """

    push_timeout: float = 5.0
    batch_wait: float = 0.2


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """``http``: where metrics, health and the status page are served.

    ``listen`` is ``host:port``, an IPv6 address in brackets; no host means every address of the machine, "" means
    that nothing is served. With ``namespace_label`` the cluster's events are counted for each namespace.
    """

    listen: str = "127.0.0.1:8080"
    namespace_label: bool = False


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

    ``pod_lookups_per_second`` is how many Pods the API server is asked for in a second at most, with ``enrich_pod``.
    """

    script: Path
    timeout: float = 0.1
    on_error: OnError = "use-default"
    enrich_pod: bool = False
    skip_on_pod_not_found: bool = False
    pod_lookups_per_second: float = 200.0


@dataclass(frozen=True, slots=True)
class SenderSettings:
    """One of ``eventsenders``.

    ``settings`` are the type's own, None for a type that has none. ``config`` is what a hook's
    ``transform(config, event)`` gets: the mapping as in the file, secrets from the environment resolved, without
    ``hook``.
    """

    name: str
    type: str
    filter: FilterSettings | None = None
    hook: HookSettings | None = None
    settings: Any = None
    config: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Settings:
    """A whole configuration file that was found valid."""

    senders: tuple[SenderSettings, ...]
    global_: GlobalSettings = GlobalSettings()
    queue: QueueSettings = QueueSettings()
    pusher: PusherSettings = PusherSettings()
    http: HttpSettings = HttpSettings()
