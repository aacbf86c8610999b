import traceback

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kigeon.errors import HookResultInvalid
from kigeon.hooks import cache
from kigeon.hooks.cache import ConfigCache
from kigeon.senders.loki.settings import LokiSettings
from kigeon.senders.registry import TYPES

VALID = {"url": "http://loki:3100"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from(["url", "tenantID", "streamLabels", "basicAuth", "tlsConfig", "eventLabels", "other"])


def invalid(configs: ConfigCache, config: bytes) -> HookResultInvalid:
    with pytest.raises(HookResultInvalid) as caught:
        configs.settings_of(config)
    return caught.value


def test_a_config_becomes_settings_once() -> None:
    configs = ConfigCache(TYPES["loki"].config)
    config = orjson.dumps(VALID | {"tenantID": "shop", "streamLabels": {"team": "a"}})
    settings = configs.settings_of(config)
    assert settings == LokiSettings("http://loki:3100", "shop", {"team": "a"})
    assert configs.settings_of(bytes(bytearray(config))) is settings


def test_what_is_wrong_is_said_each_time_anew() -> None:
    configs = ConfigCache(TYPES["loki"].config)
    said, depths = set(), set()
    for _ in range(5):
        error = invalid(configs, b'{"url":"http://loki","tenant":"x"}')
        said.add(str(error))
        # One exception raised again and again would grow by its whole way up each time.
        depths.add(len(traceback.extract_tb(error.__traceback__)))
    assert len(said) == len(depths) == 1
    assert "tenant: unknown key" in said.pop()


def test_a_config_for_standard_output_has_no_settings() -> None:
    assert ConfigCache(TYPES["stdout"].config).settings_of(b"{}") is None
    invalid(ConfigCache(TYPES["stdout"].config), orjson.dumps(VALID))


@pytest.mark.parametrize(
    "config",
    [
        b'{"url":"http://loki","tenantID":' + b"9" * 400 + b"}",
        b'{"url":"http://loki","streamLabels":' + b'{"a":' * 400 + b"1" + b"}" * 401,
        b'{"url":"http://loki","eventLabels":' + b"[" * 1015 + b"]" * 1015 + b"}",
        b'{"url":"http://loki","structuredMetadata":[{"a":' + b"[" * 1010 + b"]" * 1010 + b"}]}",
        b'{"url":"http://loki","streamLabels":' + b"[" * 2000 + b"]" * 2000 + b"}",
        b"7",
        b"[]",
        b"null",
        b"",
    ],
)
def test_whatever_a_script_makes_of_it_is_invalid_and_nothing_worse(config: bytes) -> None:
    invalid(ConfigCache(TYPES["loki"].config), config)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.dictionaries(KEYS, JSON))
def test_no_json_makes_it_raise_anything_else(changes: dict[str, object]) -> None:
    configs = ConfigCache(TYPES["loki"].config)
    try:
        found = configs.settings_of(orjson.dumps(VALID | changes))
    except HookResultInvalid:
        assert changes
    else:
        assert isinstance(found, LokiSettings)


def test_the_one_used_longest_ago_is_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "MOST_CONFIGS", 3)
    configs = ConfigCache(TYPES["loki"].config)
    texts = [orjson.dumps(VALID | {"tenantID": str(number)}) for number in range(4)]
    first, second = configs.settings_of(texts[0]), configs.settings_of(texts[1])
    configs.settings_of(texts[2])
    assert configs.settings_of(texts[0]) is first
    configs.settings_of(texts[3])
    assert configs.settings_of(texts[0]) is first
    again = configs.settings_of(texts[1])
    assert again == second
    assert again is not second


def test_a_large_config_is_valid_but_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    configs = ConfigCache(TYPES["loki"].config)
    config = orjson.dumps(VALID | {"tenantID": "shop"})
    monkeypatch.setattr(cache, "LARGEST", len(config) - 1)
    settings = configs.settings_of(config)
    again = configs.settings_of(config)
    assert again == settings
    assert again is not settings
