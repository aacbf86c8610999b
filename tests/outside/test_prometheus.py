"""A real Prometheus scrapes a running kigeon; what it is asked then is what kigeon status tells."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import urllib.parse
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import pytest
import yaml

from kigeon.standin.apiserver import ApiServer
from tests.support.events import make_event
from tests.support.http import DIRECT, LISTEN, address, get, told_by_status
from tests.support.kigeon import Kigeon, loki_sender
from tests.support.loki import Loki
from tests.support.processes import end_with, wait_until


def program(name: str) -> str:
    """Return where a program is; a test that needs it fails where it is not."""
    found = shutil.which(name)
    if found is None:
        pytest.fail(f"there is no {name}: apt-get install prometheus")
    return found


class Prometheus:
    """A context manager: a server that scrapes *target* each second."""

    def __init__(self, folder: Path, target: str) -> None:
        folder.mkdir()
        self._folder = folder
        job = {"job_name": "kigeon", "static_configs": [{"targets": [target]}]}
        config = {"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": [job]}
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        self._process: subprocess.Popen[bytes] | None = None
        self._url = ""

    def __enter__(self) -> Self:
        log = self._folder / "log"
        options = [f"--config.file={self._folder}/prometheus.yml", f"--storage.tsdb.path={self._folder}/data"]
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [program("prometheus"), *options, "--web.listen-address=127.0.0.1:0"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                preexec_fn=end_with(os.getpid()),
            )
        self._url = f"http://{wait_until(lambda: _listens(log.read_text()), what='an address')}"
        # It listens before it has read what it stored, and refuses queries until then.
        wait_until(self._is_ready, what="a Prometheus that is ready")
        return self

    def __exit__(self, *error: object) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the samples that an expression has now."""
        query = urllib.parse.urlencode({"query": expression})
        with DIRECT.open(f"{self._url}/api/v1/query?{query}", timeout=10) as answer:
            found = json.load(answer)["data"]["result"]
        assert isinstance(found, list)
        return found

    def _is_ready(self) -> bool:
        with suppress(OSError), DIRECT.open(f"{self._url}/-/ready", timeout=10):
            return True
        return False

    def value(self, expression: str) -> float | None:
        """Return the one sample of an expression, None where there is none."""
        found = self.query(expression)
        return float(found[0]["value"][1]) if found else None


def _listens(log: str) -> str:
    """Return the address that a log tells of."""
    for line in log.splitlines():
        if "Listening on" in line and "address=" in line:
            return line.rpartition("address=")[2].strip()
    return ""


@pytest.fixture
def kigeon(tmp_path: Path) -> Iterator[Kigeon]:
    with ApiServer() as api, Loki() as loki:
        loki.refuse = lambda line: line.fields["uid"].endswith("7")
        with Kigeon(tmp_path / "kigeon", api, [loki_sender(loki)], http={**LISTEN, "namespaceLabel": True}) as running:
            api.put_events([make_event(number) for number in range(100)])
            loki.wait_for(90)
            wait_until(lambda: told_by_status(running)["senders"]["loki"]["parked"] == 10, what="what is parked")
            yield running


def test_promtool_has_nothing_to_complain_of(kigeon: Kigeon) -> None:
    text = get(kigeon, "/metrics")[1].encode()
    done = subprocess.run([program("promtool"), "check", "metrics"], input=text, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_what_prometheus_is_asked_is_what_status_tells(kigeon: Kigeon, tmp_path: Path) -> None:
    status = told_by_status(kigeon)
    with Prometheus(tmp_path / "prometheus", address(kigeon)) as prometheus:
        wait_until(lambda: prometheus.value("up") == 1, what="a scrape")
        for name, count in status["senders"]["loki"].items():
            query = f'kigeon_sender_account_events{{sender="loki",account="{name}"}}'
            wait_until(lambda query=query, count=count: prometheus.value(query) == count, what=query)
        for name, count in status["watcher"].items():
            assert prometheus.value(f"kigeon_events_{name}_total") == count
        assert prometheus.value("sum(kigeon_cluster_events_total)") == 100
        assert prometheus.value('kigeon_cluster_events_total{namespace="shop",reason="BackOff",type="Warning"}') == 100
        assert (prometheus.value("time() - kigeon_watch_last_heard_timestamp_seconds") or 0) < 120
        assert (
            prometheus.value(
                'histogram_quantile(0.9, sum by (le) (kigeon_sender_event_age_seconds_bucket{since="arrival"}))'
            )
            or 0
        ) > 0
        assert prometheus.value("sum(kigeon_actor_up)") == 4
        assert (prometheus.value("sum(process_resident_memory_bytes)") or 0) > 50 * 2**20
