"""Sends raw requests to the API server, with the kubernetes package's configuration, credentials and TLS."""

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

from kigeon import __version__
from kigeon.errors import KubernetesError, PluginFailed, StartError, Unauthorized, Unreachable, shorten
from kigeon.kube.answers import error_of, read_all
from kigeon.kube.client import credentials_of, load_client, shown
from kigeon.kube.package import ConfigException
from kigeon.kube.source import ClusterSource

log = logging.getLogger(__name__)

CONNECT_TIMEOUT = 10.0
READ_TIMEOUT = 30.0
RENEW_BEFORE = 10.0
"""Seconds before their expiry at which credentials are renewed."""

REFRESH_EVERY = 5.0
"""Seconds between two readings of the credentials for look-ups, since many look-ups may be refused at once."""

_CONNECT_ERRORS = (
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
    urllib3.exceptions.ProxyError,
    urllib3.exceptions.SSLError,
)
"""Exceptions of making a connection, which tell nothing about the path of the request."""


class ClusterAccess:
    """Sends raw requests to one API server; thread-safe."""

    def __init__(self, source: ClusterSource) -> None:
        self._source = source
        self._lock = threading.Lock()
        self._refreshing = threading.Lock()
        self._refreshed_at = -math.inf
        self._offset: float | None = None
        """Seconds to add to this machine's steady clock for the API server's time; None before its first answer."""
        self._good_until: float | None = None
        self._api = self._begin()

    @property
    def host(self) -> str:
        """The API server's URL without a password, so that logs may show it."""
        return shown(self._api.configuration.host)

    def refresh(self) -> None:
        """Read the credentials again from files, tokens and plugins; if that fails, the old ones stay in use."""
        self._refreshed_at = time.monotonic()
        try:
            api, until = load_client(self._source)
        except StartError as error:
            log.error("the credentials can't be read again", extra={"error": str(error)})
            return
        with self._lock:
            self._api, self._good_until = api, until

    def _begin(self) -> Any:
        """Read the credentials. A plugin that fails does not keep kigeon from starting, since it may succeed later."""
        try:
            api, self._good_until = load_client(self._source)
        except PluginFailed as error:
            log.error("there are no credentials yet", extra={"error": str(error)})
            api, _ = load_client(self._source, runs_plugin=False)
        return api

    def get(
        self, path: str, query: Mapping[str, str], read_timeout: float = READ_TIMEOUT, encoding: str = "identity"
    ) -> urllib3.BaseHTTPResponse:
        """Send GET, and return the response with its body unread; the body may come in the content *encoding*.

        Raises :class:`KubernetesError`, with the Retry-After, for any status but 2xx; for 401 :class:`Unauthorized`.
        """
        return self._send("GET", path, query, read_timeout, encoding)

    def create(self, path: str, body: bytes, read_timeout: float = READ_TIMEOUT) -> bytes:
        """Send POST with a *body* of JSON, and return the answer's body; raises as :meth:`get` does."""
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
            # The error's text holds the whole address, with the password.
            raise KubernetesError("the API server's address can't be read") from None
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise (Unreachable if isinstance(error, _CONNECT_ERRORS) else KubernetesError)(
                f"{shown(api.configuration.host)} does not answer: {shorten(str(error))}"
            ) from error
        except ConfigException as error:
            raise Unauthorized(f"the credentials can't be read: {shorten(str(error))}") from error
        except UnicodeEncodeError:
            # The error's text holds the header.
            raise Unauthorized("the credentials hold a character that no header may hold") from None
        self._note_time(response)
        if not 200 <= response.status < 300:
            raise error_of(path, response, method)
        return response

    def server_time(self) -> float:
        """Return the API server's time, in seconds since the epoch; this machine's before the first answer."""
        return time.time() if self._offset is None else time.monotonic() + self._offset

    def _note_time(self, response: urllib3.BaseHTTPResponse) -> None:
        date = parsedate_tz(response.headers.get("Date", ""))
        if date is not None:
            with suppress(ValueError, OverflowError):
                self._offset = mktime_tz(date) - time.monotonic()

    def ask(self, path: str, query: Mapping[str, str], read_timeout: float = READ_TIMEOUT) -> bytes:
        """Do as :meth:`read` does; where the credentials are refused, read these again and ask once more with new ones.

        This method is for callers without a schedule of their own for further tries.
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
        """Read the credentials again unless another thread has; return whether the client differs from *used* now."""
        with self._refreshing:
            if self._api is used and time.monotonic() - self._refreshed_at > REFRESH_EVERY:
                self.refresh()
        return self._api is not used

    def read(self, path: str, query: Mapping[str, str], read_timeout: float = READ_TIMEOUT) -> bytes:
        """Send GET, and return the whole body; raises as :meth:`get` does."""
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
