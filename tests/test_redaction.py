from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kigeon.config.settings import HookSettings
from kigeon.errors import shorten
from kigeon.hooks.results import Failed
from kigeon.hooks.runner import HookRunner
from kigeon.redaction import HIDDEN, hide, malformed_proxies, redact, redact_all, secrets_in
from kigeon.senders.loki.settings import LokiSettings
from kigeon.senders.loki.sink import LokiSink, destination_of

MALFORMED = [
    "http://us3r:s3cr/et9@127.0.0.1:1",
    "http://us3r:s3cr?et9@127.0.0.1:1",
    "http://us3r:s3cr#et9@127.0.0.1:1",
    "http://us3r:s3cr[et9@127.0.0.1:1",
    "http://us3r:s3cr@et9@127.0.0.1:1",
    "us3r:s3cr/et9@127.0.0.1:1",
    "socks5://us3r:s3cr/et9@127.0.0.1:1",
    "http://us3r:s3cr\\et9/@127.0.0.1:1",
]
WELL_FORMED = ["http://us3r:s3cret9@127.0.0.1:1", "http://us3r:s3cr%2Fet9@127.0.0.1:1", "ftp://us3r:s3cret9@127.0.0.1"]


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize("proxy", [*MALFORMED, *WELL_FORMED])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_why_a_push_failed_tells_nothing_of_the_proxys_password(
    monkeypatch: pytest.MonkeyPatch, proxy: str, scheme: str
) -> None:
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, proxy)
    settings = LokiSettings(f"{scheme}://loki.invalid:3100")
    reason = LokiSink(settings).push(destination_of(settings), []).reason
    assert reason
    assert not any(part in reason for part in ("s3cr", "et9", "us3r:"))


@pytest.mark.parametrize(("proxies", "malformed"), [(MALFORMED, True), (WELL_FORMED, False), (["http://p:1"], False)])
def test_a_proxy_that_can_not_be_told_from_its_password_is_named(proxies: list[str], malformed: bool) -> None:
    for proxy in proxies:
        assert malformed_proxies({"HTTPS_PROXY": proxy, "PATH": "/bin"}) == (["HTTPS_PROXY"] if malformed else [])


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("GET https://a:b@host/x failed", f"GET https://{HIDDEN}@host/x failed"),
        ("GET https://a:b/c@d@host/x failed", f"GET https://{HIDDEN}@host/x failed"),
        ('{"url":"http://a:b@h","to":"x@y"}', f'{{"url":"http://{HIDDEN}@h","to":"x@y"}}'),
        ("http://host/path: mail to x@example.com", "http://host/path: mail to x@example.com"),
        ("Failed to parse: 'a:b' is not a valid host or port", f"Failed to parse: {HIDDEN}"),
        ("nothing to hide", "nothing to hide"),
    ],
)
def test_the_credentials_of_an_address(text: str, left: str) -> None:
    assert redact(text) == left
    assert shorten(text) == left
    assert redact_all({"a": [text, 1], "b": None}) == {"a": [left, 1], "b": None}


@given(st.text(min_size=8, alphabet=sorted(set(map(chr, range(33, 127))) - set("'\""))))
def test_no_password_is_left_of_any_url(password: str) -> None:
    assert password not in redact(f"can't reach http://user:{password}@proxy.invalid:3128/ now")


def test_what_is_secret_in_a_config() -> None:
    config = {
        "url": "http://loki",
        "basicAuth": {"username": "kigeon", "password": "hunter2"},
        "bearerToken": "t0ken",
        "headers": {"X-Key": "k3y", "more": ["m0re"]},
        "streamLabels": {"app": "kigeon"},
    }
    assert set(secrets_in(config)) == {"hunter2", "t0ken", "k3y", "m0re"}
    assert hide("hunter2 and k3y", secrets_in(config)) == f"{HIDDEN} and {HIDDEN}"


@pytest.mark.parametrize(
    "does", ["fail(str(config))", "print(config)\n    return None + 1", "return config['basicAuth']['password']"]
)
def test_what_a_script_says_of_its_config(tmp_path: Path, caplog: pytest.LogCaptureFixture, does: str) -> None:
    script = tmp_path / "hook.star"
    script.write_text(f"def transform(config, event):\n    {does}\n")
    runner = HookRunner(HookSettings(script, timeout=1.0), {"basicAuth": {"password": "hunter2"}})
    runner.start()
    try:
        with caplog.at_level("DEBUG"):
            (result,) = runner.transform([{}])
    finally:
        runner.close()
    assert isinstance(result, Failed)
    assert "hunter2" not in str(result.error)
    assert "hunter2" not in "".join(str(vars(record)) for record in caplog.records)
