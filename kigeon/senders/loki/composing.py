"""Decides which streams share a push: the last one is proven, and streams that Loki can't refuse ride along."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import nsmallest

from kigeon.senders.delivery.lane import Item
from kigeon.senders.loki.known import KnownStreams, size_of
from kigeon.senders.loki.streams import Stream

AT_ONCE = 64
"""Pushes that are planned at once."""

EAGERLY = 8
"""Streams of each push that are proven in pushes of their own while too many events are in doubt."""

Groups = dict[Stream, list[Item]]
Pushes = tuple[list[list[Item]], list[Item]]
"""Pushes that may go side by side, and items to plan when these are answered."""


class PushComposer:
    """Composes pushes by what is *known* of one destination's streams."""

    def __init__(self, known: KnownStreams) -> None:
        self._known = known

    def compose(self, groups: Groups, now: float, is_calm: bool) -> Pushes:
        """Return the pushes for *groups*; unless *is_calm*, each stream that is not sure to be taken goes alone."""
        alone, riders, heavy = self._told_apart(groups, now)
        if not is_calm:
            alone += heavy.values()
            pushes, rest = split_at(alone, AT_ONCE)
            return ([self._riding(riders), *pushes] if riders else pushes), rest
        if alone:
            return self._sharing(riders, alone, [item for group in heavy.values() for item in group])
        return self._led(riders, heavy, now) if heavy else ([self._riding(riders)], [])

    def _told_apart(self, groups: Groups, now: float) -> tuple[list[list[Item]], Groups, Groups]:
        """Return streams to prove, streams that may ride along, and streams that may behind a heavier proven one."""
        riders: Groups = {}
        heavy: Groups = {}
        alone: list[list[Item]] = []
        for stream, group in groups.items():
            if not self._known.exists(stream, now) or not self._known.is_in_order(stream, group):
                alone.append(group)
            elif self._known.takes(self._known.levels(stream, size_of(group), now)):
                riders[stream] = group
            else:
                heavy[stream] = group
        if self._known.is_doubtful:
            oldest = nsmallest(EAGERLY, riders, key=lambda stream: self._known.state(stream).proven_at)
            alone += [riders.pop(stream) for stream in oldest]
        return alone, riders, heavy

    def _riding(self, riders: Groups) -> list[Item]:
        """Return one push of all *riders*; the stream with the oldest proof goes last."""
        last = min(riders, key=lambda stream: self._known.state(stream).proven_at)
        return push_of([*(group for stream, group in riders.items() if stream != last), riders[last]])

    @staticmethod
    def _sharing(riders: Groups, alone: list[list[Item]], rest: list[Item]) -> Pushes:
        """Put the first stream to prove behind the *riders* in one push; the others go alone."""
        first, *others = alone
        pushes, later = split_at(others, AT_ONCE)
        return [push_of([*riders.values(), first]), *pushes], [*rest, *later]

    def _led(self, riders: Groups, heavy: Groups, now: float) -> Pushes:
        """Put the heaviest stream last: lighter streams ride along, and the rest is planned later."""
        levels = {stream: self._known.levels(stream, size_of(group), now) for stream, group in heavy.items()}
        last = max(levels, key=lambda stream: sum(levels[stream]))
        led = [stream for stream in heavy if stream != last and self._known.takes(levels[stream], levels[last])]
        push = push_of([*riders.values(), *(heavy[stream] for stream in led), heavy[last]])
        rest = [group for stream, group in heavy.items() if stream != last and stream not in led]
        return [push], push_of(rest)


def push_of(groups: Sequence[list[Item]]) -> list[Item]:
    """Return one push of all *groups*, in their order."""
    return [item for group in groups for item in group]


def split_at(groups: list[list[Item]], most: int) -> Pushes:
    """Return a push for each of the first *most* groups, and the items of the others."""
    return groups[:most], push_of(groups[most:])
