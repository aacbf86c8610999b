"""``queue.url`` and what belongs to it: what may be said, what contradicts, what comes of it."""

from itertools import product
from pathlib import Path

import pytest

from kigeon.config.settings import ExternalQueue, QueueSettings, QueueTls
from kigeon.queue.broker.address import external_address
from kigeon.queue.broker.names import StreamNames
from tests.config.files import SENDER, load, problems_of, told

URL = "url: nats://a:4222"
TLS = "url: tls://a:4222"
SERVERS = "must be servers as nats://host:port or tls://host:port, separated by commas"
EXAMPLE = "for example nats://nats-0.nats:4222,nats://nats-1.nats:4222"
WITHOUT_URL = (
    "has no meaning without queue.url",
    "set queue.url, or leave it out: the embedded server needs none of it",
)
LOGIN = "log in by one of credentialsFile, usernameFile, tokenFile"
REPLICAS = ("must be 1, 3 or 5", "3 outlive the loss of one server; 2 or 4 outlive no more than 1 or 3")
NAME = ("must consist of a-z, 0-9 and `-` between them, at most 32 of them", "for example prod-eu")
RETRY = ("its streams could have the names of another kigeon's retry streams", "leave out the word retry")
SECRET = (
    "must hold no credentials",
    "put them into queue.usernameFile and queue.passwordFile, queue.tokenFile or queue.credentialsFile",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("user", "password", "token", "creds", "ca", "cert", "key"):
        (tmp_path / name).write_text(f"the {name}\n")
    return tmp_path


ONE_PROBLEM: list[tuple[str, tuple[str, str, str]]] = [
    ("url: 7", ("url", "must be a text", "put it in quotes")),
    ("url: ''", ("url", SERVERS, EXAMPLE)),
    ("url: 'a:4222'", ("url", SERVERS, EXAMPLE)),
    ("url: http://a:4222", ("url", SERVERS, EXAMPLE)),
    ("url: 'nats://a:4222,'", ("url", SERVERS, EXAMPLE)),
    ("url: nats://a:99999", ("url", SERVERS, EXAMPLE)),
    ("url: nats://a:0", ("url", SERVERS, EXAMPLE)),
    ("url: nats://a:4222/x", ("url", "a server has no path", EXAMPLE)),
    ("url: 'nats://me:secret@a:4222'", ("url", *SECRET)),
    ("url: 'nats://a:4222,nats://token@b'", ("url", *SECRET)),
    (
        "url: 'nats://a:4222,tls://b:4222'",
        ("url", "mixes nats:// and tls://", "begin each server with tls://, or each with nats://"),
    ),
    ("replicas: 3", ("replicas", *WITHOUT_URL)),
    ("name: prod", ("name", *WITHOUT_URL)),
    ("credentialsFile: creds", ("credentialsFile", *WITHOUT_URL)),
    ("usernameFile: user", ("usernameFile", *WITHOUT_URL)),
    ("passwordFile: password", ("passwordFile", *WITHOUT_URL)),
    ("tokenFile: token", ("tokenFile", *WITHOUT_URL)),
    ("tlsConfig: {}", ("tlsConfig", *WITHOUT_URL)),
    (f"{URL}, replicas: 2", ("replicas", *REPLICAS)),
    (f"{URL}, replicas: 7", ("replicas", *REPLICAS)),
    (f"{URL}, replicas: true", ("replicas", *REPLICAS)),
    (f"{URL}, replicas: '3'", ("replicas", *REPLICAS)),
    (f"{URL}, name: Prod", ("name", *NAME)),
    (f"{URL}, name: a.b", ("name", *NAME)),
    (f"{URL}, name: -a", ("name", *NAME)),
    (f"{URL}, name: {'a' * 33}", ("name", *NAME)),
    (f"{URL}, name: a-retry", ("name", *RETRY)),
    (f"{URL}, name: a-retry-b", ("name", *RETRY)),
    (f"{URL}, credentialsFile: creds, tokenFile: token", ("tokenFile", "contradicts credentialsFile", LOGIN)),
    (
        f"{URL}, usernameFile: user",
        ("usernameFile", "has no meaning without passwordFile", "name the passwordFile as well"),
    ),
    (
        f"{URL}, passwordFile: password",
        ("passwordFile", "has no meaning without usernameFile", "name the usernameFile as well"),
    ),
    (
        f"{URL}, tlsConfig: {{caFile: ca}}",
        ("tlsConfig", "has no meaning with nats://", "begin each server of queue.url with tls://"),
    ),
    (
        f"{TLS}, tlsConfig: {{certFile: cert}}",
        ("tlsConfig.certFile", "has no meaning without keyFile", "name the keyFile as well"),
    ),
    (
        f"{TLS}, tlsConfig: {{keyFile: key}}",
        ("tlsConfig.keyFile", "has no meaning without certFile", "name the certFile as well"),
    ),
    (
        f"{TLS}, tlsConfig: {{caFile: ca, insecureSkipVerify: true}}",
        ("tlsConfig.caFile", "has no meaning with insecureSkipVerify", "leave out one of the two"),
    ),
    (f"{TLS}, tlsConfig: {{cafile: x}}", ("tlsConfig.cafile", "unknown key", "did you mean `caFile`?")),
]


@pytest.mark.parametrize(("section", "expected"), ONE_PROBLEM)
def test_one_problem_is_told_with_its_cure(folder: Path, section: str, expected: tuple[str, str, str]) -> None:
    (problem,) = problems_of(folder, f"{SENDER}queue: {{{section}}}\n")
    path, place, message, cure = told(problem)
    assert (path.removeprefix("queue."), message, cure) == expected
    assert place.startswith("6:")
    assert "secret" not in str(problem)


def test_all_problems_are_told_at_once_also_of_files(folder: Path) -> None:
    text = """\
queue:
  url: nats://a:4222
  replicas: 2
  name: a-retry
  credentialsFile: nowhere
  tlsConfig:
    caFile: gone
"""
    found = [told(problem) for problem in problems_of(folder, SENDER + text)]
    gone = "No such file or directory"
    relative = "a file's name is relative to this file"
    assert found == [
        ("queue.replicas", "8:3", *REPLICAS),
        ("queue.name", "9:3", *RETRY),
        ("queue.credentialsFile", "10:3", f"{folder / 'nowhere'}: {gone}", relative),
        ("queue.tlsConfig.caFile", "12:5", f"{folder / 'gone'}: {gone}", relative),
    ]


def test_the_defaults_of_what_belongs_to_it_may_be_written_down(tmp_path: Path) -> None:
    assert load(tmp_path, f"{SENDER}queue: {{replicas: 1, name: kigeon}}\n").queue == QueueSettings()


def test_everything_that_may_be_said(folder: Path) -> None:
    text = """\
queue:
  url: tls://a:4222, tls://[::1]:4223,tls://c
  replicas: 3
  name: prod-eu
  usernameFile: user
  passwordFile: /proc/self/status
  tlsConfig: {caFile: ca, certFile: cert, keyFile: key}
"""
    found = load(folder, SENDER + text).queue.external
    assert found == ExternalQueue(
        servers=("tls://a:4222", "tls://[::1]:4223", "tls://c"),
        replicas=3,
        name="prod-eu",
        username_file=folder / "user",
        password_file=Path("/proc/self/status"),
        tls=QueueTls(folder / "ca", folder / "cert", folder / "key"),
    )
    assert found.is_encrypted
    address = external_address(found)
    assert (address.servers, address.names, address.replicas) == (list(found.servers), StreamNames("prod-eu"), 3)


def test_streams_of_two_names_never_have_one_name() -> None:
    """Whatever their senders are called: all that could are refused as names."""
    words = ("a", "retry", "events", "dead", "letter")
    names = ["-".join(parts) for length in (1, 2, 3) for parts in product(words, repeat=length)]
    allowed = [name for name in names if "retry" not in name.split("-")[1:]]
    assert len(allowed) < len(names)
    owners: dict[str, str] = {}
    for name in allowed:
        own = StreamNames(name)
        streams = [own.events, own.seen, own.outcomes, own.dead_letter, own.state_stream]
        streams += [own.retry, *(own.retry_stream(sender) for sender in names)]
        for stream in streams:
            assert owners.setdefault(stream, name) == name


def test_by_default_the_names_are_what_they_always_were() -> None:
    names = StreamNames()
    assert (names.events, names.events_subject) == ("kigeon-events", "kigeon.events")
    assert (names.state_stream, names.record_subject("position.a")) == (
        "KV_kigeon-state",
        "$KV.kigeon-state.position.a",
    )
    assert names.retry_stream("a") == "kigeon-retry-a"
    assert names.retry_subject("a", "").startswith("kigeon.retry.a.")
    assert names.operate_subject("a") == "kigeon.operate.a"
