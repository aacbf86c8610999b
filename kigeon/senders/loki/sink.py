"""The sender type ``loki``."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase, HTTPBasicAuth

from kigeon import __version__
from kigeon.config.settings import LokiSettings
from kigeon.errors import shorten
from kigeon.events.occurrence import timestamp_of
from kigeon.senders.line import fields_to_send, labels_of, line_of
from kigeon.senders.loki.answers import answer_of
from kigeon.senders.loki.body import body_of
from kigeon.senders.sink import Answer, Destination, Entry, Verdict

log = logging.getLogger(__name__)

PUSH_PATH = "/loki/api/v1/push"
TIMEOUT = (5.0, 15.0)
"""Seconds to connect, and for Loki to answer."""

MAX_SESSIONS = 64
MAX_STREAMS = 4096

FALLBACK_STREAM = (("service_name", "kigeon"),)
"""The stream of an event that has no label at all: Loki refuses a stream without."""

_ENTRY_OVERHEAD = 48
"""Bytes of a body around a line and its metadata: the timestamp, quotes, brackets."""


class NoAuth(AuthBase):
    """Send no credentials: without this, requests would take some from a .netrc file."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Leave *request* as it is."""
        return request


class LokiSink:
    """Pushes to Loki. A hook may have events pushed elsewhere: a destination has a connection of its own."""

    def __init__(self, settings: LokiSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._sessions: OrderedDict[Destination, requests.Session] = OrderedDict()
        self._destinations: dict[int, tuple[LokiSettings, Destination]] = {}

    def entry(self, event: Mapping[str, Any], settings: LokiSettings | None) -> Entry:
        """Return what to push of *event* under *settings*, or the sender's own."""
        chosen = settings or self._settings
        fields = fields_to_send(event)
        labels = labels_of(fields, chosen.event_labels)
        labels.update(chosen.stream_labels)
        metadata = labels_of(fields, chosen.structured_metadata)
        line = line_of(fields)
        size = len(line) + _ENTRY_OVERHEAD + sum(len(key) + len(value) + 6 for key, value in metadata.items())
        stream = tuple(sorted(labels.items())) or FALLBACK_STREAM
        return Entry(self._destination(chosen), stream, timestamp_of(event), line, metadata, size)

    def push(self, destination: Destination, entries: Sequence[Entry]) -> Answer:
        """POST *entries* and return what the answer means."""
        headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        if destination.tenant_id:
            headers["X-Scope-OrgID"] = destination.tenant_id
        try:
            with self._session(destination).post(
                destination.url + PUSH_PATH,
                data=body_of(entries),
                headers=headers,
                timeout=TIMEOUT,
                allow_redirects=False,
                stream=True,
            ) as response:
                body = response.raw.read(4096, decode_content=True) or b""
                return answer_of(response.status_code, body, response.headers.get("Retry-After"))
        except requests.exceptions.SSLError as error:
            return Answer(Verdict.HOLD, f"TLS: {shorten(str(error))}")
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError, OverflowError) as error:
            return Answer(Verdict.RETRY, f"no answer: {shorten(str(error))}")

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            for session in self._sessions.values():
                session.close()
            self._sessions.clear()

    def _destination(self, settings: LokiSettings) -> Destination:
        known = self._destinations.get(id(settings))
        if known is not None and known[0] is settings:
            return known[1]
        auth = settings.basic_auth
        destination = Destination(
            settings.url.rstrip("/"),
            settings.tenant_id,
            auth.username if auth else "",
            auth.password if auth else "",
            auth is not None,
            settings.insecure_skip_verify,
        )
        if len(self._destinations) >= MAX_STREAMS:
            self._destinations.clear()
        # The settings are kept beside it, so that no other object can come to have their id.
        self._destinations[id(settings)] = (settings, destination)
        return destination

    def _session(self, destination: Destination) -> requests.Session:
        with self._lock:
            session = self._sessions.get(destination)
            if session is None:
                session = self._sessions[destination] = new_session(destination)
                while len(self._sessions) > MAX_SESSIONS:
                    self._sessions.popitem(last=False)
            self._sessions.move_to_end(destination)
            return session


def new_session(destination: Destination) -> requests.Session:
    """Return a session with the credentials, and the trust, of *destination*."""
    session = requests.Session()
    session.headers["User-Agent"] = f"kigeon/{__version__}"
    session.auth = (
        HTTPBasicAuth(destination.username.encode(), destination.password.encode())
        if destination.authenticates
        else NoAuth()
    )
    if destination.insecure_skip_verify:
        # As the configuration says; urllib3 would warn of it with every push.
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        session.mount("https://", UnverifiedAdapter())
    return session


class UnverifiedAdapter(HTTPAdapter):
    """Verifies no certificate, whatever REQUESTS_CA_BUNDLE says."""

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """Send *request* with verification off."""
        return super().send(request, *args, **{**kwargs, "verify": False})
