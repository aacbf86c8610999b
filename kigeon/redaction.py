"""What no log, no reason and no answer may repeat: the credentials in a URL, a proxy's above all.

Somebody else's errors tell parts of an address: of ``http://user:pa/ss@proxy`` that ``user:pa`` is no host.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import unquote, urlsplit

HIDDEN = "***"

PROXIES = ("http_proxy", "https_proxy", "all_proxy")

_CREDENTIALS = re.compile(r"://[^\s'\"]*@")
_UNPARSED = re.compile(r"(Failed to parse:? )[^\"\\]*")
"""What urllib3 says of an address that it can't read: the rest of it is a part of that."""

_SECRET_KEYS = re.compile(r"password|token|secret|authorization|headers|api.?key", re.IGNORECASE)
_SHORTEST = 3
"""Letters of what is taken for a secret: shorter ones would be found in every word."""


def redact(text: str) -> str:
    """Return *text* without the credentials of any URL in it, or parts of a proxy's that can't be parsed."""
    if "://" in text:
        text = _CREDENTIALS.sub(f"://{HIDDEN}@", text)
    if "Failed to parse" in text:
        text = _UNPARSED.sub(rf"\1{HIDDEN}", text)
    for part in _parts(tuple(_proxies(os.environ).values())):
        text = text.replace(part, HIDDEN)
    return text


def redact_all(value: Any) -> Any:
    """Return *value* with every text in it redacted; mappings become dicts, sequences lists."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {key: redact_all(part) for key, part in value.items()}
    return [redact_all(part) for part in value] if isinstance(value, (list, tuple)) else value


def hide(text: str, secrets: Iterable[str]) -> str:
    """Return *text* without *secrets*."""
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    return text


def is_secret(key: str) -> bool:
    """Whether the name of a *key* says that it holds a secret."""
    return bool(_SECRET_KEYS.search(key))


def secrets_in(config: Any, secret: bool = False) -> Iterator[str]:
    """Yield the texts of a *config* that stand under a key whose name says that it is a secret."""
    if isinstance(config, Mapping):
        for key, value in config.items():
            yield from secrets_in(value, secret or is_secret(str(key)))
    elif isinstance(config, (list, tuple)):
        for value in config:
            yield from secrets_in(value, secret)
    elif secret and isinstance(config, str) and len(config) >= _SHORTEST:
        yield config


def malformed_proxies(environ: Mapping[str, str] = os.environ) -> list[str]:
    """Return the names of the variables whose proxy can't be told from its credentials."""
    return [name for name, url in _proxies(environ).items() if not _is_well_formed(url)]


def _proxies(environ: Mapping[str, str]) -> dict[str, str]:
    named = (name for proxy in PROXIES for name in (proxy, proxy.upper()))
    return {name: url for name in named if "@" in (url := environ.get(name, ""))}


@lru_cache(maxsize=8)
def _parts(urls: tuple[str, ...]) -> tuple[str, ...]:
    """Return what may be seen of the credentials of *urls*, the longest first; of a well-formed one, the password."""
    found: set[str] = set()
    for url in urls:
        credentials = url.rpartition("@")[0].partition("://")[2] or url.rpartition("@")[0]
        # The name alone opens nothing, and may be a word like any other.
        password = credentials.partition(":")[2] or credentials
        if _is_well_formed(url):
            found |= {part for part in (password, unquote(password)) if len(part) >= _SHORTEST}
        else:
            found |= {part for part in re.split(r"[/?#@:\[\]\\\s]", password) if len(part) >= 2}
    return tuple(sorted(found, key=len, reverse=True))


def _is_well_formed(url: str) -> bool:
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        port = parts.port
    except ValueError:
        return False
    return parts.netloc.count("@") == url.count("@") == 1 and port != 0
