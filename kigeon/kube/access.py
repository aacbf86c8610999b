"""How to reach the API server: configuration, credentials and TLS come from the kubernetes package, requests go raw."""

from __future__ import annotations

import logging
import math
import os
import re
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from email.utils import mktime_tz, parsedate_tz
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlencode

import urllib3
import yaml
from kubernetes import client as kubernetes_client
from kubernetes import config as kubernetes_config
from kubernetes.client.rest import should_bypass_proxies
from kubernetes.config.config_exception import ConfigException
from kubernetes.config.incluster_config import SERVICE_CERT_FILENAME, SERVICE_TOKEN_FILENAME, InClusterConfigLoader

from kigeon import __version__
from kigeon.errors import KubernetesError, PluginFailed, StartError, Unauthorized, Unreachable, shorten
from kigeon.kube.kubeconfig import active, read_kubeconfigs, with_plugin, without_plugin
from kigeon.kube.lines import continue_token_of
from kigeon.kube.source import ClusterSource

log = logging.getLogger(__name__)

CONNECT_TIMEOUT = 10.0
READ_TIMEOUT = 30.0
RENEW_BEFORE = 10.0
"""Seconds before credentials expire in which they are renewed."""

REFRESH_EVERY = 5.0
"""Seconds between two readings of the credentials for look-ups, of which many may be refused at once."""

SIDE_BY_SIDE = 32
"""Requests at the same time for which connections are kept: as many as there are threads that look Pods up."""

MAX_ERROR_BYTES = 4096
CHUNK = 1024 * 1024

READ_ERRORS = (urllib3.exceptions.HTTPError, OSError, ValueError, OverflowError)
"""What reading a body raises; the last two where a chunk's size is below zero, or none."""

_CONNECT_ERRORS = (
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
    urllib3.exceptions.ProxyError,
    urllib3.exceptions.SSLError,
)
"""What making a connection raises: it says nothing of the path that was asked for."""

_KEEPALIVE = [
    *urllib3.connection.HTTPConnection.default_socket_options,
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 20),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 30_000),
]

_QUOTED = re.compile(r"""['"{\[]""")
_ENTRY_OR_KEY = re.compile(r"[{\[]|-----BEGIN|LS0tLS1CRUdJTi")
"""An entry of a kubeconfig, or a key in PEM, as it is or in base64: in place of a path it is a file that is missing."""


def discover(kubeconfig: Path | None, environ: Mapping[str, str] = os.environ) -> ClusterSource:
    """Find the cluster: the given file, else the Pod's own, else KUBECONFIG, else ``~/.kube/config``.

    Raises :class:`StartError` that says what was looked for.
    """
    if kubeconfig is not None:
        if not kubeconfig.is_file():
            raise StartError(f"--kubeconfig {kubeconfig}: there is no such file")
        return ClusterSource(kubeconfig)
    token, authority = Path(SERVICE_TOKEN_FILENAME), Path(SERVICE_CERT_FILENAME)
    if environ.get("KUBERNETES_SERVICE_HOST") and token.is_file() and authority.is_file():
        return ClusterSource()
    named = [Path(part).expanduser() for part in environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    default = Path("~/.kube/config").expanduser()
    found = [path for path in named if path.is_file()] or [path for path in [default] if path.is_file()]
    if found:
        return ClusterSource(found[0], tuple(found[1:]))
    in_pod = "set" if "KUBERNETES_SERVICE_HOST" in environ else "not set"
    looked_for = (
        f"a Pod's service account (KUBERNETES_SERVICE_HOST is {in_pod}, {token}: {_presence(token)})",
        f"KUBECONFIG ({environ['KUBECONFIG']})" if named else "KUBECONFIG (not set)",
        str(default),
    )
    raise StartError("no cluster was found; looked for: " + "; ".join(looked_for) + ". Give one with --kubeconfig FILE")


def _presence(path: Path) -> str:
    return "there" if path.is_file() else "not there"


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
        return _shown(self._api.configuration.host)

    def refresh(self) -> None:
        """Read the credentials again: files, tokens, plug-ins. One that can't be read keeps the old ones in use."""
        self._refreshed_at = time.monotonic()
        try:
            api, until = self._load()
        except StartError as error:
            log.error("the credentials can't be read again", extra={"error": str(error)})
            return
        with self._lock:
            self._api, self._good_until = api, until

    def _begin(self) -> Any:
        """Read the credentials; a plugin that fails now may not do so later, and is no reason not to begin."""
        try:
            api, self._good_until = self._load()
        except PluginFailed as error:
            log.error("there are no credentials yet", extra={"error": str(error)})
            api, _ = self._load(runs_plugin=False)
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
        try:
            return b"".join(response.stream(CHUNK, decode_content=True))
        except READ_ERRORS as error:
            raise KubernetesError(f"reading {path} failed: {shorten(str(error))}") from error
        finally:
            response.release_conn()

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
        url = f"{api.configuration.host.rstrip('/')}{path}{f'?{urlencode(query)}' if query else ''}"
        try:
            headers = {
                "Accept": "application/json",
                "Accept-Encoding": encoding,
                "User-Agent": f"kigeon/{__version__}",
                **({} if body is None else {"Content-Type": "application/json"}),
                **_credentials(api),
            }
            response: urllib3.BaseHTTPResponse = api.rest_client.pool_manager.request(
                method,
                url,
                body=body,
                headers=headers,
                preload_content=False,
                retries=False,
                redirect=False,
                timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT, read=read_timeout),
            )
        except urllib3.exceptions.LocationParseError:
            # The error holds the whole address.
            raise KubernetesError("the API server's address can't be read") from None
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise (Unreachable if isinstance(error, _CONNECT_ERRORS) else KubernetesError)(
                f"{_shown(api.configuration.host)} does not answer: {shorten(str(error))}"
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
        try:
            # In pieces: a length that is said to be enormous must not be asked of the memory at once.
            # In chunks it is decoded only where that is said.
            return b"".join(response.stream(CHUNK, decode_content=True))
        except READ_ERRORS as error:
            raise KubernetesError(f"reading {path} failed: {shorten(str(error))}") from error
        finally:
            response.release_conn()

    def _load(self, runs_plugin: bool = True) -> tuple[Any, float | None]:
        """Return a client, and until when its credentials are good (seconds since the epoch)."""
        configuration = kubernetes_client.Configuration()
        until = None
        try:
            if self._source.kubeconfig is None:
                InClusterConfigLoader(SERVICE_TOKEN_FILENAME, SERVICE_CERT_FILENAME).load_and_set(configuration)
                # The way to the API server of one's own cluster never leads through a proxy.
                configuration.proxy = None
            else:
                config = read_kubeconfigs([self._source.kubeconfig, *self._source.more])
                config, until = with_plugin(config) if runs_plugin else (without_plugin(config), None)
                kubernetes_config.load_kube_config_from_dict(
                    config, client_configuration=configuration, persist_config=False
                )
                if active(config, "cluster").get("proxy-url"):
                    # What is said of this cluster counts before what is said of all.
                    configuration.no_proxy = None
        except PluginFailed:
            raise
        except Exception as error:  # noqa: BLE001 - its own exceptions, YAML's, KeyError, OSError: whatever it met
            place = self._source.kubeconfig or "the Pod's service account"
            said = f"{type(error).__name__}: {_without_secrets(error)}"
            raise StartError(f"{place} can't be used as credentials: {said}") from None
        configuration.socket_options = _KEEPALIVE
        configuration.retries = False
        configuration.connection_pool_maxsize = SIDE_BY_SIDE
        try:
            if should_bypass_proxies(configuration.host, configuration.no_proxy or ""):
                # However its address is written.
                configuration.proxy = None
            if configuration.proxy and (auth := urllib3.util.parse_url(configuration.proxy).auth):
                configuration.proxy_headers = urllib3.make_headers(proxy_basic_auth=unquote(auth))
            return kubernetes_client.ApiClient(configuration), until
        except (urllib3.exceptions.HTTPError, ImportError, ValueError):
            # The error may hold the whole address.
            raise StartError("the proxy's address can't be used: http, https, or, with PySocks, socks5") from None


def _without_secrets(error: Exception) -> str:
    """Return what of *error* may be told: its text may repeat any part of the file, a token or a key too."""
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark
        place = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        return _QUOTED.split(error.problem or "")[0].strip() + place
    if isinstance(error, OSError):
        return error.strerror or ""
    pattern = _ENTRY_OR_KEY if isinstance(error, ConfigException) else _QUOTED
    return shorten(pattern.split(str(error))[0], 200)


def _shown(host: str) -> str:
    try:
        return str(urllib3.util.parse_url(host)._replace(auth=None))
    except urllib3.exceptions.LocationParseError:
        return "the API server"


def error_of(path: str, response: urllib3.BaseHTTPResponse, method: str = "GET") -> KubernetesError:
    """Return the error that a response other than 2xx is; it reads what the response says, and lets it go."""
    try:
        body = bytes(response.read(MAX_ERROR_BYTES))
    except READ_ERRORS:
        body = b""
    if len(body) < MAX_ERROR_BYTES:
        response.release_conn()
    else:
        # The rest is not worth reading to keep the connection: it may have no end.
        response.close()
    message = f"{method} {path}: {response.status} {shorten(body)}"
    retry_after = response.headers.get("Retry-After", "")
    seconds = float(retry_after) if retry_after.isascii() and retry_after.isdigit() else None
    if response.status == 401:
        return Unauthorized(message, 401, seconds)
    return KubernetesError(message, response.status, seconds, continue_token_of(body) if response.status == 410 else "")


def _credentials(api: Any) -> dict[str, str]:
    """Return the headers that authenticate; reading them renews what is due (a rotated token, a plug-in's answer)."""
    headers = dict(api.default_headers)
    headers.pop("User-Agent", None)
    for setting in api.configuration.auth_settings().values():
        if setting["in"] == "header" and setting["value"]:
            # A token file may end in a newline, which no header may hold.
            headers[setting["key"]] = " ".join(setting["value"].split())
    return headers
