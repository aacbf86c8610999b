"""Login, TLS and the required servers of a JetStream that is not kigeon's own."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from kigeon.config.settings import ExternalQueue, QueueTls
from kigeon.queue.broker.binary import OLDEST

LEAST_PAYLOAD = 8 * 1024 * 1024
"""Bytes of the largest message, more than the largest envelope that can be written."""


def login_of(external: ExternalQueue) -> dict[str, Any]:
    """Return the login options of nats-py's ``connect``, which reads the files at each connection."""
    if external.credentials_file is not None:
        return {"user_credentials": str(external.credentials_file)}
    if external.username_file is not None and external.password_file is not None:
        return {"user": _content(external.username_file), "password": _content(external.password_file)}
    if external.token_file is not None:
        return {"token": _content(external.token_file)}
    return {}


def _content(path: Path) -> Callable[[], str]:
    """Return a function that reads a file without the newline at its end, which an editor adds to a secret."""
    return lambda: path.read_text("utf-8").rstrip("\r\n")


def tls_context(tls: QueueTls) -> ssl.SSLContext:
    """Return a TLS context for *tls*, with the present content of its files; raises :class:`OSError`."""
    context = ssl.create_default_context(cafile=str(tls.ca_file) if tls.ca_file is not None else None)
    if tls.insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.cert_file is not None:
        context.load_cert_chain(tls.cert_file, tls.key_file)
    return context


def unsuitable(info: Mapping[str, Any], external: ExternalQueue) -> str:
    """Return why kigeon can't work with the server that sent *info*; "" where kigeon can."""
    version = str(info.get("version", ""))
    if external.is_encrypted and not info.get("tls_required"):
        return "the server speaks no TLS, and queue.url says tls://"
    if version_in(version) < OLDEST:
        return f"nats-server {'.'.join(map(str, OLDEST[:2]))} or newer is needed, the server is {version or 'older'}"
    if not info.get("jetstream"):
        return "JetStream is off at the server"
    if int(info.get("max_payload", 0)) < LEAST_PAYLOAD:
        return f"the server takes messages of at most {info.get('max_payload')} bytes, kigeon's need {LEAST_PAYLOAD}"
    return ""


def version_in(text: str) -> tuple[int, ...]:
    """Return the version in *text* as three numbers, or none where *text* has no version."""
    match = re.match(r"v?(\d+)\.(\d+)\.(\d+)", text)
    return tuple(map(int, match.groups())) if match else ()
