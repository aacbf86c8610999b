"""How to reach the API server: configuration, credentials and TLS come from the kubernetes package, requests go raw."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from email.utils import mktime_tz, parsedate_tz
from typing import Any
from urllib.parse import urlencode

import urllib3
from kubernetes.config.config_exception import ConfigException

from kigeon import __version__
from kigeon.errors import KubernetesError, PluginFailed, StartError, Unauthorized, Unreachable, shorten
from kigeon.kube.answers import error_of, read_all
from kigeon.kube.client import credentials_of, load_client, shown
from kigeon.kube.source import ClusterSource

log = logging.getLogger(__name__)

CONNECT_TIMEOUT = 10.0
READ_TIMEOUT = 30.0
RENEW_BEFORE = 10.0
"""Seconds before credentials expire in which they are renewed."""

REFRESH_EVERY = 5.0
"""Seconds between two readings of the credentials for look-ups, of which many may be refused at once."""

_CONNECT_ERRORS = (
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
    urllib3.exceptions.ProxyError,
    urllib3.exceptions.SSLError,
)
"""What making a connection raises: it says nothing of the path that was asked for."""


class ClusterAccess:
    """Raw requests to one API server; thread-safe."""

    def __init__(self, source: ClusterSource) -> None:
        self._source = source
        self._lock = threading.Lock()
        self._refreshing = threading.Lock()
        self._refreshed_at = -math.inf
        self._offset: float | None = None
        """What added to this machine's steady clock is the API server's time."""
        self._good_until: float | None = None
        self._api = self._begin()

    @property
    def host(self) -> str:
        """The API server's URL, for logs: without a password."""
        return shown(self._api.configuration.host)

    def refresh(self) -> None:
        """Read the credentials again: files, tokens, plug-ins. One that can't be read keeps the old ones in use."""
        self._refreshed_at = time.monotonic()
        try:
            api, until = load_client(self._source)
        except StartError as error:
            log.error("the credentials can't be read again", extra={"error": str(error)})
            return
        with self._lock:
            self._api, self._good_until = api, until

    def _begin(self) -> Any:
        """Read the credentials; a plugin that fails now may not do so later, and is no reason not to begin."""
        try:
            api, self._good_until = load_client(self._source)
        except PluginFailed as error:
            log.error("there are no credentials yet", extra={"error": str(error)})
            api, _ = load_client(self._source, runs_plugin=False)
        return api

    def get(
        self, path: str, query: Mapping[str, str], read_timeout: float = READ_TIMEOUT, encoding: str = "identity"
    ) -> urllib3.BaseHTTPResponse:
        """Send GET and return the response, its body unread; it may come in an *encoding*.

        Raises :class:`KubernetesError` for anything but a 2xx, with its Retry-After; 401 is :class:`Unauthorized`.
        """
        return self._send("GET", path, query, read_timeout, encoding)

    def create(self, path: str, body: bytes, read_timeout: float = READ_TIMEOUT) -> bytes:
        """Send POST with a *body* of JSON and return what comes back; raises as :meth:`get` does."""
        response = self._send("POST", path, {}, read_timeout, "identity", body)
        return read_all(path, response)

    def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        read_timeout: float,
        encoding: str,
        body: bytes | None = None,
    ) -> urllib3.BaseHTTPResponse:
        if self._good_until is not None and time.time() > self._good_until - RENEW_BEFORE:
            self._refresh_after(self._api)
        with self._lock:
            api = self._api
        try:
            response = _request(api, method, path, query, read_timeout, encoding, body)
        except urllib3.exceptions.LocationParseError:
            # The error holds the whole address.
            raise KubernetesError("the API server's address can't be read") from None
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise (Unreachable if isinstance(error, _CONNECT_ERRORS) else KubernetesError)(
                f"{shown(api.configuration.host)} does not answer: {shorten(str(error))}"
            ) from error
        except ConfigException as error:
            raise Unauthorized(f"the credentials can't be read: {shorten(str(error))}") from error
        except UnicodeEncodeError:
            # The error holds the header.
            raise Unauthorized("the credentials hold a character that no header may hold") from None
        self._note_time(response)
        if not 200 <= response.status < 300:
            raise error_of(path, response, method)
        return response

    def server_time(self) -> float:
        """Return seconds since the epoch as the API server said last, gone on evenly since; else by this machine."""
        return time.time() if self._offset is None else time.monotonic() + self._offset

    def _note_time(self, response: urllib3.BaseHTTPResponse) -> None:
        date = parsedate_tz(response.headers.get("Date", ""))
        if date is not None:
            with suppress(ValueError, OverflowError):
                self._offset = mktime_tz(date) - time.monotonic()

    def ask(self, path: str, query: Mapping[str, str], read_timeout: float = READ_TIMEOUT) -> bytes:
        """Do as :meth:`read` does; where the credentials are refused, read them again, and ask once more with others.

        It is for what has no schedule of its own by which it tries again.
        """
        with self._lock:
            used = self._api
        try:
            return self.read(path, query, read_timeout)
        except Unauthorized:
            if not self._refresh_after(used):
                raise
        return self.read(path, query, read_timeout)

    def _refresh_after(self, used: Any) -> bool:
        """Read the credentials again unless somebody else has; whether there is something else than *used* now."""
        with self._refreshing:
            if self._api is used and time.monotonic() - self._refreshed_at > REFRESH_EVERY:
                self.refresh()
        return self._api is not used

    def read(self, path: str, query: Mapping[str, str], read_timeout: float = READ_TIMEOUT) -> bytes:
        """Send GET and return the whole body; raises as :meth:`get` does."""
        response = self.get(path, query, read_timeout, "gzip")
        return read_all(path, response)


def _request(
    api: Any,
    method: str,
    path: str,
    query: Mapping[str, str],
    read_timeout: float,
    encoding: str,
    body: bytes | None,
) -> urllib3.BaseHTTPResponse:
    headers = {
        "Accept": "application/json",
        "Accept-Encoding": encoding,
        "User-Agent": f"kigeon/{__version__}",
        **({} if body is None else {"Content-Type": "application/json"}),
        **credentials_of(api),
    }
    response: urllib3.BaseHTTPResponse = api.rest_client.pool_manager.request(
        method,
        f"{api.configuration.host.rstrip('/')}{path}{f'?{urlencode(query)}' if query else ''}",
        body=body,
        headers=headers,
        preload_content=False,
        retries=False,
        redirect=False,
        timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT, read=read_timeout),
    )
    return response
