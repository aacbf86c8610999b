"""``kigeon check --connect`` against a real kube-apiserver and a real Loki: what they say is what is understood."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from tests.conformance.cluster import Cluster
from tests.conformance.loki import RealLoki


def check(folder: Path, kubeconfig: Path, config: dict[str, Any], **more: Any) -> tuple[int, list[dict[str, str]]]:
    """Return the exit status, and what is not well."""
    folder.mkdir(exist_ok=True)
    sender = {"name": "loki", "type": "loki", "config": config, **more}
    document = {"global": {"dataDir": str(folder / "data")}, "eventsenders": [sender]}
    (folder / "kigeon.yaml").write_text(yaml.safe_dump(document))
    command = [sys.executable, "-P", "-m", "kigeon", "check", "--connect", "--json"]
    command += ["--config", str(folder / "kigeon.yaml"), "--kubeconfig", str(kubeconfig)]
    done = subprocess.run(command, capture_output=True, timeout=120, check=False)
    assert done.stderr == b""
    return done.returncode, [found for found in orjson.loads(done.stdout)["checks"] if not found["is_well"]]


def test_with_the_rights_that_are_shipped_all_is_well(
    cluster: Cluster, real_loki: RealLoki, folder: Path, tenant: str
) -> None:
    folder.mkdir()
    (folder / "hook.star").write_text("def transform(config, event):\n    return config\n")
    config = {"url": real_loki.url, "tenantID": tenant, "hook": {"script": "hook.star", "enrichPod": True}}
    selector = {"namespaceSelector": {"matchLabels": {"team": "a"}}}
    assert check(folder, cluster.write_kubeconfig(folder / "config"), config, filter=selector) == (0, [])
    assert real_loki.count(tenant) == 1


@pytest.mark.parametrize("resource", ["events", "namespaces", "pods"])
def test_rights_that_are_missing_are_named(
    cluster: Cluster, real_loki: RealLoki, folder: Path, tenant: str, resource: str
) -> None:
    folder.mkdir()
    (folder / "hook.star").write_text("def transform(config, event):\n    return config\n")
    config = {"url": real_loki.url, "tenantID": tenant, "hook": {"script": "hook.star", "enrichPod": True}}
    selector = {"namespaceSelector": {"matchLabels": {"team": "a"}}}
    cluster.grant(resource)
    status, found = check(folder, cluster.write_kubeconfig(folder / "config"), config, filter=selector)
    assert status == 2
    assert {finding["said"].rpartition(" ")[2] for finding in found} == {resource}


@pytest.mark.parametrize(
    ("limits", "cure"),
    [
        ({"max_global_streams_per_user": 1, "max_streams_per_user": 1}, ""),
        ({"max_line_size": 10}, "max_line_size"),
        ({"max_label_names_per_series": 1}, "max_label_names_per_series"),
        ({"ingestion_rate_mb": 0.00001, "ingestion_burst_size_mb": 0.00001}, "ingestion_rate_mb"),
        ({"per_stream_rate_limit": 1, "per_stream_rate_limit_burst": 1}, "per_stream_rate_limit"),
        ({"allow_structured_metadata": False}, "allow_structured_metadata"),
        ({"block_ingestion_until": "2100-01-01T00:00:00Z"}, "has blocked this tenant"),
    ],
)
def test_limits_that_refuse_are_named(
    cluster: Cluster, real_loki: RealLoki, folder: Path, tenant: str, limits: dict[str, Any], cure: str
) -> None:
    real_loki.limit({tenant: limits})
    # Labels that it has seen Loki does not examine again.
    config = {"url": real_loki.url, "tenantID": tenant, "streamLabels": {"app": tenant}}
    folder.mkdir()
    status, found = check(folder, cluster.write_kubeconfig(folder / "config"), config)
    assert (status, len(found)) == ((2, 1) if cure else (0, 0)), found
    assert all(cure in finding["cure"] for finding in found), found


def test_a_tenant_that_is_missing_is_named(cluster: Cluster, real_loki: RealLoki, folder: Path) -> None:
    folder.mkdir()
    kubeconfig = cluster.write_kubeconfig(folder / "config")
    status, (found,) = check(folder, kubeconfig, {"url": real_loki.url})
    assert (status, found["cure"]) == (2, "check basicAuth and tenantID")
    assert "401 no org id" in found["said"]


def test_credentials_that_are_nobodys_are_named(
    cluster: Cluster, real_loki: RealLoki, folder: Path, tenant: str
) -> None:
    folder.mkdir()
    kubeconfig = cluster.write_kubeconfig(folder / "config", "nobody")
    status, (found,) = check(folder, kubeconfig, {"url": real_loki.url, "tenantID": tenant})
    assert (status, found["subject"]) == (2, "cluster")
    assert "renew the credentials" in found["cure"]
