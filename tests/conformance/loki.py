"""A real Loki with tenants, and limits that can be changed while it runs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import requests
import yaml

from kigeon.senders.loki.reader import Held, read_lines, selector_of
from kigeon.senders.sink import Destination
from tests.conformance.build import binary
from tests.conformance.servers import Server, free_port

HOUR = 3600 * 10**9


class RealLoki:
    """A context manager; ``server`` can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._port, self._grpc = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self._overrides = folder / "overrides.yaml"
        (folder / "loki.yaml").write_text(yaml.safe_dump(self._configuration()))
        command = [binary("loki"), f"-config.file={folder / 'loki.yaml'}"]
        self.server = Server(command, folder / "loki.log", self._is_ready)
        self._servers = ExitStack()

    def __enter__(self) -> Self:
        self.limit({})
        self._servers.enter_context(self.server)
        return self

    def __exit__(self, *error: object) -> None:
        self._servers.close()

    def limit(self, tenants: Mapping[str, Mapping[str, Any]]) -> None:
        """Have tenants limited otherwise; Loki looks every second."""
        self._overrides.write_text(yaml.safe_dump({"overrides": {key: dict(value) for key, value in tenants.items()}}))

    def lines(self, tenant: str, weeks: int = 1) -> list[Held]:
        """Return everything that is held for *tenant*, by LogQL."""
        now = time.time_ns()
        start = now - weeks * 7 * 24 * HOUR
        return list(read_lines(Destination(self.url, tenant), selector_of({}), start, now + HOUR))

    def _is_ready(self) -> bool:
        try:
            return requests.get(f"{self.url}/ready", timeout=5).ok
        except requests.RequestException:
            return False

    def _configuration(self) -> dict[str, Any]:
        return {
            "auth_enabled": True,
            "analytics": {"reporting_enabled": False},
            "server": {
                "http_listen_address": "127.0.0.1",
                "http_listen_port": self._port,
                "grpc_listen_address": "127.0.0.1",
                "grpc_listen_port": self._grpc,
                "log_level": "warn",
            },
            "common": {
                "instance_addr": "127.0.0.1",
                "path_prefix": str(self.folder / "loki"),
                "replication_factor": 1,
                "ring": {"kvstore": {"store": "inmemory"}},
                "storage": {
                    "filesystem": {
                        "chunks_directory": str(self.folder / "chunks"),
                        "rules_directory": str(self.folder / "rules"),
                    }
                },
            },
            "querier": {"query_ingesters_within": "0s"},
            "ingester": {"lifecycler": {"min_ready_duration": "0s", "final_sleep": "0s"}},
            "schema_config": {
                "configs": [
                    {
                        "from": "2024-01-01",
                        "store": "tsdb",
                        "object_store": "filesystem",
                        "schema": "v13",
                        "index": {"prefix": "index_", "period": "24h"},
                    }
                ]
            },
            "limits_config": {"allow_structured_metadata": True, "max_query_length": "0"},
            "runtime_config": {"file": str(self._overrides), "period": "1s"},
        }
