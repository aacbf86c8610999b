"""What is most often configured wrongly is named, with its cure, by ``check --connect``, by the page and by the log.

A kigeon that can't be started with it has no page: the log, which is then its last words, says it.
"""

from __future__ import annotations

import html
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from kigeon.standin.apiserver import ApiServer
from tests.support.events import make_event
from tests.support.http import LISTEN, get
from tests.support.kigeon import Kigeon, loki_sender
from tests.support.loki import Loki
from tests.support.loki.limits import Limits
from tests.support.processes import wait_until
from tests.support.unprivileged import as_a_user_like_any_other, in_a_namespace_where_it_is_read_only

Preparation = Callable[[], None]

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may do that to a directory")


class Setup:
    """What a seed may change before kigeon starts: a Loki and a sender to it, and the cluster."""

    def __init__(self, api: ApiServer, folder: Path, name: str, certificate: tuple[Path, Path] | None = None) -> None:
        self.api = api
        self.folder = folder
        self.name = name
        self.loki = Loki(certificate)
        self.sender = loki_sender(self.loki, name)
        self.prepare: Preparation | None = None
        """Done in each process before it is executed."""

    @property
    def config(self) -> dict[str, Any]:
        """The sender's own part."""
        found = self.sender["config"]
        assert isinstance(found, dict)
        return found

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.folder / "kigeon" / "data"

    def hook(self, body: str, **more: Any) -> None:
        """Give the sender a hook."""
        script = self.folder / f"{self.name}.star"
        script.write_text(f"def transform(config, event):\n    {body}\n")
        self.config["hook"] = {"script": str(script), **more}


def wrong_tenant(setup: Setup) -> None:
    setup.config["tenantID"] = "shpo"
    setup.loki.always = lambda tenant: 0 if tenant == "shop" else 403


def no_right_on_pods(setup: Setup) -> None:
    setup.hook("return config", enrichPod=True)
    setup.api.denied = {("pods", "get")}


def a_url_with_a_path(setup: Setup) -> None:
    setup.config["url"] += "/loki/api/v1/push"


def tls_to_a_plain_port(setup: Setup) -> None:
    setup.config["url"] = setup.loki.url.replace("http://", "https://")


def an_unknown_authority(setup: Setup) -> None:
    """Its Loki has a certificate that nobody vouches for."""


def a_read_only_volume(setup: Setup) -> None:
    setup.data.mkdir(parents=True)
    setup.prepare = in_a_namespace_where_it_is_read_only(setup.data)


def a_directory_of_another_owner(setup: Setup) -> None:
    setup.data.mkdir(parents=True, mode=0o700)
    os.chown(setup.data, 65534, 65534)
    setup.prepare = as_a_user_like_any_other


def a_hook_that_fails(setup: Setup) -> None:
    setup.hook("return event['nothing']")


def limits_that_refuse(setup: Setup) -> None:
    setup.loki.limits = Limits(max_streams=0)


def a_line_that_is_too_long(setup: Setup) -> None:
    setup.loki.limits = Limits(max_line=10)


def a_clock_ahead(setup: Setup) -> None:
    setup.api.faults.clock_ahead = -600.0


SENDERS = {
    wrong_tenant: "check basicAuth and tenantID",
    no_right_on_pods: "grant get on pods (deploy/kubernetes/rbac.yaml)",
    tls_to_a_plain_port: "the server speaks no TLS: begin the url with http://",
    an_unknown_authority: "REQUESTS_CA_BUNDLE",
    a_hook_that_fails: "kigeon hook test",
    limits_that_refuse: "raise limits_config.max_global_streams_per_user for the tenant",
    a_line_that_is_too_long: "raise limits_config.max_line_size for the tenant",
}
"""What may be wrong with a sender, and a part of what each place says."""


def test_what_is_wrong_with_each_of_several_senders_is_named_with_its_cure(
    tmp_path: Path, api: ApiServer, certificate: tuple[Path, Path]
) -> None:
    with ExitStack() as running:
        setups = []
        for seed in SENDERS:
            name = seed.__name__.replace("_", "-")
            setups.append(Setup(api, tmp_path, name, certificate if seed is an_unknown_authority else None))
            running.enter_context(setups[-1].loki)
            seed(setups[-1])
        kigeon = Kigeon(tmp_path / "kigeon", api, [setup.sender for setup in setups], http=LISTEN)
        found = checked(kigeon)
        assert [cure for cure in SENDERS.values() if cure not in found] == []
        api.put_events([make_event(number) for number in range(3)])
        with kigeon:
            for cure in SENDERS.values():
                wait_until(lambda cure=cure: cure in said(kigeon), what=f"a word in the log: {cure}")
            for cure in SENDERS.values():
                wait_until(lambda cure=cure: cure in shown(kigeon), what=f"a word on the page: {cure}")


@pytest.mark.parametrize(
    ("seed", "cure", "starts"),
    [
        (a_url_with_a_path, "must be a base URL without path (/loki/api/v1/push is appended)", False),
        pytest.param(a_read_only_volume, "mount the volume for writing (readOnly: false)", False, marks=needs_root),
        pytest.param(a_directory_of_another_owner, "securityContext.fsGroup", False, marks=needs_root),
        (a_clock_ahead, "have both set by NTP", True),
    ],
)
def test_what_concerns_all_is_named_with_its_cure(
    tmp_path: Path, api: ApiServer, seed: Callable[[Setup], None], cure: str, starts: bool
) -> None:
    setup = Setup(api, tmp_path, "loki")
    with setup.loki:
        seed(setup)
        kigeon = Kigeon(tmp_path / "kigeon", api, [setup.sender], http=LISTEN)
        kigeon.prepare = setup.prepare
        assert cure in checked(kigeon)
        api.put_events([make_event(number) for number in range(3)])
        with kigeon:
            wait_until(lambda: cure in said(kigeon), what="a word of it in the log")
            if starts:
                wait_until(lambda: cure in shown(kigeon), what="a word of it on the page")
            else:
                assert kigeon.wait() != 0


def checked(kigeon: Kigeon) -> str:
    """Return what ``check --connect`` prints, on one line."""
    command = [sys.executable, "-P", "-m", "kigeon", "check", "--config", str(kigeon.config), "--connect"]
    done = subprocess.run(
        [*command, *kigeon.credentials],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        preexec_fn=kigeon.prepare,
    )
    assert done.returncode == 2, done
    return " ".join((done.stdout + done.stderr).split())


def said(kigeon: Kigeon) -> str:
    """Return what is in the log, at warn and error, and what a kigeon that can't start says."""
    lines = [line for line in kigeon.log() if line["level"] in ("warn", "error")]
    rest = [line for line in kigeon.log_path.read_text().splitlines() if not line.startswith("{")]
    return "\n".join([*(str(line) for line in lines), *rest])


def shown(kigeon: Kigeon) -> str:
    """Return what the page says needs a look."""
    return html.unescape(get(kigeon, "/")[1].partition('id="problems"')[2].partition("</section>")[0])
