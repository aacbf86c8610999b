import pickle
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kigeon.config.load import parse_config
from kigeon.config.settings import (
    FilterSettings,
    GlobalSettings,
    HookSettings,
    HttpSettings,
    PusherSettings,
    QueueSettings,
    SenderSettings,
    Settings,
)
from kigeon.errors import ConfigurationError
from kigeon.senders.loki.settings import BasicAuth, LokiSettings
from kigeon.senders.registry import TYPES
from tests.config.files import SENDER, load

LOKI = LokiSettings("http://loki:3100")
EVERYTHING = """\
global: {dataDir: /data, logLevel: debug, logFormat: text}
queue: {eventsMaxAge: 1h30m, eventsMaxBytes: 1Gi, kubernetesEventsMaxLifetime: 90s}
pusher: {pushTimeout: 500ms, batchWait: 1s}
http: {listen: "[::1]:9090", namespaceLabel: true}
eventsenders:
- name: loki
  type: loki
  filter:
    namespaceSelector: {matchLabels: {example.com/team: shop, empty: ''}}
    includeNonNamespaced: true
    hardRefreshInterval: 10m
  config:
    url: https://loki:3100/
    tenantID: shop
    streamLabels: {cluster: eu-1}
    basicAuth: {username: kigeon, passwordEnvVar: LOKI_PASSWORD}
    tlsConfig: {insecureSkipVerify: true}
    eventLabels: [reason, namespace, reason]
    structuredMetadata: []
    encoding: json
    hook: {script: hooks/a.star, timeout: 1s, onError: fail, enrichPod: true, skipOnPodNotFound: true,
           podLookupsPerSecond: 50, workers: 3}
- name: out-1
  type: stdout
"""


def test_the_least_that_is_valid_has_every_default(tmp_path: Path) -> None:
    assert load(tmp_path, SENDER) == Settings(
        (SenderSettings("loki", "loki", None, None, LOKI, {"url": "http://loki:3100"}),),
        GlobalSettings(Path("/var/lib/kigeon/data"), "info", "json"),
        QueueSettings(24 * 3600.0, 500 * 2**20, 3600.0),
        PusherSettings(5.0, 0.2),
        HttpSettings("127.0.0.1:8080", False),
    )


def test_every_key_arrives_in_its_setting(tmp_path: Path, script: Path) -> None:
    loki, out = (found := load(tmp_path, EVERYTHING, {"LOKI_PASSWORD": "hunter2"})).senders
    assert found.global_ == GlobalSettings(Path("/data"), "debug", "text")
    assert found.queue == QueueSettings(5400.0, 2**30, 90.0)
    assert found.pusher == PusherSettings(0.5, 1.0)
    assert found.http == HttpSettings("[::1]:9090", True)
    assert (loki.name, loki.type) == ("loki", "loki")
    assert loki.filter == FilterSettings({"example.com/team": "shop", "empty": ""}, True, 600.0)
    assert loki.hook == HookSettings(script, 1.0, "fail", True, True, 50.0, 3)
    assert loki.settings == LokiSettings(
        "https://loki:3100",
        "shop",
        {"cluster": "eu-1"},
        BasicAuth("kigeon", "hunter2"),
        True,
        (("reason", "reason"), ("namespace", "namespace")),
        (),
        "json",
    )
    assert out == SenderSettings("out-1", "stdout")


@pytest.mark.parametrize("empty", ["", "{}", "null"])
def test_an_empty_section_is_one_of_defaults(tmp_path: Path, empty: str) -> None:
    sections = f"global: {empty}\nqueue: {empty}\npusher: {empty}\nhttp: {empty}\n"
    more = f"    tlsConfig: {empty}\n    streamLabels: {empty}\n    basicAuth: {empty}\n"
    found = load(tmp_path, f"{sections}{SENDER}{more}")
    assert (found.global_, found.queue, found.pusher) == (GlobalSettings(), QueueSettings(), PusherSettings())
    assert found.http == HttpSettings()
    assert found.senders[0].settings == LOKI


@pytest.mark.parametrize(("said", "filter_"), [("", None), ("null", None), ("{}", FilterSettings())])
def test_a_filter_of_which_nothing_is_said_is_none(tmp_path: Path, said: str, filter_: FilterSettings | None) -> None:
    """One that says ``{}`` selects every namespace, and leaves out what is in none."""
    (sender,) = load(tmp_path, f"{SENDER}  filter: {said}\n").senders
    assert sender.filter == filter_


def test_the_zero_of_the_wait_for_a_batch_is_none(tmp_path: Path) -> None:
    assert load(tmp_path, SENDER + "pusher: {batchWait: 0}\n").pusher == PusherSettings(5.0, 0.0)


def test_the_zero_of_hard_refresh_is_off(tmp_path: Path) -> None:
    (sender,) = load(tmp_path, SENDER + "  filter: {hardRefreshInterval: 0}\n").senders
    assert sender.filter == FilterSettings({}, False, 0.0)


@pytest.mark.parametrize(
    ("auth", "expected"),
    [
        ("username: a, password: p", BasicAuth("a", "p")),
        ("usernameEnvVar: USER_VAR, passwordEnvVar: PASSWORD_VAR", BasicAuth("from-env", "secret-from-env")),
        ("username: a, passwordEnvVar: PASSWORD_VAR", BasicAuth("a", "secret-from-env")),
        ("username: a, usernameEnvVar: USER_VAR, password: p, passwordEnvVar: PASSWORD_VAR", BasicAuth("a", "p")),
        ("username: a, usernameEnvVar: NOT_SET, password: '', passwordEnvVar: NOT_SET", BasicAuth("a", "")),
        ("username: a, passwordEnvVar: EMPTY", BasicAuth("a", "")),
        ("password: p", BasicAuth("", "p")),
    ],
)
def test_a_direct_value_takes_precedence_over_the_environment(tmp_path: Path, auth: str, expected: BasicAuth) -> None:
    environ = {"USER_VAR": "from-env", "PASSWORD_VAR": "secret-from-env", "EMPTY": ""}
    (sender,) = load(tmp_path, f"{SENDER}    basicAuth: {{{auth}}}\n", environ).senders
    assert sender.settings is not None
    assert sender.settings.basic_auth == expected
    # A hook is given what was resolved, and nothing that it would have to resolve.
    assert sender.config["basicAuth"] == {"username": expected.username, "password": expected.password}


def test_a_hook_is_given_the_config_as_in_the_file_without_itself(tmp_path: Path, script: Path) -> None:
    (sender, _) = load(tmp_path, EVERYTHING, {"LOKI_PASSWORD": "hunter2"}).senders
    assert sender.config == {
        "url": "https://loki:3100/",
        "tenantID": "shop",
        "streamLabels": {"cluster": "eu-1"},
        "basicAuth": {"username": "kigeon", "password": "hunter2"},
        "tlsConfig": {"insecureSkipVerify": True},
        "eventLabels": ["reason", "namespace", "reason"],
        "structuredMetadata": [],
        "encoding": "json",
    }
    assert parse_config(TYPES["loki"].config, sender.config) == sender.settings


def test_settings_survive_pickling(tmp_path: Path, script: Path) -> None:
    settings = load(tmp_path, EVERYTHING, {"LOKI_PASSWORD": "hunter2"})
    assert pickle.loads(pickle.dumps(settings)) == settings


def test_an_error_survives_pickling(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, "a: 1\n")
    found = pickle.loads(pickle.dumps(caught.value))
    assert (found.source, found.problems, str(found)) == (caught.value.source, caught.value.problems, str(caught.value))


def test_no_repr_shows_a_password(tmp_path: Path, script: Path) -> None:
    settings = load(tmp_path, EVERYTHING, {"LOKI_PASSWORD": "hunter2"})
    assert settings.senders[0].settings is not None
    assert settings.senders[0].settings.basic_auth == BasicAuth("kigeon", "hunter2")
    assert "hunter2" not in f"{settings!r} {settings} {settings.senders[0].settings!r}"


YAML = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.dates() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8) | st.integers(), inner, max_size=3),
    max_leaves=5,
)
KEYS = [
    "url",
    "tenantID",
    "streamLabels",
    "basicAuth",
    "tlsConfig",
    "eventLabels",
    "structuredMetadata",
    "encoding",
    "hook",
]
SENDERS = st.fixed_dictionaries(
    {"name": st.just("a") | YAML, "type": st.just("loki") | YAML},
    optional={
        "filter": YAML,
        "config": YAML | st.dictionaries(st.sampled_from(KEYS), YAML, max_size=4),
        "more": YAML,
    },
)
FILES = YAML | st.fixed_dictionaries(
    {}, optional={"global": YAML, "queue": YAML, "pusher": YAML, "eventsenders": YAML | st.lists(SENDERS, max_size=2)}
)


@given(FILES)
def test_whatever_a_file_says_it_is_read_or_its_problems_are_told(
    tmp_path_factory: pytest.TempPathFactory, content: Any
) -> None:
    try:
        settings = load(tmp_path_factory.getbasetemp(), yaml.safe_dump(content, allow_unicode=True))
    except ConfigurationError as error:
        places = [(problem.line, problem.column) for problem in error.problems]
        assert places == sorted(places)
        assert all(line >= 1 and column >= 1 for line, column in places)
    else:
        assert settings.senders
