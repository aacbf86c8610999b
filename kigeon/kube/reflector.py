"""The reflector decides what to ask the API server for next, given the answers so far. Pure, without a clock.

Like client-go, the reflector lists in pages, watches from the list's resourceVersion, watches again from the last
version after a clean close or a lost connection, and lists again when the server has forgotten that version (410, in
each of its three forms). Unlike client-go, the reflector never resumes a watch blindly, since etcd may have been
restored from a backup. It first asks for the object that was seen last, the anchor. When the anchor has changed or is
gone, or when the cluster's version is lower than the one to resume from, the reflector lists everything. A watch from a
version that lies in the future would wait silently until the cluster has reached that version, and a watch from a
version that was given out a second time would leave out the changes before it.

Mostly, an anchor is gone or has changed because it expired or was written again while nobody watched. A list hides
intermediate updates. So, after a list that was made for such a doubt alone, the watch resumes at the version from which
it would have been resumed without the doubt, if the cluster still has that version.

The question for the anchor serves safety alone, and must not hold up the watch. Where the question fails although the
API server can be reached, the reflector lists everything, as for a doubt. Where the list fails too, the reflector asks
for the anchor again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import uniform

from kigeon.backoff import Backoff
from kigeon.errors import KubernetesError, Unauthorized, Unreachable, shorten
from kigeon.kube.lines import WatchEvent

PAGE_SIZE = 500
PROBES = 2
"""Failed questions for the anchor before everything is listed; one is enough if listing has helped the last time."""

GONE = 410
BAD_REQUEST = 400
UNAUTHORIZED = 401
FORBIDDEN = 403


@dataclass(frozen=True, slots=True)
class ListPage:
    """Ask for a page of the list, the first one if the token is ""."""

    continue_token: str


@dataclass(frozen=True, slots=True)
class VerifyResume:
    """Ask for the anchor, to learn whether it is unchanged, and the cluster's resourceVersion."""


@dataclass(frozen=True, slots=True)
class Watch:
    """Watch from ``resource_version`` on."""

    resource_version: str


Action = ListPage | VerifyResume | Watch


@dataclass(frozen=True, slots=True)
class Step:
    """The next step of an informer, which waits ``delay`` seconds, reads the credentials again if told, then acts."""

    action: Action
    delay: float = 0.0
    refresh_credentials: bool = False


class Reflector:
    """Returns the next step from :meth:`next`; the other methods take the result of that step.

    ``relisted`` is the reason of a list that a healthy cluster would not need, ``cause`` is that reason in a word.
    """

    def __init__(self, resume_from: str = "", jitter: Callable[[float, float], float] = uniform) -> None:
        self._version = resume_from
        self._token = ""
        self._paged = False
        """Whether a page has come since the last token expired."""
        self._covered = False
        """Whether a watch beside the list shows the changes that its later pages, being newer, hide."""
        self._probed = False
        self._doubted = ""
        self._listed = ""
        """The version of the list that a doubt caused, until the watch has gone on."""
        self._probe_failures = 0
        """Failed questions for the anchor in a row; 0 again when the list has failed too."""
        self._probes = PROBES
        self._unsure = False
        """Whether the list at hand is made because the questions for the anchor failed."""
        self._backoff = Backoff(base=0.8, cap=30.0, jitter=0.25, uniform=jitter)
        self._probe_backoff = Backoff(base=0.8, cap=5.0, jitter=0.25, longest=30.0, uniform=jitter)
        self._delay = 0.0
        self._refresh = False
        self.relisted = ""
        self.cause = ""

    @property
    def resource_version(self) -> str:
        """The version that list or watch has reached; "" before the first list is complete."""
        return self._version

    @property
    def doubted(self) -> str:
        """The version to watch from after a list that a doubt caused; "" for the list's own version."""
        return self._doubted

    def next(self) -> Step:
        """Return the next step."""
        step = Step(self._action(), self._delay, self._refresh)
        self._delay, self._refresh = 0.0, False
        return step

    def _action(self) -> Action:
        if not self._version:
            return ListPage(self._token)
        return Watch(self._version) if self._probed else VerifyResume()

    def version_after_list(self, listed: str) -> str:
        """Return the version to watch from after a list whose own version is *listed*."""
        return self._doubted if self._doubted and not _is_lower(listed, self._doubted) else listed

    def page(self, resource_version: str, continue_token: str) -> None:
        """Take a page; it does not reset the backoff, so that good lists and failing watches can't alternate fast."""
        self._token, self._paged = continue_token, True
        if not continue_token:
            version = self.version_after_list(resource_version)
            self._listed = resource_version if version != resource_version else ""
            self._version, self._probed, self.relisted, self._doubted = version, True, "", ""
            self._probes, self._unsure, self._covered = 1 if self._unsure else self._probes, False, False

    def covered(self) -> None:
        """Note that a watch is being read beside the list."""
        self._covered = True

    def listed_beside(self, version: str) -> None:
        """Note that the list is complete, and that the watch beside it has reached *version*."""
        self._doubted = ""
        self.page(version, "")

    def probed(self, resource_version: str, is_intact: bool = True) -> None:
        """Take the answer about the anchor; the watch goes on unless the cluster went back in time.

        *is_intact* tells whether the anchor is there, unchanged.
        """
        self._probe_failures, self._probes = 0, PROBES
        self._probe_backoff.succeeded()
        if _is_lower(resource_version, self._version):
            self._relist(f"the cluster went back from version {self._version} to {resource_version}", "went_back")
        elif not is_intact:
            reason = "the object that was seen last is gone, or another version of it is there"
            self._relist(reason, "object_gone", self._version)
        else:
            self._probed = True

    def probe_failed(self, error: KubernetesError) -> None:
        """Take a failed question for the anchor; after a few, a list takes the place of the answer."""
        self._delay = self._probe_backoff.failed(error.retry_after)
        self._refresh = _is_refusal(error)
        self._probe_failures += not isinstance(error, Unreachable)
        if self._probe_failures >= self._probes:
            self._relist("the object that was seen last can't be asked for", "object_unknown", self._version)
            self._unsure = True

    def line(self, line: WatchEvent) -> bool:
        """Take a line of the watch; return whether the watch goes on. A line of type ERROR ends the watch."""
        if line.type == "ERROR":
            self._error_line(line)
            return False
        self._backoff.succeeded()
        self._version, self._listed = line.resource_version or self._version, ""
        return True

    def closed(self, lines: int) -> None:
        """Note that the watch ended cleanly, or fell silent, after so many *lines*; after none, the next one waits."""
        self._probed = False
        self._backoff.succeeded()
        if not lines:
            self._delay = 1.0

    def failed(self, error: KubernetesError) -> None:
        """Take the *error* of a request that failed, or of a connection that was lost under way."""
        self._probed = False
        if self._unsure and not self._token and error.status not in (GONE, BAD_REQUEST):
            # The list fails too: while the API server is away, the cheaper question for the anchor comes first.
            version = self._doubted
            self.list_again()
            self._version = version
        elif error.status == GONE and self._token and self._covered and error.continue_token:
            self._token = error.continue_token
            if self._paged:
                # The list makes progress, however often its tokens expire.
                self._paged = False
                return
        elif error.status == GONE:
            self._expired("a continue token has expired" if self._token else "the version has expired")
        elif error.status == BAD_REQUEST and (self._token or self._version):
            # The API server would refuse the same token or version for ever.
            what = f"the continue token {self._token}" if self._token else f"the version {self._version}"
            self._relist(f"{shorten(what, 100)} is refused", "refused", self._doubted)
        self._refresh = _is_refusal(error)
        self._delay = self._backoff.failed(error.retry_after)

    def list_again(self) -> None:
        """List everything again although nothing is wrong."""
        self._version, self._token, self._probed, self._doubted, self._listed = "", "", False, "", ""
        self._probe_failures, self._unsure, self._covered = 0, False, False

    def _error_line(self, line: WatchEvent) -> None:
        self._probed = False
        code, reason, details = (line.object.get(key) for key in ("code", "reason", "details"))
        seconds = details.get("retryAfterSeconds") if isinstance(details, dict) else None
        self._delay = self._backoff.failed(float(seconds) if isinstance(seconds, int) else None)
        self._refresh = code in (UNAUTHORIZED, FORBIDDEN)
        if code == GONE or reason in ("Expired", "Gone"):
            self._expired("the version has expired under way")

    def _expired(self, reason: str) -> None:
        if self._listed:
            # A doubt caused the list that is just complete: earlier changes can't be had any more.
            self._version, self._listed = self._listed, ""
        else:
            self._relist(reason, "expired", self._doubted)

    def _relist(self, reason: str, cause: str, doubted: str = "") -> None:
        self.list_again()
        self.relisted, self.cause, self._doubted = reason, cause, doubted


def _is_refusal(error: KubernetesError) -> bool:
    """Return whether to read the credentials again: after 401, or 403, as requests without credentials are refused."""
    return isinstance(error, Unauthorized) or error.status == FORBIDDEN


def _is_lower(left: str, right: str) -> bool:
    """Return whether *left* is lower than *right*, if both are numbers; the API conventions allow to compare these."""
    if not (left.isascii() and left.isdigit() and right.isascii() and right.isdigit()):
        return False
    # The versions are compared as text: Python refuses to make an integer of some thousands of digits.
    left, right = left.lstrip("0"), right.lstrip("0")
    return (len(left), left) < (len(right), right)
