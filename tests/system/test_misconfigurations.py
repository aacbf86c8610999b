"""What is most often configured wrongly is named, with its cure, by ``check --connect``, by the page and by the log.

A kigeon that can't be started with it has no page: the log, which is then its last words, says it.
"""

from __future__ import annotations

import html
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
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


@dataclass
class Setup:
    """What a seed may change before kigeon starts; ``secure`` is a Loki with a certificate that nobody knows."""

    api: ApiServer
    loki: Loki
    secure: Loki
    folder: Path
    sender: dict[str, Any]
    prepare: Preparation | None = None
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
        (self.folder / "hook.star").write_text(f"def transform(config, event):\n    {body}\n")
        self.config["hook"] = {"script": str(self.folder / "hook.star"), **more}


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
    setup.config["url"] = setup.secure.url


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


@dataclass(frozen=True)
class Case:
    """``cure`` is a part of what each place says; a kigeon that never ``starts`` has no page."""

    seed: Callable[[Setup], None]
    cure: str
    starts: bool = True
    marks: tuple[pytest.MarkDecorator, ...] = field(default=())


CASES = [
    Case(wrong_tenant, "check basicAuth and tenantID"),
    Case(no_right_on_pods, "grant get on pods (deploy/kubernetes/rbac.yaml)"),
    Case(a_url_with_a_path, "must be a base URL without path (/loki/api/v1/push is appended)", starts=False),
    Case(tls_to_a_plain_port, "the server speaks no TLS: begin the url with http://"),
    Case(an_unknown_authority, "REQUESTS_CA_BUNDLE"),
    Case(a_read_only_volume, "mount the volume for writing (readOnly: false)", starts=False, marks=(needs_root,)),
    Case(a_directory_of_another_owner, "securityContext.fsGroup", starts=False, marks=(needs_root,)),
    Case(a_hook_that_fails, "kigeon hook test"),
    Case(limits_that_refuse, "raise limits_config.max_global_streams_per_user for the tenant"),
    Case(a_line_that_is_too_long, "raise limits_config.max_line_size for the tenant"),
    Case(a_clock_ahead, "have both set by NTP"),
]


@pytest.fixture
def setup(tmp_path: Path, api: ApiServer, loki: Loki, certificate: tuple[Path, Path]) -> Iterator[Setup]:
    with Loki(certificate) as secure:
        yield Setup(api, loki, secure, tmp_path, loki_sender(loki))


@pytest.mark.parametrize("case", [pytest.param(case, marks=case.marks, id=case.seed.__name__) for case in CASES])
def test_it_is_named_with_its_cure(setup: Setup, case: Case) -> None:
    case.seed(setup)
    kigeon = Kigeon(setup.folder / "kigeon", setup.api, [setup.sender], http=LISTEN)
    kigeon.prepare = setup.prepare
    assert case.cure in checked(kigeon)
    setup.api.put_events([make_event(number) for number in range(3)])
    with kigeon:
        wait_until(lambda: case.cure in said(kigeon), what="a word of it in the log")
        if case.starts:
            wait_until(lambda: case.cure in shown(kigeon), what="a word of it on the page")
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
