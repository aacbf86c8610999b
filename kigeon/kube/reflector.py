"""The reflector: what to ask the API server for next, given what it has answered. Pure: no I/O, no clock.

As in client-go: list in pages, watch from the list's resourceVersion, watch again from the last version after a
clean close or a lost connection, list anew when the server has forgotten that version (410, in each of its three
forms). Unlike client-go, a watch is never resumed blindly: the object that was seen last is asked for first, and when
it is not there as it was, or the cluster's version is lower than the one to resume from, everything is listed: etcd may
have been restored from a backup. A watch from a version that lies in the future would wait, silently, until the cluster
has reached it, and one from a version that was given out a second time would leave out what came before.

Mostly, an object is not there as it was because it was written again, or has expired, while nobody watched. A list
hides intermediate updates. So, after a list that was made for such a doubt alone, the watch resumes at the version that
it would have been resumed from without the doubt, where the cluster still has it.

Asking for that object is for safety's sake alone, and must not hold up what it is to make safe. Where it fails although
the API server can be reached, everything is listed, as for a doubt. Where the list fails too, it is asked for again.
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
"""How often an object is asked for before everything is listed; once, when that has helped the last time."""

GONE = 410
BAD_REQUEST = 400
UNAUTHORIZED = 401
FORBIDDEN = 403


@dataclass(frozen=True, slots=True)
class ListPage:
    """Ask for a page of the list; with no token, for the first."""

    continue_token: str


@dataclass(frozen=True, slots=True)
class VerifyResume:
    """Ask for a single object, to learn the cluster's resourceVersion."""


@dataclass(frozen=True, slots=True)
class Watch:
    """Watch from a version on."""

    resource_version: str


Action = ListPage | VerifyResume | Watch


@dataclass(frozen=True, slots=True)
class Step:
    """What to do next: wait ``delay`` seconds, read the credentials anew if told, then act."""

    action: Action
    delay: float = 0.0
    refresh_credentials: bool = False


class Reflector:
    """Call :meth:`next` for what to do, and tell what came of it by one of the other methods.

    ``relisted`` is the reason when the next list is one that should not have been needed, ``cause`` the same in a word.
    """

    def __init__(self, resume_from: str = "", jitter: Callable[[float, float], float] = uniform) -> None:
        self._version = resume_from
        self._token = ""
        self._paged = False
        """Whether a page came since a token has expired."""
        self._covered = False
        """Whether a watch beside the list tells what its later pages would be too new for."""
        self._probed = False
        self._doubted = ""
        self._listed = ""
        """The version of that list, until the watch has gone on."""
        self._probe_failures = 0
        """How many times in a row the object could not be asked for; 0 again when everything was asked in vain."""
        self._probes = PROBES
        self._unsure = False
        """Whether the list at hand is made because the object could not be asked for."""
        self._backoff = Backoff(base=0.8, cap=30.0, jitter=0.25, uniform=jitter)
        self._probe_backoff = Backoff(base=0.8, cap=5.0, jitter=0.25, longest=30.0, uniform=jitter)
        self._delay = 0.0
        self._refresh = False
        self.relisted = ""
        self.cause = ""

    @property
    def resource_version(self) -> str:
        """The version that was reached; "" before the first list is complete."""
        return self._version

    @property
    def doubted(self) -> str:
        """The version to watch from once the list is complete that is made because of a doubt; "" for the list's."""
        return self._doubted

    def next(self) -> Step:
        """Return what to do now."""
        step = Step(self._action(), self._delay, self._refresh)
        self._delay, self._refresh = 0.0, False
        return step

    def _action(self) -> Action:
        if not self._version:
            return ListPage(self._token)
        return Watch(self._version) if self._probed else VerifyResume()

    def version_after_list(self, listed: str) -> str:
        """Return the version to go on from after a list whose own is *listed*."""
        return self._doubted if self._doubted and not _is_lower(listed, self._doubted) else listed

    def page(self, resource_version: str, continue_token: str) -> None:
        """A page came. The schedule goes on: lists that succeed and watches that fail must not take turns at speed."""
        self._token, self._paged = continue_token, True
        if not continue_token:
            version = self.version_after_list(resource_version)
            self._listed = resource_version if version != resource_version else ""
            self._version, self._probed, self.relisted, self._doubted = version, True, "", ""
            self._probes, self._unsure, self._covered = 1 if self._unsure else self._probes, False, False

    def covered(self) -> None:
        """A watch is being read beside the list."""
        self._covered = True

    def listed_beside(self, version: str) -> None:
        """The list is complete, and a watch beside it has reached *version*."""
        self._doubted = ""
        self.page(version, "")

    def probed(self, resource_version: str, is_intact: bool = True) -> None:
        """The single object's list came: go on watching, unless the cluster went back in time.

        *is_intact* tells whether the object that was seen last is there, as it was.
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
        """The single object could not be asked for, or not be read: after a few tries a list does as well."""
        self._delay = self._probe_backoff.failed(error.retry_after)
        self._refresh = _is_refusal(error)
        self._probe_failures += not isinstance(error, Unreachable)
        if self._probe_failures >= self._probes:
            self._relist("the object that was seen last can't be asked for", "object_unknown", self._version)
            self._unsure = True

    def line(self, line: WatchEvent) -> bool:
        """A line of the watch came; return whether the watch goes on. ERROR ends it."""
        if line.type == "ERROR":
            self._error_line(line)
            return False
        self._backoff.succeeded()
        self._version, self._listed = line.resource_version or self._version, ""
        return True

    def closed(self, lines: int) -> None:
        """The watch ended cleanly, or fell silent, after so many *lines*. One that brought nothing: wait a little."""
        self._probed = False
        self._backoff.succeeded()
        if not lines:
            self._delay = 1.0

    def failed(self, error: KubernetesError) -> None:
        """The request failed, or the connection was lost under way."""
        self._probed = False
        if self._unsure and not self._token and error.status not in (GONE, BAD_REQUEST):
            # The list fares no better: what is cheaper is asked for first, for as long as the API server is away.
            version = self._doubted
            self.list_again()
            self._version = version
        elif error.status == GONE and self._token and self._covered and error.continue_token:
            self._token = error.continue_token
            if self._paged:
                # It gets on, however often the tokens expire.
                self._paged = False
                return
        elif error.status == GONE:
            self._expired("a continue token has expired" if self._token else "the version has expired")
        elif error.status == BAD_REQUEST and (self._token or self._version):
            # Asked for again, it would be refused for ever.
            what = f"the continue token {self._token}" if self._token else f"the version {self._version}"
            self._relist(f"{shorten(what, 100)} is refused", "refused", self._doubted)
        self._refresh = _is_refusal(error)
        self._delay = self._backoff.failed(error.retry_after)

    def list_again(self) -> None:
        """List anew although nothing is wrong."""
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
            # Everything was listed just now, for a doubt: no more is to be had from before.
            self._version, self._listed = self._listed, ""
        else:
            self._relist(reason, "expired", self._doubted)

    def _relist(self, reason: str, cause: str, doubted: str = "") -> None:
        self.list_again()
        self.relisted, self.cause, self._doubted = reason, cause, doubted


def _is_refusal(error: KubernetesError) -> bool:
    """Whether to read the credentials again; an exec plug-in that failed leaves requests anonymous: 403."""
    return isinstance(error, Unauthorized) or error.status == FORBIDDEN


def _is_lower(left: str, right: str) -> bool:
    """Compare versions where both are numbers, as the API conventions allow since Kubernetes 1.35."""
    if not (left.isascii() and left.isdigit() and right.isascii() and right.isdigit()):
        return False
    # Not as integers: Python refuses to make one of some thousands of digits.
    left, right = left.lstrip("0"), right.lstrip("0")
    return (len(left), left) < (len(right), right)
