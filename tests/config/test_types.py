"""The config of a sender type, as a hook returns it."""

from typing import Any

import pytest

from kigeon.config.load import parse_config
from kigeon.errors import ConfigurationError
from kigeon.senders.loki.settings import BasicAuth, LokiSettings
from kigeon.senders.registry import TYPES

LOKI = LokiSettings("http://loki:3100")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, LOKI),
        ({"url": "https://other"}, LokiSettings("https://other")),
        ({"tenantID": "shop"}, LokiSettings("http://loki:3100", "shop")),
        (
            {"eventLabels": {"kind": "involved_object_kind"}, "structuredMetadata": ["level"]},
            LokiSettings(
                "http://loki:3100",
                event_labels=(("kind", "involved_object_kind"),),
                structured_metadata=(("level", "level"),),
            ),
        ),
        ({"encoding": "json"}, LokiSettings("http://loki:3100", encoding="json")),
        ({"streamLabels": {"app": "web"}}, LokiSettings("http://loki:3100", stream_labels={"app": "web"})),
        (
            {"basicAuth": {"username": "a", "password": "p"}},
            LokiSettings("http://loki:3100", basic_auth=BasicAuth("a", "p")),
        ),
        (
            {"tlsConfig": {"insecureSkipVerify": True}},
            LokiSettings("http://loki:3100", insecure_skip_verify=True),
        ),
    ],
)
def test_what_a_hook_returns_is_read_by_the_rules_of_the_file(change: dict[str, Any], expected: LokiSettings) -> None:
    assert parse_config(TYPES["loki"].config, {"url": "http://loki:3100", **change}) == expected


@pytest.mark.parametrize(
    ("change", "path", "message"),
    [
        ({"url": "http://loki/path"}, "url", "must be a base URL without path"),
        ({"url": None}, "url", "must be a text"),
        ({"tenantID": 7}, "tenantID", "must be a text"),
        ({"tenantID": "a\r\nX-Other: b"}, "tenantID", "must consist of letters, digits and"),
        ({"eventLabels": {"__a": "reason"}}, "eventLabels.__a", "begins with __"),
        ({"eventLabels": {f"a{n}": "reason" for n in range(15)}}, "eventLabels", "make 15 stream labels"),
        ({"tenant": "a"}, "tenant", "unknown key"),
        ({"streamLabels": {"app.kubernetes.io/name": "a"}}, "streamLabels.app.kubernetes.io/name", "is no name of"),
        ({"streamLabels": {"app": None}}, "streamLabels.app", "must be a text"),
        ({"hook": {"script": "a.star"}}, "hook", "unknown key"),
        ({"basicAuth": {"passwordEnvVar": "HOME"}}, "basicAuth.passwordEnvVar", "is for the file alone"),
        (
            {"basicAuth": {"username": "a", "usernameEnvVar": "HOME"}},
            "basicAuth.usernameEnvVar",
            "is for the file alone",
        ),
    ],
)
def test_what_a_hook_must_not_return(change: dict[str, Any], path: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_config(TYPES["loki"].config, {"url": "http://loki:3100", **change})
    (problem,) = caught.value.problems
    assert (problem.path, problem.line) == (path, 0)
    assert problem.message.startswith(message)


def test_everything_wrong_with_a_hooks_result_is_told() -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_config(TYPES["loki"].config, {"tenantID": 7, "streamLabels": {"a-b": "c"}, "more": 1})
    assert {problem.path for problem in caught.value.problems} == {"url", "tenantID", "streamLabels.a-b", "more"}


def test_stdout_has_no_config_and_a_hook_may_give_it_none() -> None:
    assert parse_config(TYPES["stdout"].config, {}) is None
    with pytest.raises(ConfigurationError, match="url: unknown key"):
        parse_config(TYPES["stdout"].config, {"url": "http://loki"})
