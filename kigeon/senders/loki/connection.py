"""Connections to one Loki, prepared once instead of for each push.

The package requests decides trust, proxies and credentials (the environment's proxies and CA bundle; no ``.netrc``). A
push goes straight to the connections below requests: a backlog with many streams takes thousands of pushes.

Lost connections are counted: they are the only sign that Loki was restarted between two pushes.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any

import urllib3

from kigeon import __version__
from kigeon.senders.delivery.pool import SIDE_BY_SIDE
from kigeon.senders.loki.body import HEADERS
from kigeon.senders.loki.entry import LokiDestination
from kigeon.senders.loki.exchange import Exchange
from kigeon.senders.loki.package import AuthBase, HTTPAdapter, HTTPBasicAuth, check_header_validity, requests

PUSH_PATH = "/loki/api/v1/push"
PUSH_TIMEOUT = (5.0, 15.0)
"""Seconds to connect, and for Loki to answer."""

TENANT = "X-Scope-OrgID"

MOST_LOSSES = 2**40
"""Losses of one :class:`Connection` at most; the next one's generation begins there."""


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
    """Connections to one destination, for all its tenants. Thread-safe; raises errors of requests and urllib3.

    *number* is larger than that of an earlier one to the same destination.
    """

    def __init__(self, destination: LokiDestination, number: int = 0) -> None:
        self._session = new_session(destination)
        request = self._session.prepare_request(
            requests.Request("POST", destination.url + PUSH_PATH, headers={**HEADERS[destination.encoding]})
        )
        del request.headers["Content-Length"]
        url = str(request.url)
        found = self._session.merge_environment_settings(url, {}, True, None, None)
        verify = False if destination.insecure_skip_verify else found["verify"]
        # Typed as Any: an adapter that new_session made, and its pool of HTTP connections.
        adapter: Any = self._session.get_adapter(url)
        self._pool: Any = adapter.get_connection_with_tls_context(request, verify, proxies=found["proxies"])
        adapter.cert_verify(self._pool, url, verify, None)
        self._target = adapter.request_url(request, found["proxies"])
        self._headers = dict(request.headers)
        self._retries = adapter.max_retries
        self._lock = threading.Lock()
        self._generation = number * MOST_LOSSES
        self._pool.ConnectionCls = _telling(self._pool.ConnectionCls, self.note_loss)

    @property
    def generation(self) -> int:
        """Grows with each lost connection: Loki may have been restarted since."""
        return self._generation

    def begin(self, make_body: Callable[[], bytes], tenant: str | None) -> Exchange | None:
        """Write a push of a body without waiting; None where that can't be done: then none is made.

        It takes an open and idle connection without TLS, since an answer has to be looked at before it is read. Raises
        as :meth:`post` does for a *tenant* that is no header.
        """
        headers = self._headers_for(tenant)
        # As http.client does: in the midst of a request it would cost the connection.
        (tenant or "").encode("latin-1")
        connection = self._idle_connection() if self._pool.scheme == "http" else None
        if connection is None:
            return None
        exchange = Exchange(connection, self._pool._put_conn, PUSH_TIMEOUT[1])
        if exchange.send(self._target, make_body(), headers):
            return exchange
        self.note_loss()
        return None

    def _idle_connection(self) -> Any:
        """Take the connection that was used last out of the pool, if it is open still; None otherwise."""
        try:
            connection = self._pool.pool.get_nowait()
        except (AttributeError, queue.Empty):
            return None  # The pool was closed, or all connections are used.
        if connection is not None and connection.is_connected:
            return connection
        self._pool._put_conn(connection)
        return None

    def post(self, body: bytes, tenant: str | None) -> urllib3.BaseHTTPResponse:
        """Push *body*; return the unread answer, also if it is a redirect. The caller closes it."""
        headers = self._headers_for(tenant)
        try:
            response: urllib3.BaseHTTPResponse = self._pool.urlopen(
                "POST",
                self._target,
                body,
                headers,
                retries=self._retries,
                redirect=False,
                assert_same_host=False,
                timeout=urllib3.Timeout(*PUSH_TIMEOUT),
                preload_content=False,
                decode_content=False,
            )
        except urllib3.exceptions.HTTPError:
            self.note_loss()
            raise
        return response

    def _headers_for(self, tenant: str | None) -> dict[str, str]:
        if not tenant:
            return self._headers
        check_header_validity((TENANT, tenant))
        return {**self._headers, TENANT: tenant}

    def note_loss(self) -> None:
        """Note that a connection was lost in the midst of a push."""
        with self._lock:
            self._generation += 1

    def close(self) -> None:
        """Close all connections; pushes that are under way end."""
        self._session.close()


def _telling(base: Any, lost: Callable[[], None]) -> Any:
    """Return a class of connections that call *lost* when they are opened again.

    A connection that the server closes after a single answer does not count: such a server closes every connection.
    """

    class TellingConnection(base):  # type: ignore[misc]  # urllib3's, or a proxy's: whichever the pool makes
        _answers: int | None = None
        _is_closed = False

        def connect(self) -> None:
            super().connect()
            if self._answers is not None and not (self._is_closed and self._answers == 1):
                lost()
            self._answers = 0

        def getresponse(self) -> Any:
            response = super().getresponse()
            self._answers = (self._answers or 0) + 1
            self._is_closed = response.headers.get("Connection", "").lower() == "close"
            return response

    return TellingConnection


def new_session(destination: LokiDestination) -> requests.Session:
    """Return a session with the credentials and TLS settings of *destination*."""
    session = requests.Session()
    session.headers["User-Agent"] = f"kigeon/{__version__}"
    session.auth = (
        HTTPBasicAuth(destination.username.encode(), destination.password.encode())
        if destination.authenticates
        else NoAuth()
    )
    if destination.insecure_skip_verify:
        # The configuration asks for it; urllib3 would warn of it with every push.
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    verified: type[HTTPAdapter] = UnverifiedAdapter if destination.insecure_skip_verify else HTTPAdapter
    session.mount("https://", verified(pool_maxsize=SIDE_BY_SIDE))
    session.mount("http://", HTTPAdapter(pool_maxsize=SIDE_BY_SIDE))
    return session
