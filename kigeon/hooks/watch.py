"""Notices that a hook's script has changed on the disk, and loads the new text.

A ConfigMap's files change by the swap of a symbolic link, other files are rewritten. So the file that the path leads
to is examined every few seconds. A new text is used if the file did not change between two looks and the text can be
loaded; otherwise the log says so, once, and the last script that could be loaded stays in use.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from kigeon.config.settings import HookSettings
from kigeon.errors import HookLoadError
from kigeon.hooks.runner import HookRunner, read_script

log = logging.getLogger(__name__)

LOOK_EVERY = 2.0
"""Seconds between two looks: one call of stat."""

Signature = tuple[int, ...]
"""What tells one state of a file from another."""

Check = Callable[[HookSettings, str], None]
"""Tries to load a text as the script; raises :class:`HookLoadError`."""


def check_source(hook: HookSettings, source: str) -> None:
    """Load *source* in a worker of its own; :class:`HookLoadError` when it can't be loaded."""
    runner = HookRunner(hook, {})
    try:
        runner.start(source)
    finally:
        runner.close()


class ScriptWatch:
    """One script; *source* is the text that is in use. Only the check takes time."""

    def __init__(self, hook: HookSettings, source: str, check: Check = check_source) -> None:
        self._hook = hook
        self._source = source
        self._check = check
        self._seen: Signature | None = None
        self._judged: Signature | None = None
        self._is_gone = False

    def look(self) -> str | None:
        """Return the script's new text when it has changed and can be loaded; None otherwise."""
        signature = _signature_of(self._hook.script)
        if signature is None:
            self._gone()
            return None
        self._is_gone = False
        if signature == self._judged:
            return None
        if signature != self._seen:
            # Somebody may still be writing the file.
            self._seen = signature
            return None
        self._judged = signature
        return self._judge()

    def _judge(self) -> str | None:
        script = str(self._hook.script)
        try:
            source = read_script(self._hook.script)
            if source == self._source:
                return None
            self._check(self._hook, source)
        except HookLoadError as error:
            said = {"script": script, "error": str(error)}
            log.error("the hook's new script can't be loaded, the old one stays in use", extra=said)
            return None
        self._source = source
        log.info("the hook's script has changed, the new one is in use", extra={"script": script})
        return source

    def _gone(self) -> None:
        if not self._is_gone:
            self._is_gone = True
            self._seen = self._judged = None
            log.error("the hook's script is gone, the old one stays in use", extra={"script": str(self._hook.script)})


class WatchThread:
    """Looks until it is closed; *changed* is called in its thread with each new text."""

    def __init__(self, watch: ScriptWatch, changed: Callable[[str], None]) -> None:
        self._watch = watch
        self._changed = changed
        self._closed = threading.Event()
        threading.Thread(target=self._run, name="script", daemon=True).start()

    def close(self) -> None:
        """Stop looking."""
        self._closed.set()

    def _run(self) -> None:
        while not self._closed.wait(LOOK_EVERY):
            source = self._watch.look()
            if source is not None:
                self._changed(source)


def _signature_of(path: Path) -> Signature | None:
    """Return the signature of the file that *path* leads to; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
