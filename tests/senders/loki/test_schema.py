"""The rules of a Loki sender's config, each on its own."""

import pytest

from kigeon.config.validators import check
from kigeon.senders.loki.schema import tenant, url


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("http://loki:3100", "http://loki:3100"),
        ("https://loki.example/", "https://loki.example"),
        ("http://[::1]:3100", "http://[::1]:3100"),
    ],
)
def test_a_base_url_is_taken_without_its_last_slash(given: str, found: str) -> None:
    assert check(url, given) == (found, [])


@pytest.mark.parametrize(
    ("given", "said", "cure"),
    [
        ("loki:3100", "begins with http://", "for example"),
        ("ftp://loki", "begins with http://", "for example"),
        ("http://", "begins with http://", "for example"),
        ("http://loki:0", "begins with http://", "for example"),
        ("http://loki:99999", "is no URL", "for example"),
        ("http://lo ki", "is no URL", "for example"),
        ("http://loki/loki/api/v1/push", "without path", "is appended"),
        ("http://loki?a=b", "without path", "is appended"),
        ("http://loki#a", "without path", "is appended"),
        ("http://me:hunter2@loki", "must not hold credentials", "basicAuth"),
        (None, "must be a text", ""),
        ("", "must not be empty", ""),
    ],
)
def test_any_other_is_refused_with_its_cure_and_without_its_password(given: object, said: str, cure: str) -> None:
    found, ((path, message, told),) = check(url, given)
    assert (found, path) == (None, ())
    assert said in message
    assert cure in told
    assert "hunter2" not in message + told


@pytest.mark.parametrize(
    ("given", "is_valid"), [("shop", True), ("a" * 150, True), ("a" * 151, False), (".", False), ("a|b", False)]
)
def test_a_tenant_is_one_that_loki_takes(given: str, is_valid: bool) -> None:
    assert (not check(tenant, given)[1]) is is_valid
