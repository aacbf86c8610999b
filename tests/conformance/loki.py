"""A real Loki with tenants, and limits that can be changed while it runs."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import requests
import yaml

from kigeon.senders.loki.entry import LokiDestination
from kigeon.senders.loki.reader import Held, read_lines, selector_of
from tests.conformance.build import binary
from tests.conformance.servers import Server, free_port
from tests.support.processes import wait_until

HOUR = 3600 * 10**9
RUNTIME_CONFIG = "loki_runtime_config_hash"


class RealLoki:
    """A context manager; ``server`` can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._port, self._grpc = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self._overrides = folder / "overrides.yaml"
        (folder / "loki.yaml").write_text(yaml.safe_dump(self._configuration()))
        command: list[str | Path] = [binary("loki"), f"-config.file={folder / 'loki.yaml'}"]
        self.server = Server(command, folder / "loki.log", self._is_ready)
        self._servers = ExitStack()

    def __enter__(self) -> Self:
        self.limit({})
        self._servers.enter_context(self.server)
        return self

    def __exit__(self, *error: object) -> None:
        self._servers.close()

    def limit(self, tenants: Mapping[str, Mapping[str, Any]]) -> None:
        """Have tenants limited otherwise; return when Loki, which looks every second, goes by it."""
        wanted = yaml.safe_dump({"overrides": {key: dict(value) for key, value in tenants.items()}})
        if self._overrides.exists() and self._overrides.read_text() == wanted:
            return
        before = self._limits_in_force()
        written = self._overrides.with_suffix(".new")
        written.write_text(wanted)
        written.rename(self._overrides)
        if before:
            wait_until(lambda: self._limits_in_force() not in ("", before), what="other limits")

    def flush(self) -> None:
        """Have Loki write to its store what is only in memory: queries look there alone for what is hours old."""
        requests.post(f"{self.url}/flush", timeout=60).raise_for_status()

    def lose_memory(self) -> None:
        """Kill Loki, take its write-ahead log away, and start it again: what it had not flushed is lost."""
        self.server.end(signal.SIGKILL)
        shutil.rmtree(self.folder / "loki" / "wal")
        self.server.start()

    def count(self, tenant: str) -> int:
        """Return how many lines of *tenant*'s last hours a metric query counts: repeats too, where Loki took them."""
        query = {"query": 'sum(count_over_time({service_name=~".+"}[3h]))', "time": f"{time.time() + 600:.0f}"}
        headers = {"X-Scope-OrgID": tenant}
        response = requests.get(f"{self.url}/loki/api/v1/query", params=query, headers=headers, timeout=60)
        response.raise_for_status()
        return sum(int(series["value"][1]) for series in response.json()["data"]["result"])

    def _limits_in_force(self) -> str:
        """Return the digest of the limits that Loki goes by; "" while it is not there."""
        try:
            metrics = requests.get(f"{self.url}/metrics", timeout=5).text
        except requests.RequestException:
            return ""
        return next((line for line in metrics.splitlines() if line.startswith(RUNTIME_CONFIG)), "")

    def lines(self, tenant: str, weeks: int = 1) -> list[Held]:
        """Return everything that is held for *tenant*, by LogQL."""
        now = time.time_ns()
        start = now - weeks * 7 * 24 * HOUR
        return list(read_lines(LokiDestination(self.url, tenant), selector_of({}), start, now + HOUR))

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
            # Else queries look for what is three hours old in the store alone.
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
