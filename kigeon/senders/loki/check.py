"""Checks whether a Loki takes events: pushes a sample Event, as a sender would, and reads the answer.

Nothing less is enough: Loki says what a tenant may not do only in the answer to a push.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from email.utils import mktime_tz, parsedate_tz
from typing import Any
from urllib.parse import urlsplit

from kigeon.finding import Finding, failed, well
from kigeon.senders.entry import Answer, PushStatus
from kigeon.senders.loki.settings import LokiSettings
from kigeon.senders.loki.sink import LokiSink

CONNECT_TIMEOUT = 5.0
MOST_SKEW = 30.0
"""Seconds by which two clocks may differ."""


def check_loki(settings: LokiSettings, event: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield whether the Loki of *settings* takes *event*, and whether its clock agrees with this machine's."""
    sink = LokiSink(settings)
    try:
        entry = sink.entry(event, None)
        answer, date = sink.ask(entry.destination, [entry])
    finally:
        sink.close()
    where = entry.destination.label
    if answer.status is PushStatus.DELIVERED:
        yield well("loki", f"{where} takes events")
    else:
        yield failed("loki", f"{where}: {answer.reason}", cure_of(answer, settings.url))
    yield from _clock(date, where)


def cure_of(answer: Answer, url: str) -> str:
    """Return what an operator can do about an *answer* of the Loki at *url*."""
    if answer.cure:
        return answer.cure
    if not answer.answered:
        if url.startswith("http://") and speaks_tls(url):
            return "begin the url with https://"
        return "check the url's host and port, that Loki runs, and that no firewall or NetworkPolicy is in between"
    if answer.status is PushStatus.SPLIT:
        return "raise the size of a body that the gateway before Loki lets through"
    if answer.status is PushStatus.RETRY:
        return "see Loki's own log: events wait until Loki takes them"
    return "raise the tenant's limit that the answer names"


def speaks_tls(url: str) -> bool:
    """Return whether the server of *url*, which begins with http, speaks TLS."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    address = urlsplit(url)
    try:
        with (
            socket.create_connection((address.hostname or "", address.port or 80), CONNECT_TIMEOUT) as plain,
            context.wrap_socket(plain, server_hostname=address.hostname),
        ):
            return True
    except (OSError, ValueError):
        return False


def _clock(date: str, where: str) -> Iterator[Finding]:
    told = parsedate_tz(date)
    if told is None:
        return
    with suppress(ValueError, OverflowError):
        ahead = time.time() - mktime_tz(told)
        if abs(ahead) > MOST_SKEW:
            way = "ahead of" if ahead > 0 else "behind"
            said = f"this machine's clock is {abs(ahead):.0f}s {way} that of {where}"
            yield failed("clock", said, "have both set by NTP")
