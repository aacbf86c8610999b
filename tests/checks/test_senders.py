"""What kigeon check --connect says of each sender, with the cure."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.support.checking import Setup
from tests.support.loki import Loki
from tests.support.loki.limits import Limits


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
