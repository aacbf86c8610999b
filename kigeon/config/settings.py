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
class QueueTls:
    """``queue.tlsConfig``: whom to trust, and who kigeon is. Files are read again at each connection."""

    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    insecure_skip_verify: bool = False


@dataclass(frozen=True, slots=True)
class ExternalQueue:
    """``queue.url`` and what belongs to it: a JetStream that is not kigeon's own server.

    ``servers`` are URLs, ``replicas`` is how many servers hold each stream, ``name`` is what the names of streams,
    buckets and subjects begin with. The files hold what to log in with; they are read again at each connection.
    """

    servers: tuple[str, ...]
    replicas: int = 1
    name: str = "kigeon"
    credentials_file: Path | None = None
    username_file: Path | None = None
    password_file: Path | None = None
    token_file: Path | None = None
    tls: QueueTls = QueueTls()

    @property
    def files(self) -> dict[str, Path]:
        """Each file that is named, by its key below ``queue``."""
        tls = self.tls
        files = {
            "credentialsFile": self.credentials_file,
            "usernameFile": self.username_file,
            "passwordFile": self.password_file,
            "tokenFile": self.token_file,
            "tlsConfig.caFile": tls.ca_file,
            "tlsConfig.certFile": tls.cert_file,
            "tlsConfig.keyFile": tls.key_file,
        }
        return {key: path for key, path in files.items() if path is not None}

    @property
    def is_encrypted(self) -> bool:
        """Whether nothing may be sent to a server that speaks no TLS."""
        return self.servers[0].startswith("tls://")


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """``queue``: how much history is kept (seconds, bytes), and how long an event is remembered (seconds).

    ``external`` is the JetStream that is used instead of the embedded server; None: the embedded one.
    """

    events_max_age: float = 24 * 3600.0
    events_max_bytes: int = 500 * 1024 * 1024
    kubernetes_events_max_lifetime: float = 3600.0
    external: ExternalQueue | None = None


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
    ``workers`` is how many processes run the script at most; None: as many as there are processors, up to four.
    """

    script: Path
    timeout: float = 0.1
    on_error: OnError = "use-default"
    enrich_pod: bool = False
    skip_on_pod_not_found: bool = False
    pod_lookups_per_second: float = 200.0
    workers: int | None = None


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
