"""Every secret that kigeon is given is marked; no byte that it lets out has a mark in it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from kigeon.standin.apiserver import ApiServer
from tests.support.events import make_event
from tests.support.http import LISTEN, get
from tests.support.kigeon import Kigeon, accounts, loki_sender
from tests.support.loki import Loki
from tests.support.processes import descendants, is_running, title, wait_until

PASSWORD = "marked-direct-password"
FROM_ENVIRONMENT = "marked-password-of-the-environment"
HOOKED = "marked-password-of-a-hook"
PROXY = ("marked-proxy-pass", "word-marked")
TOKEN = "marked-token-of-the-kubeconfig"
UNUSED = "marked-variable-that-nobody-named"

SECRETS = {
    "LOKI_PASSWORD": FROM_ENVIRONMENT,
    "HTTP_PROXY": f"http://user:{'/'.join(PROXY)}@127.0.0.1:1",
    "NO_PROXY": "localhost,127.0.0.1",
    "ANOTHER_SECRET": UNUSED,
}

HOOK = f"""
def transform(config, event):
    print(config)
    if event["reason"] == "Bad":
        fail(str(config))
    config["basicAuth"] = {{"username": "hook", "password": "{HOOKED}"}}
    if event["reason"] == "Worse":
        config["eventLabels"] = config["basicAuth"]
    return config
"""


class Open:
    """kigeon with every kind of secret, in every kind of trouble; ``out`` is what came of it."""

    def __init__(self, folder: Path, api: ApiServer, lokis: list[Loki]) -> None:
        script = folder / "hook.star"
        script.write_text(HOOK)
        direct, named, hooked = lokis
        auth = {"username": "kigeon", "password": PASSWORD}
        from_environment = {"username": "kigeon", "passwordEnvVar": "LOKI_PASSWORD"}
        self.kigeon = Kigeon(
            folder / "kigeon",
            api,
            [
                loki_sender(direct, "direct", basicAuth=auth),
                loki_sender(named, "named", basicAuth=from_environment),
                loki_sender(hooked, "hooked", basicAuth=auth, hook={"script": str(script), "onError": "skip"}),
                {"name": "proxied", "type": "loki", "config": {"url": "http://loki.invalid", "basicAuth": auth}},
            ],
            http=LISTEN,
        )
        self.out: dict[str, bytes] = {}

    def collect_processes(self) -> None:
        """Keep the command lines of all processes, and the environments of those that are no forks of the root."""
        root = Path(f"/proc/{self.kigeon.pid}/environ").read_bytes()
        for pid in [self.kigeon.pid, *descendants(self.kigeon.pid)]:
            try:
                name, environ = title(pid), Path(f"/proc/{pid}/environ").read_bytes()
            except OSError:
                continue
            self.out[f"command line of {pid}"] = name.encode()
            if environ != root:
                self.out[f"environment of {name}"] = environ

    def collect_files(self) -> None:
        """Keep the log and every file of the data directory."""
        for path in [self.kigeon.log_path, *(self.kigeon.folder / "data").rglob("*")]:
            if path.is_file():
                self.out[str(path)] = path.read_bytes()


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Open]:
    folder = tmp_path_factory.mktemp("secrets")
    with ApiServer() as api, Loki() as direct, Loki() as named, Loki() as hooked:
        api.token = TOKEN
        opened = Open(folder, api, [direct, named, hooked])
        direct.refuse = lambda line: line.fields["name"].startswith("web-7.")
        api.put_events([make_event(number) for number in range(30)])
        api.put_events([make_event(30 + number, reason=reason) for number, reason in enumerate(["Bad", "Worse"])])
        with patch.dict(os.environ, SECRETS), opened.kigeon as kigeon:
            named.wait_for(30)
            wait_until(lambda: accounts(kigeon, "sender/direct").get("parked"), what="a parked event")
            wait_until(lambda: accounts(kigeon, "sender/hooked").get("skipped") == 2, what="skipped events")
            wait_until(lambda: "proxied" in str(kigeon.ask("status")["senders"]), what="a held sender")
            opened.collect_processes()
            letters = [letter["id"] for letter in kigeon.ask("dead-letter", "list")["deadLetters"]]
            for question in (["status"], ["dead-letter", "list"], ["dead-letter", "show", *letters]):
                opened.out[" ".join(question)] = repr(kigeon.ask(*question)).encode()
            opened.out["audit"] = repr(kigeon.ask("audit", "--loki")).encode()
            wait_until(lambda: '"no answer: ' in get(kigeon, "/api/status")[1], what="a reason on the page")
            for path in ("/metrics", "/api/status", "/readyz?verbose", "/"):
                opened.out[path] = get(kigeon, path)[1].encode()
            named.always = lambda tenant: 401
            api.put_events([make_event(100)])
            api.rotate_token()
            api.faults.end_watches("drop")
            for actor in ("watcher", "sender/direct", "sender/hooked"):
                before = kigeon.actor(actor)
                os.kill(before, signal.SIGKILL)
                wait_until(lambda gone=before: not is_running(gone))
                kigeon.actor(actor)
            wait_until(lambda: any("401" in str(line) for line in kigeon.log()), what="a refusal")
            opened.collect_processes()
            assert kigeon.stop() == 0
        opened.collect_files()
        yield opened


# Named by numbers: the name of a test is in the environment of what it starts.
@pytest.mark.parametrize("secret", [PASSWORD, FROM_ENVIRONMENT, HOOKED, *PROXY, TOKEN], ids=range(6))
def test_no_byte_that_comes_out_is_secret(everything: Open, secret: str) -> None:
    environments = {name for name in everything.out if name.startswith("environment of ")}
    held = {name for name, data in everything.out.items() if secret.encode() in data}
    assert not held - environments


def test_what_was_looked_at_is_what_there_is(everything: Open) -> None:
    """A log at debug, files, answers, command lines; what should be in them is."""
    names = " ".join(everything.out)
    for part in (
        "kigeon.log",
        "jetstream",
        "nats-server.conf",
        "status",
        "dead-letter show",
        "audit",
        "worker.py",
        "/metrics",
        "/api/status",
    ):
        assert part in names
    assert b"the hook printed" in everything.out[str(everything.kigeon.log_path)]
    assert b"HTTP_PROXY" in everything.out[str(everything.kigeon.log_path)]


def test_children_that_are_no_forks_have_no_secret_in_their_environment(everything: Open) -> None:
    """But nats-server its own token, which it is given in no other way, and an operator's process the proxies."""
    environments = {name: data for name, data in everything.out.items() if name.startswith("environment of ")}
    assert any("nats-server" in name for name in environments)
    assert any("worker.py" in name for name in environments)
    for name, data in environments.items():
        named = [PASSWORD, FROM_ENVIRONMENT, HOOKED, TOKEN] if "kigeon.operator" in name else ["marked"]
        assert not [secret for secret in named if secret.encode() in data], name


def test_the_token_of_the_queue_is_nowhere_else(everything: Open) -> None:
    (environ,) = {data for name, data in everything.out.items() if name.startswith("environment of") and "nats" in name}
    token = next(item.partition(b"=")[2] for item in environ.split(b"\0") if item.startswith(b"KIGEON_NATS_TOKEN="))
    assert len(token) > 60
    assert [name for name, data in everything.out.items() if token in data] == [
        name for name in everything.out if name.startswith("environment of") and "nats-server" in name
    ]
