"""Writes lines; refuses for good what says ``poison``, and everything while the file's directory is not there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from kigeon.events.occurrence import timestamp_of
from kigeon.senders.delivery.lane import Item
from kigeon.senders.delivery.planner import PlainPlanner, PushResult
from kigeon.senders.entry import Answer, PushStatus
from kigeon.senders.line import fields_to_send, line_of
from lines.type import LinesSettings


@dataclass(frozen=True, slots=True)
class File:
    """A destination."""

    path: str

    @property
    def label(self) -> str:
        """Its path."""
        return self.path

    @property
    def origin(self) -> str:
        """A disk of its own."""
        return self.path


class Line(NamedTuple):
    """An entry."""

    destination: File
    text: str
    size: int
    timestamp: int


class Planner(PlainPlanner):
    """Parks what the destination refused, and counts the others as written."""

    def settle(self, push: Sequence[Item], answer: Answer) -> PushResult:
        """Take the refused lines out."""
        if answer.status is not PushStatus.INVALID:
            return super().settle(push, answer)
        refused = [item for item in push if item.entry.text in answer.refusals]
        sent = [item for item in push if item.entry.text not in answer.refusals]
        return PushResult(sent=sent, parked=[(item, answer.reason) for item in refused])


class LinesSink:
    """Appends to files."""

    def __init__(self, settings: LinesSettings) -> None:
        self._settings = settings

    def entry(self, event: Mapping[str, Any], settings: LinesSettings | None) -> Line:
        """Return the line of *event*."""
        chosen = settings or self._settings
        text = line_of(fields_to_send(event))
        text = text.upper() if chosen.upper else text
        return Line(File(chosen.path), text, len(text) + 1, timestamp_of(event))

    def planner(self, destination: File) -> Planner:
        """Return a planner of its own for each file."""
        return Planner()

    def push(self, destination: File, entries: Sequence[Line]) -> Answer:
        """Append the lines."""
        refused = tuple(entry.text for entry in entries if "poison" in entry.text)
        try:
            with Path(destination.path).open("a") as file:
                file.writelines(f"{entry.text}\n" for entry in entries if entry.text not in refused)
        except OSError as error:
            return Answer(PushStatus.RETRY, str(error))
        return Answer(PushStatus.INVALID, "poison", refusals=refused) if refused else Answer(PushStatus.DELIVERED)

    def close(self) -> None:
        """Every file is closed already."""
