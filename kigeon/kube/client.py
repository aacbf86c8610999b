"""The kubernetes package's client with a cluster's address, credentials and TLS; no error from here tells a secret."""

from __future__ import annotations

import re
import socket
from typing import Any
from urllib.parse import unquote

import urllib3
import yaml

from kigeon.errors import PluginFailed, StartError, shorten
from kigeon.kube.kubeconfig import active, read_kubeconfigs, with_plugin, without_plugin
from kigeon.kube.package import (
    SERVICE_CERT_FILENAME,
    SERVICE_TOKEN_FILENAME,
    ApiClient,
    ConfigException,
    Configuration,
    InClusterConfigLoader,
    load_kube_config_from_dict,
    should_bypass_proxies,
)
from kigeon.kube.source import ClusterSource

SIDE_BY_SIDE = 32
"""Connections that are kept for requests at the same time, one for each thread that looks Pods up."""

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
"""An entry of a kubeconfig, or a key in PEM or base64; where a path is due, an error quotes it as the missing file."""


def load_client(source: ClusterSource, runs_plugin: bool = True) -> tuple[Any, float | None]:
    """Return a client, and until when its credentials are valid (seconds since the epoch; None for no end).

    Raises :class:`StartError` with the place of the credentials and why they can't be used, :class:`PluginFailed` where
    an exec plugin fails.
    """
    configuration = Configuration()
    try:
        until = _load_credentials(source, configuration, runs_plugin)
    except PluginFailed:
        raise
    except Exception as error:  # noqa: BLE001 - the package's own, YAML's, KeyError, OSError
        place = source.kubeconfig or "the Pod's service account"
        said = f"{type(error).__name__}: {_without_secrets(error)}"
        raise StartError(f"{place} can't be used as credentials: {said}") from None
    configuration.socket_options = _KEEPALIVE
    configuration.retries = False
    configuration.connection_pool_maxsize = SIDE_BY_SIDE
    try:
        if should_bypass_proxies(configuration.host, configuration.no_proxy or ""):
            # A proxy that is not used for this host may have an address that can't be read.
            configuration.proxy = None
        if configuration.proxy and (auth := urllib3.util.parse_url(configuration.proxy).auth):
            configuration.proxy_headers = urllib3.make_headers(proxy_basic_auth=unquote(auth))
        return ApiClient(configuration), until
    except (urllib3.exceptions.HTTPError, ImportError, ValueError):
        # The error's text may hold the whole address, with the password.
        raise StartError("the proxy's address can't be used: http, https, or, with PySocks, socks5") from None


def _load_credentials(source: ClusterSource, configuration: Any, runs_plugin: bool) -> float | None:
    """Put address and credentials into *configuration*; return until when the credentials are valid."""
    if source.kubeconfig is None:
        InClusterConfigLoader(SERVICE_TOKEN_FILENAME, SERVICE_CERT_FILENAME).load_and_set(configuration)
        # The way to the API server of one's own cluster never leads through a proxy.
        configuration.proxy = None
        return None
    config = read_kubeconfigs([source.kubeconfig, *source.more])
    config, until = with_plugin(config) if runs_plugin else (without_plugin(config), None)
    load_kube_config_from_dict(config, client_configuration=configuration, persist_config=False)
    if active(config, "cluster").get("proxy-url"):
        # The cluster's own proxy-url takes precedence over NO_PROXY, which speaks of all clusters.
        configuration.no_proxy = None
    return until


def credentials_of(api: Any) -> dict[str, str]:
    """Return the headers that authenticate; reading them renews a rotated token and a plugin's answer."""
    headers = dict(api.default_headers)
    headers.pop("User-Agent", None)
    for setting in api.configuration.auth_settings().values():
        if setting["in"] == "header" and setting["value"]:
            # A token file may end in a newline, which no header may hold.
            headers[setting["key"]] = " ".join(setting["value"].split())
    return headers


def shown(host: str) -> str:
    """Return a URL without its user and password, so that logs may show it."""
    try:
        return str(urllib3.util.parse_url(host)._replace(auth=None))
    except urllib3.exceptions.LocationParseError:
        return "the API server"


def _without_secrets(error: Exception) -> str:
    """Return the part of *error* that may be shown; the whole text may repeat any part of the file, even a token."""
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark
        place = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        return _QUOTED.split(error.problem or "")[0].strip() + place
    if isinstance(error, OSError):
        return error.strerror or ""
    pattern = _ENTRY_OR_KEY if isinstance(error, ConfigException) else _QUOTED
    return shorten(pattern.split(str(error))[0], 200)
