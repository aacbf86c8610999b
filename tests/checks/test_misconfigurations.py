"""What is most often configured wrongly: each is named by ``kigeon check --connect``, with its cure."""

from __future__ import annotations

import os
import socket
import ssl
import time
from pathlib import Path

import pytest

from kigeon.events.sample import REASON
from kigeon.standin.apiserver import ApiServer
from tests.support.checking import Setup
from tests.support.loki import Loki
from tests.support.loki.limits import Limits
from tests.support.unprivileged import as_a_user_like_any_other, in_a_namespace_where_it_is_read_only

ROOT = Path(__file__).parents[2]


def test_with_all_well_it_says_so_and_sends_one_sample_line(setup: Setup, loki: Loki) -> None:
    done = setup.run()
    assert (done.returncode, done.stderr) == (0, "")
    assert "the configuration is valid" in done.stdout
    for line in ("cluster", "dataDir", "nats-server", "loki loki"):
        assert f"\nok       {line}" in done.stdout
    assert done.stdout.endswith("checks are well\n")
    assert [line.fields["reason"] for line in loki.lines] == [REASON]
    assert not setup.data.exists()


def test_wrong_tenant(setup: Setup, loki: Loki) -> None:
    setup.config["tenantID"] = "shpo"
    loki.always = lambda tenant: 0 if tenant == "shop" else 403
    said, cure = setup.failure()
    assert said.startswith(f"loki loki: {loki.url} tenant shpo: 403")
    assert cure == "check basicAuth and tenantID"


def test_wrong_credentials(setup: Setup, loki: Loki) -> None:
    loki.credentials = ("me", "right")
    setup.config["basicAuth"] = {"username": "me", "password": "wrong-password"}
    said, cure = setup.failure()
    assert "401" in said
    assert "wrong-password" not in said
    assert cure == "check basicAuth and tenantID"


def test_no_right_on_pods_and_all_at_once(setup: Setup, api: ApiServer, tmp_path: Path) -> None:
    """Only where they are needed."""
    api.denied = {("pods", "get"), ("namespaces", "watch")}
    assert setup.check() == (0, [])
    (tmp_path / "hook.star").write_text("def transform(config, event):\n    return config\n")
    setup.config["hook"] = {"script": str(tmp_path / "hook.star"), "enrichPod": True}
    said, cure = setup.failure()
    assert said == "rights: no right to get pods"
    assert cure == "grant get on pods (deploy/kubernetes/rbac.yaml)"
    setup.sender["filter"] = {"namespaceSelector": {"matchLabels": {"team": "a"}}}
    code, found = setup.check()
    assert (code, [finding.said for finding in found]) == (
        2,
        ["no right to watch namespaces", "no right to get pods"],
    )


def test_a_url_with_a_path(setup: Setup, loki: Loki) -> None:
    setup.config["url"] = f"{loki.url}/loki/api/v1/push"
    done = setup.run()
    assert (done.returncode, done.stdout) == (2, "")
    assert "url: must be a base URL without path (/loki/api/v1/push is appended)" in done.stderr


def test_tls_to_a_plain_port(setup: Setup, loki: Loki) -> None:
    setup.config["url"] = loki.url.replace("http://", "https://")
    said, cure = setup.failure()
    assert "TLS" in said
    assert cure == "the server speaks no TLS: begin the url with http://"


def test_a_plain_request_to_a_tls_port(setup: Setup, certificate: tuple[Path, Path]) -> None:
    with Loki(certificate) as secure:
        setup.config["url"] = secure.url.replace("https://", "http://")
        assert setup.failure()[1] == "begin the url with https://"


def test_an_unknown_authority(setup: Setup, certificate: tuple[Path, Path]) -> None:
    with Loki(certificate) as secure:
        setup.config["url"] = secure.url
        said, cure = setup.failure()
    assert "certificate" in said
    assert "REQUESTS_CA_BUNDLE" in cure
    assert "insecureSkipVerify" in cure


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_a_read_only_volume(setup: Setup) -> None:
    setup.data.mkdir()
    said, cure = setup.failure(preexec_fn=in_a_namespace_where_it_is_read_only(setup.data))
    assert said == f"dataDir: {setup.data}: Read-only file system"
    assert cure == "mount the volume for writing (readOnly: false)"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a directory away")
def test_a_data_directory_of_another_owner(setup: Setup) -> None:
    setup.data.mkdir(mode=0o700)
    os.chown(setup.data, 65534, 65534)
    said, cure = setup.failure(preexec_fn=as_a_user_like_any_other)
    assert said.startswith(f"dataDir: {setup.data}: Permission denied")
    assert "belongs to the user 65534, this process runs as the user 0" in said
    assert "securityContext.fsGroup" in cure


def test_too_little_room(setup: Setup) -> None:
    setup.queue["eventsMaxBytes"] = "900Ti"
    said, cure = setup.failure()
    assert "the queue may grow to 921600Gi" in said
    assert cure == "give it a larger volume, or lower queue.eventsMaxBytes"


def test_a_hook_that_fails_on_each_event(setup: Setup, tmp_path: Path) -> None:
    (tmp_path / "hook.star").write_text("def transform(config, event):\n    return event['nothing']\n")
    setup.config["hook"] = {"script": str(tmp_path / "hook.star")}
    said, cure = setup.failure()
    assert said.startswith("loki hook: it fails with the sample Event: line 2, column ")
    assert "kigeon hook test" in cure


def test_a_hook_chooses_where_the_sample_goes(setup: Setup, tmp_path: Path, loki: Loki) -> None:
    (tmp_path / "hook.star").write_text(
        "def transform(config, event):\n    config['tenantID'] = 'team'\n    return config\n"
    )
    setup.config["hook"] = {"script": str(tmp_path / "hook.star")}
    assert setup.check() == (0, [])
    assert [line.tenant for line in loki.lines] == ["team"]


@pytest.mark.parametrize(
    ("limits", "cure"),
    [
        (Limits(max_streams=0), "raise limits_config.max_global_streams_per_user for the tenant"),
        (Limits(max_line=10), "raise limits_config.max_line_size for the tenant"),
        (Limits(max_labels=1), "configure fewer streamLabels and eventLabels, or raise max_label_names_per_series"),
        (Limits(tenant_rate=1, tenant_burst=1), "raise limits_config.ingestion_rate_mb and ingestion_burst_size_mb"),
        (Limits(stream_rate=1, stream_burst=1), "raise limits_config.per_stream_rate_limit for the tenant"),
        (Limits(allow_structured_metadata=False), "allow it in Loki (limits_config.allow_structured_metadata"),
        (Limits(blocked_until=time.time() + 3600), "Loki's operator has blocked this tenant's ingestion"),
    ],
)
def test_limits_that_refuse(setup: Setup, loki: Loki, limits: Limits, cure: str) -> None:
    loki.limits = limits
    assert cure in setup.failure()[1]


@pytest.mark.parametrize(("ahead", "way"), [(-600.0, "ahead of"), (600.0, "behind")])
def test_a_clock_that_differs(setup: Setup, api: ApiServer, ahead: float, way: str) -> None:
    api.faults.clock_ahead = ahead
    said, cure = setup.failure()
    assert said.startswith("clock: this machine's clock is ")
    assert said.endswith(f"s {way} that of the API server")
    assert "NTP" in cure


def test_a_loki_and_a_cluster_that_are_not_there(setup: Setup, api: ApiServer) -> None:
    api.stop()
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        setup.config["url"] = f"http://127.0.0.1:{unused.getsockname()[1]}"
        code, found = setup.check()
    assert (code, [finding.subject for finding in found]) == (2, ["cluster", "loki loki"])
    assert all("firewall" in finding.cure for finding in found)


def test_without_a_cluster_that_is_named(setup: Setup) -> None:
    setup.kubeconfig = setup.folder / "gone"
    said, cure = setup.failure()
    assert said.endswith("gone: there is no such file")
    assert "--kubeconfig" in cure


def test_credentials_that_are_no_more(setup: Setup, api: ApiServer) -> None:
    api.rotate_token()
    assert "renew the credentials" in setup.failure()[1]


def test_an_api_server_of_an_unknown_authority(setup: Setup, certificate: tuple[Path, Path], tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*map(str, certificate))
    with ApiServer(context=context) as secure:
        setup.kubeconfig = secure.write_kubeconfig(tmp_path / "secure")
        assert "certificate-authority" in setup.failure()[1]
