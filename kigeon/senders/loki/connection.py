"""Connections to one Loki: what requests would find out for each push is found out once.

Trust, proxies and credentials are decided by requests (the environment's proxies and CA bundle; no ``.netrc``); a push
goes straight to the connections below it: there are thousands where a backlog has many streams.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase, HTTPBasicAuth
from requests.utils import check_header_validity

from kigeon import __version__
from kigeon.senders.delivery.pool import SIDE_BY_SIDE
from kigeon.senders.loki.body import HEADERS
from kigeon.senders.loki.continuity import Continuity, Heard, ticks
from kigeon.senders.loki.entry import LokiDestination

PUSH_PATH = "/loki/api/v1/push"
TIMEOUT = (5.0, 15.0)
"""Seconds to connect, and for Loki to answer."""

TENANT = "X-Scope-OrgID"


class NoAuth(AuthBase):
    """Send no credentials: without this, requests would take some from a .netrc file."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Leave *request* as it is."""
        return request


class UnverifiedAdapter(HTTPAdapter):
    """Verifies no certificate, whatever REQUESTS_CA_BUNDLE says."""

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """Send *request* with verification off."""
        return super().send(request, *args, **{**kwargs, "verify": False})


class Connection:
    """To one destination, whatever its tenant. Thread-safe; what it raises is of requests or of urllib3."""

    def __init__(self, destination: LokiDestination) -> None:
        self._session = new_session(destination)
        request = self._session.prepare_request(
            requests.Request("POST", destination.url + PUSH_PATH, headers={**HEADERS[destination.encoding]})
        )
        del request.headers["Content-Length"]
        url = str(request.url)
        found = self._session.merge_environment_settings(url, {}, True, None, None)
        verify = False if destination.insecure_skip_verify else found["verify"]
        # Typed as their bases are: they are what new_session made, and a pool of HTTP connections.
        adapter: Any = self._session.get_adapter(url)
        self._pool: Any = adapter.get_connection_with_tls_context(request, verify, proxies=found["proxies"])
        adapter.cert_verify(self._pool, url, verify, None)
        self._pool.ConnectionCls = dated(self._pool.ConnectionCls)
        self._continuity = Continuity()
        self._target = adapter.request_url(request, found["proxies"])
        self._headers = dict(request.headers)
        self._retries = adapter.max_retries

    def post(self, body: bytes, tenant: str | None) -> tuple[urllib3.BaseHTTPResponse, Heard | None]:
        """Push *body*; return the answer, not read yet, wherever it would send on to. It is to be closed.

        With it comes what the connection tells of the server: None where the server keeps no connection anyway.
        """
        headers = self._headers
        if tenant:
            check_header_validity((TENANT, tenant))
            headers = {**headers, TENANT: tenant}
        asked = next(ticks)
        response: Any = self._pool.urlopen(
            "POST",
            self._target,
            body,
            headers,
            retries=self._retries,
            redirect=False,
            assert_same_host=False,
            timeout=urllib3.Timeout(*TIMEOUT),
            preload_content=False,
            decode_content=False,
        )
        opened = getattr(response.connection, "opened", None)
        if opened is None or response.headers.get("Connection", "").lower() == "close":
            return response, None
        # What is asked over a new connection is asked after it was opened.
        return response, self._continuity.heard(opened, max(asked, opened), next(ticks))

    def close(self) -> None:
        """Close what is open; what is under way ends."""
        self._session.close()


@cache
def dated(kind: type) -> type:
    """Return *kind* of connection, with the tick at which it was last ``opened``."""

    class Dated(kind):  # type: ignore[misc]
        opened: int

        def connect(self) -> None:
            super().connect()
            self.opened = next(ticks)

    return Dated


def new_session(destination: LokiDestination) -> requests.Session:
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
    verified: type[HTTPAdapter] = UnverifiedAdapter if destination.insecure_skip_verify else HTTPAdapter
    session.mount("https://", verified(pool_maxsize=SIDE_BY_SIDE))
    session.mount("http://", HTTPAdapter(pool_maxsize=SIDE_BY_SIDE))
    return session
