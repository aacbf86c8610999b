"""A JetStream that others keep: what is missing there is named by ``kigeon check --connect``, with its cure."""

import asyncio
import re
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import nats
import pytest
from nats.js import JetStreamContext

from kigeon.config.settings import ExternalQueue, QueueSettings
from kigeon.queue.broker.address import external_address
from kigeon.queue.broker.stream_configs import records_config, retry_config, stream_configs
from tests.support.checking import Setup
from tests.support.nats import NatsNode, free_port
from tests.support.nats_credentials import make_authority, make_operator

ACCOUNT = """
accounts {{ KIGEON {{ jetstream: {jetstream}, users: [{{
  user: kigeon, password: right-password {more}
}}] }} }}
"""


def account(jetstream: str = "enabled", more: str = "") -> str:
    return ACCOUNT.format(jetstream=jetstream, more=more)


class Queue:
    """A setup with an external JetStream; *at* has it use a server, which is given up with it."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        (setup.folder / "user").write_text("kigeon\n")
        (setup.folder / "password").write_text("right-password\n")
        self.section = setup.queue

    def use(self, *nodes: NatsNode, **more: Any) -> None:
        self.section.clear()
        self.section["url"] = ",".join(node.url for node in nodes)
        if nodes[0].more.lstrip().startswith("accounts"):
            self.section |= {"usernameFile": "user", "passwordFile": "password"}
        self.section.update(more)

    def failure(self) -> tuple[str, str]:
        return self.setup.failure()


@pytest.fixture
def queue(setup: Setup) -> Queue:
    return Queue(setup)


def ask(node: NatsNode, question: Callable[[JetStreamContext], Awaitable[Any]]) -> Any:
    """Return what JetStream answers."""

    async def asked() -> Any:
        client = await nats.connect(node.url, user="kigeon", password="right-password")
        try:
            return await question(client.jetstream())
        finally:
            await client.close()

    return asyncio.run(asked())


def test_with_all_well_it_says_so_and_leaves_nothing_behind(queue: Queue, tmp_path: Path) -> None:
    with NatsNode(tmp_path / "n", more=account()) as node:
        queue.use(node)
        done = queue.setup.run()
        assert (done.returncode, done.stderr) == (0, "")
        assert f"{node.url} is nats-server 2." in re.sub(r"\s+", " ", done.stdout)
        assert "0 of 6 streams of kigeon are there" in re.sub(r"\s+", " ", done.stdout)
        assert not ask(node, lambda js: js.streams_info())
    assert not queue.setup.data.exists()


def test_what_is_there_stays_there(queue: Queue, tmp_path: Path) -> None:
    """JetStream takes a request to purge that does not begin as JSON does for one to purge everything."""
    with NatsNode(tmp_path / "n", more=account()) as node:
        queue.use(node)
        external = external_address(ExternalQueue((node.url,)))

        async def fill(js: JetStreamContext) -> None:
            for config in declared:
                await js.add_stream(config)
                subject = (config.subjects or [""])[0]
                await js.publish(subject.replace("*", "a").replace(">", "a"), b"event")

        async def held(js: JetStreamContext) -> list[tuple[str | None, int, int]]:
            return [(info.config.name, info.state.messages, info.state.last_seq) for info in await js.streams_info()]

        settings = QueueSettings()
        declared = [*stream_configs(settings, external), records_config(external)]
        declared.append(retry_config(settings, external, "loki"))
        ask(node, fill)
        before = ask(node, held)
        assert len(before) == len(declared)
        assert queue.setup.check() == (0, [])
        assert ask(node, held) == before


def test_nobody_listens(queue: Queue, tmp_path: Path) -> None:
    """At one of two servers: the others are tried all the same."""
    with NatsNode(tmp_path / "n", more=account()) as node:
        queue.use(node)
        gone = f"nats://127.0.0.1:{free_port()}"
        queue.section["url"] += f",{gone}"
        said, cure = queue.failure()
    assert said.startswith(f"queue: {gone}: ")
    assert "firewall" in cure
    said, cure = "", ""
    queue.section["url"] = gone
    said, cure = queue.failure()
    assert "firewall" in cure


def test_wrong_credentials(queue: Queue, tmp_path: Path) -> None:
    with NatsNode(tmp_path / "n", more=account()) as node:
        queue.use(node)
        (tmp_path / "password").write_text("wrong-password")
        said, cure = queue.failure()
    assert "Authorization Violation" in said
    assert "wrong-password" not in said + cure
    assert cure == "check the credentials that queue names: user, password, token, credentialsFile"


def test_credentials_of_nsc(queue: Queue, tmp_path: Path) -> None:
    """The right ones, those of another operator, and what is none."""
    operator, other = make_operator(), make_operator()
    with NatsNode(tmp_path / "n", more=operator.configuration) as node:
        queue.use(node, credentialsFile="creds")
        (tmp_path / "creds").write_text(operator.credentials)
        assert queue.setup.check() == (0, [])
        (tmp_path / "creds").write_text(other.credentials)
        assert "Authorization Violation" in queue.failure()[0]
        (tmp_path / "creds").write_text(re.sub(r"(SEED-+\n)\w+", r"\1SUAnonsense", operator.credentials))
        said, cure = queue.failure()
    assert "the credentials can't be read" in said
    assert "nsc generate creds" in cure
    assert "SEED" not in said


def test_a_token(queue: Queue, tmp_path: Path) -> None:
    with NatsNode(tmp_path / "n", more='authorization { token: "right-token" }') as node:
        (tmp_path / "token").write_text("right-token\n")
        queue.use(node, tokenFile="token")
        assert queue.setup.check() == (0, [])


def test_jetstream_off_at_the_server(queue: Queue, tmp_path: Path) -> None:
    with NatsNode(tmp_path / "n", jetstream=False) as node:
        queue.use(node)
        said, cure = queue.failure()
    assert "JetStream is off at the server" in said
    assert cure.startswith("turn JetStream on at every server")


def test_jetstream_off_for_the_account(queue: Queue, tmp_path: Path) -> None:
    with NatsNode(tmp_path / "n", more=account("disabled")) as node:
        queue.use(node)
        said, cure = queue.failure()
    assert "not enabled for account" in said
    assert cure == "turn JetStream on for the account (jetstream: enabled)"


@pytest.mark.parametrize(
    ("permission", "subject"),
    [
        ('publish: { deny: "$JS.API.CONSUMER.CREATE.>" }', "$JS.API.CONSUMER.CREATE.kigeon-events.check"),
        ('publish: { deny: "kigeon.>" }', "kigeon.retry.loki."),
        ('publish: { deny: "$KV.>" }', "$KV.kigeon-state.check"),
        ('subscribe: { deny: "kigeon.operate.*" }', "kigeon.operate.loki"),
        ('subscribe: { allow: "kigeon.>" }', "_INBOX."),
    ],
)
def test_no_right_to_a_subject(queue: Queue, tmp_path: Path, permission: str, subject: str) -> None:
    with NatsNode(tmp_path / "n", more=account(more=f", permissions: {{ {permission} }}")) as node:
        queue.use(node)
        code, found = queue.setup.check()
    assert code == 2
    assert {finding.subject for finding in found} == {"queue rights"}
    assert any(subject in finding.said for finding in found)
    assert all("docs/scaling.md" in finding.cure for finding in found)


def test_what_the_documents_grant_is_enough(queue: Queue, tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "scaling.md").read_text()
    (permissions,) = re.findall(r"^ *permissions: \{.*?^ *\}$", page, re.MULTILINE | re.DOTALL)
    with NatsNode(tmp_path / "n", more=account(more=f", {permissions}")) as node:
        queue.use(node)
        assert queue.setup.check() == (0, [])


def test_too_few_servers_for_the_replicas(queue: Queue, tmp_path: Path) -> None:
    with NatsNode(tmp_path / "n", more=account()) as node:
        queue.use(node, replicas=3)
        said, cure = queue.failure()
    assert "a stream of 3 replicas can't be made" in said
    assert cure.startswith("run as many servers with JetStream as queue.replicas says")


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        ("max_file: 1GB", "the account may store 1024Mi more, and kigeon's streams may grow to 1420Mi"),
        ("max_file: 100GB, disk_max_stream_bytes: 100MB", "a stream of the account may have 100Mi"),
        ("max_file: 100GB, max_streams: 5", "the account may have 5 streams more, and kigeon needs 6"),
    ],
)
def test_a_limit_of_the_account(queue: Queue, tmp_path: Path, limits: str, told: str) -> None:
    with NatsNode(tmp_path / "n", more=account(f"{{ {limits} }}")) as node:
        queue.use(node)
        said, cure = queue.failure()
    assert told in said
    assert cure.startswith("raise the account's limit")


def test_a_server_without_the_room(queue: Queue, tmp_path: Path) -> None:
    with NatsNode(tmp_path / "n", more=account(), max_file_store="100MB") as node:
        queue.use(node)
        said, cure = queue.failure()
    assert "insufficient storage resources" in said
    assert "max_file_store" in cure


def test_a_server_that_takes_small_messages_only(queue: Queue, tmp_path: Path) -> None:
    with NatsNode(tmp_path / "n", more=account(), max_payload=2**20) as node:
        queue.use(node)
        said, cure = queue.failure()
    assert "at most 1048576 bytes" in said
    assert cure == "set max_payload: 8MB at the servers"


@contextmanager
def relay(port: int, before: bytes, after: bytes) -> Iterator[int]:
    """Pass on what a server says, its greeting changed; yields the port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(("127.0.0.1", port))
                client.sendall(server.recv(65536).replace(before, after))
                threading.Thread(target=pass_on, args=(client, server), daemon=True).start()
                threading.Thread(target=pass_on, args=(server, client), daemon=True).start()

    def pass_on(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError), source, sink:
            while data := source.recv(65536):
                sink.sendall(data)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def test_an_older_server(queue: Queue, tmp_path: Path) -> None:
    with (
        NatsNode(tmp_path / "n", more=account()) as node,
        relay(node.port, b'"version":"2.1', b'"version":"2.0') as port,
    ):
        queue.use(node)
        queue.section["url"] = f"nats://127.0.0.1:{port}"
        said, cure = queue.failure()
    assert "nats-server 2.15 or newer is needed, the server is 2.05" in said
    assert cure.startswith("update the servers")


def test_a_stream_of_somebody_else(queue: Queue, tmp_path: Path) -> None:
    with NatsNode(tmp_path / "n", more=account()) as node:
        ask(node, lambda js: js.add_stream(name="kigeon-events", subjects=["orders.>"]))
        queue.use(node)
        said, cure = queue.failure()
    assert said.endswith("the stream kigeon-events is not kigeon's: its subjects are orders.>")
    assert "a queue.name of its own" in cure


def test_streams_with_other_settings(queue: Queue, tmp_path: Path) -> None:
    with NatsNode(tmp_path / "n", more=account()) as node:
        ask(node, lambda js: js.add_stream(name="kigeon-seen", subjects=["kigeon.seen"], storage="memory"))
        queue.use(node)
        said, cure = queue.failure()
    assert said.endswith("the stream kigeon-seen exists with other settings: its storage is memory")
    assert "a queue.name of its own" in cure


def test_subjects_of_somebody_else(queue: Queue, tmp_path: Path) -> None:
    with NatsNode(tmp_path / "n", more=account()) as node:
        ask(node, lambda js: js.add_stream(name="everything", subjects=["kigeon.>"]))
        queue.use(node)
        said, cure = queue.failure()
    assert "subjects overlap" in said
    assert "a queue.name of its own" in cure


def test_tls(queue: Queue, tmp_path: Path) -> None:
    """Who is not trusted, who does not trust, who speaks none."""
    authority = make_authority(tmp_path / "authority")
    certificate, key = authority.certify("server")
    tls = f'tls {{ cert_file: "{certificate}", key_file: "{key}", ca_file: "{authority.certificate}", verify: true }}'
    with NatsNode(tmp_path / "n", more=account() + tls) as node, NatsNode(tmp_path / "plain", more=account()) as plain:
        node.scheme = plain.scheme = "tls"
        mine = dict(zip(("certFile", "keyFile"), map(str, authority.certify("kigeon")), strict=True))
        queue.use(node, tlsConfig=mine)
        said, cure = queue.failure()
        assert "certificate verify failed" in said
        assert "queue.tlsConfig.caFile" in cure
        queue.section["tlsConfig"] = {"caFile": str(authority.certificate)}
        said, cure = queue.failure()
        assert "the server wants a certificate of kigeon" in said
        assert "queue.tlsConfig.certFile" in cure
        queue.section["tlsConfig"] |= mine
        assert queue.setup.check() == (0, [])
        queue.section["tlsConfig"] = {**mine, "insecureSkipVerify": True}
        assert queue.setup.check() == (0, [])
        queue.section["url"] = plain.url
        assert "the server speaks no TLS" in queue.failure()[0]
