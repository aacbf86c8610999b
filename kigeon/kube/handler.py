"""The interface of a handler, which takes the pages and lines that an informer reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from kigeon.kube.lines import WatchEvent


class Handler(Protocol):
    """Takes pages and lines, one call at a time. A handler may block, which is the flow control."""

    def on_list_page(self, items: Sequence[tuple[dict[str, Any], bytes]], resource_version: str) -> None:
        """Take a page of the list; ``resource_version`` is the list's version with the last page, "" before."""

    def on_events(self, lines: Sequence[WatchEvent]) -> None:
        """Take lines of the watch, bookmarks among them."""

    def on_early_events(self, lines: Sequence[WatchEvent]) -> None:
        """Take lines of a watch beside a list; no watch can resume from their versions before the list's end."""

    def on_relist(self, reason: str, resume_from: str) -> None:
        """Note that the next page is the first of a list that a healthy cluster would not need.

        Until the list is complete, a watch can resume from the version *resume_from*, or from none where that is "".
        """

    def on_unreadable(self, count: int) -> None:
        """Note that *count* lines or items could not be read, and were skipped."""

    def on_backoff(self, seconds: float) -> None:
        """Note that the API server is away or refuses, and is asked again after so many *seconds*."""
