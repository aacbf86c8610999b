"""Every error that kigeon raises on purpose, as one tree.

::

    KigeonError
    ├── ConfigurationError            the configuration can't be used; carries every Problem
    ├── StartError                    kigeon can't start for another reason
    │   ├── DataDirectoryInUse        another kigeon holds the lock of global.dataDir
    │   └── PluginFailed              a kubeconfig's exec plugin gave no credentials
    ├── OperatorError                 a running kigeon could not be asked, or could not do what was asked
    ├── MoveRefused                   a queue can't be moved as things are
    ├── TemporaryError                worth another try; says after how long, where the other side said it
    │   ├── KubernetesError           the API server is away, slow, or answered with an error
    │   │   ├── Unauthorized          401: the credentials are to be read again
    │   │   └── Unreachable           no connection could be made: no other request would do better
    │   ├── QueueError                JetStream is away, or did not answer in time
    │   │   ├── QueueFull             a stream that discards nothing has no room
    │   │   └── QueueMoved            the valid queue is at another place, or on its way
    │   └── SenderError               a sender's destination is away
    └── PermanentError                the same input will fail the same way
        ├── UnreadableEvent           bytes that are no Event
        ├── UnreadableEnvelope        a JetStream message that is no envelope of a known format
        ├── UnreadablePosition        a sender's position record that can't be understood
        ├── Fenced                    another writer owns the stream or the position
        ├── TenureEnded               another replica may have taken over by now what this process does
        └── HookError                 a hook gave no usable answer for one event
            ├── HookLoadError         the script can't be loaded: file, line, column, message
            ├── HookRaised            transform() failed
            ├── HookTimeout           transform() took longer than hook.timeout
            ├── HookCrashed           the worker died or was killed
            ├── HookUnavailable       there is no worker now, and none can be started
            └── HookResultInvalid     what transform() returned is no valid config

What is temporary or permanent is said by the type. Causes are chained, and text that came from the
other side of a wire is cut to ``MAX_BODY`` characters by :func:`shorten`.
"""

from __future__ import annotations

from dataclasses import dataclass

from kigeon.redaction import redact

MAX_BODY = 500
"""The most characters of somebody else's text that an error or a log line repeats."""


def shorten(text: str | bytes, limit: int = MAX_BODY) -> str:
    """Return *text* on one line, at most *limit* characters, marked where it was cut, no URL's credentials in it."""
    decoded = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    line = redact(" ".join(decoded.split()))
    return line if len(line) <= limit else f"{line[:limit]}… ({len(line)} characters)"


class KigeonError(Exception):
    """The root of the tree."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a configuration.

    ``path`` is the dotted key (``eventsenders[0].config.url``), ``line`` and ``column`` count from 1
    (0: not from a file), ``message`` says what is wrong and ``cure`` what would be right (may be empty).
    Neither repeats a secret.
    """

    path: str
    message: str
    cure: str = ""
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        place = f"{self.line}:{self.column}: " if self.line else ""
        cure = f" ({self.cure})" if self.cure else ""
        return f"{place}{self.path or '(top level)'}: {self.message}{cure}"


class ConfigurationError(KigeonError):
    """The configuration can't be used. ``problems`` holds everything found in one run."""

    def __init__(self, source: str, problems: tuple[Problem, ...]) -> None:
        self.source = source
        self.problems = problems
        super().__init__("\n".join(f"{source}: {problem}" for problem in problems))

    def __reduce__(self) -> tuple[type[ConfigurationError], tuple[str, tuple[Problem, ...]]]:
        return type(self), (self.source, self.problems)


class StartError(KigeonError):
    """kigeon can't start, and the configuration file is not the reason."""


class DataDirectoryInUse(StartError):
    """Another kigeon holds the lock of ``global.dataDir``."""


class PluginFailed(StartError):
    """An exec plugin of a kubeconfig failed, hung, or gave no credentials."""


class OperatorError(KigeonError):
    """A running kigeon could not be asked, or could not do what was asked of it."""


class MoveRefused(KigeonError):
    """A queue can't be moved as things are: nothing was changed that matters, and the source is as valid as before."""


class TemporaryError(KigeonError):
    """Worth another try, not before ``retry_after`` seconds where that is known."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class KubernetesError(TemporaryError):
    """The API server is away, slow, or answered with an error; ``status`` is 0 without an answer.

    ``continue_token`` is where a list may be gone on with whose own token has expired, "" for nowhere.
    """

    def __init__(
        self, message: str, status: int = 0, retry_after: float | None = None, continue_token: str = ""
    ) -> None:
        self.status = status
        self.continue_token = continue_token
        super().__init__(message, retry_after)


class Unauthorized(KubernetesError):
    """401: the credentials are to be read again before the next try."""


class Unreachable(KubernetesError):
    """No connection could be made: no other request would do better."""


class QueueError(TemporaryError):
    """JetStream is away, or did not answer in time."""


class QueueFull(QueueError):
    """A stream that discards nothing has no room: what is to be stored waits."""


class QueueMoved(QueueError):
    """The valid queue is at another place, or on its way: nothing is to be written here or sent from here."""


class SenderError(TemporaryError):
    """A sender's destination is away."""


class PermanentError(KigeonError):
    """The same input will fail the same way."""


class UnreadableEvent(PermanentError):
    """Bytes that are no Event."""


class UnreadableEnvelope(PermanentError):
    """A JetStream message that is no envelope of a known format."""


class UnreadablePosition(PermanentError):
    """A sender's position record that can't be understood."""


class Fenced(PermanentError):
    """Another writer owns the stream or the position."""


class TenureEnded(PermanentError):
    """Another replica may have taken over by now what this process does: it is to end."""


class HookError(PermanentError):
    """A hook gave no usable answer for one event."""


class HookLoadError(HookError):
    """The script can't be loaded: the message names file, line and column."""


class HookRaised(HookError):
    """``transform()`` failed."""


class HookTimeout(HookError):
    """``transform()`` took longer than ``hook.timeout``."""


class HookCrashed(HookError):
    """The worker died or was killed while it had the event."""


class HookUnavailable(HookError):
    """There is no worker now, and none can be started: it says nothing about the event."""


class HookResultInvalid(HookError):
    """What ``transform()`` returned is no valid config."""
