"""The interface of what takes what an informer reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from kigeon.kube.lines import WatchEvent


class Handler(Protocol):
    """Takes what comes, one call at a time. It may block: that is the flow control."""

    def on_list_page(self, items: Sequence[tuple[dict[str, Any], bytes]], resource_version: str) -> None:
        """A page of the list; ``resource_version`` is the list's on its last page, "" before."""

    def on_events(self, lines: Sequence[WatchEvent]) -> None:
        """Lines of the watch, bookmarks among them."""

    def on_early_events(self, lines: Sequence[WatchEvent]) -> None:
        """Lines of a watch that is read beside a list: there is nothing to resume from before the list's end."""

    def on_relist(self, reason: str, resume_from: str) -> None:
        """The next page is the first of a list that should not have been needed.

        Until that is complete, *resume_from* is the version to go on from; "": there is none.
        """

    def on_unreadable(self, count: int) -> None:
        """So many lines or items could not be read, and were skipped."""

    def on_backoff(self, seconds: float) -> None:
        """Nothing will be read for so long: the API server is away, or refuses, and is asked again after it."""
