"""Moves a queue from one end to the other, in steps each of which may be the last: a move that was killed is repeated.

1. The source is marked as leaving, and no kigeon runs on it.
2. The target is marked as arriving; what an earlier try left there is deleted.
3. Each stream is copied: sequences, times, headers, payloads.
4. All that the source holds is read at both ends, and is the same.
5. The source is marked as moved: it is not the valid end any more, and no kigeon runs on either.
6. The target is marked as the place where the queue is.

What has to be done is decided by :mod:`kigeon.move.deciding`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from kigeon.backoff import Backoff
from kigeon.clock import stamp
from kigeon.config.settings import QueueSettings
from kigeon.errors import KigeonError, MoveRefused, QueueError
from kigeon.leases.member import TIMING
from kigeon.move.copying import Compared, Differs, as_request, compare_stream, copy_stream, delete_stream
from kigeon.move.deciding import Found, Plan, Step, undo
from kigeon.move.ends import ANSWER_WITHIN, End, streams_of
from kigeon.move.living import living_replicas
from kigeon.move.renaming import Renaming
from kigeon.move.settling import wait_for_replicas
from kigeon.queue.broker.connection import queue_errors
from kigeon.queue.broker.mark import MARK_KEY, Mark, MoveState
from kigeon.queue.broker.scan import stream_state
from kigeon.queue.broker.stream_configs import config_of

log = logging.getLogger(__name__)

T = TypeVar("T")

PATIENCE = 30.0
"""Seconds for which each step is tried again, where the queue does not answer: a cluster elects in less."""

CURE = "repeat `kigeon move`, or give the move up with `kigeon move --undo`"

Told = Callable[[str, int, int], None]
"""What is told how far something is: in words, and how many bytes of how many."""


@dataclass(frozen=True, slots=True)
class Move:
    """The ends of a move, and what the target's streams are to look like. Whoever has it has opened both."""

    source: End
    target: End
    settings: QueueSettings
    told: Told
    patience: float = PATIENCE

    async def carry_out(self, plan: Plan) -> dict[str, Compared]:
        """Do what *plan* says; return what each of the target's streams holds.

        Raises :class:`MoveRefused`, or :class:`QueueError` where an end does not answer for long.
        """
        if plan.step is Step.FINISH:
            try:
                return await self._pass_on(plan, await self._settled())
            except Differs as error:
                log.warning("what came is not what was sent, it is copied anew", extra={"error": str(error)})
        leaving = self._mark(MoveState.LEAVING, plan, self.target)
        await self._insist("marking the source", lambda: self.source.put_mark(leaving))
        try:
            await self._refuse_living()
            await self._copy(plan)
            compared = await self._settled()
        except BaseException:
            await self._give_up(Found(self.source.place, leaving, True))
            raise
        return await self._pass_on(plan, compared)

    async def undo(self, source: Found, target: Found) -> None:
        """Have the source be the valid end again, and delete what came to the target; raises as :func:`undo`."""
        mark = undo(source, target)
        if mark.state is MoveState.MOVED:
            mark = replace(mark, state=MoveState.LEAVING)
            await self._insist("marking the source", lambda: self.source.put_mark(mark))
        if target.has_begun or (target.mark is not None and target.mark.id == mark.id):
            await self._insist("deleting what came", self.target.forget)
        before = Mark(MoveState.HERE, mark.follows, "", mark.at) if mark.follows else None
        await self._insist("marking the source", lambda: self.source.put_mark(before))

    async def _refuse_living(self) -> None:
        """Refuse where a kigeon runs on the source: it was there before the mark, which one that comes sees."""
        if self.source.address.external is None:
            return
        self.told("waiting for the leases of replicas to end", 0, 0)
        living = await self._insist("reading the leases", lambda: living_replicas(self.source.client, TIMING))
        if living:
            raise MoveRefused(f"{self.source.place}: a kigeon runs on it ({', '.join(living)}): stop all of them first")

    async def _copy(self, plan: Plan) -> None:
        arriving = self._mark(MoveState.ARRIVING, plan, self.source)
        await self._insist("preparing the target", lambda: self.target.begin(arriving))
        for name in await streams_of(self.source):
            config = await self._insist(f"copying {name}", partial(self._config, name, arriving))
            await self._insist(f"copying {name}", Copying(self, name, config))
            log.info("a stream was copied", extra={"stream": name, "to": config["name"]})

    async def _settled(self) -> dict[str, Compared]:
        """Return what both ends hold, durably; raises :class:`Differs`."""
        found = await self._compare()
        self.told("syncing", 0, 0)
        await self._insist("syncing the target", self.target.settle)
        for name, same in found.items():
            state = await self._insist(f"looking at {name}", partial(stream_state, self.target.client, name))
            if state.last_seq != same.last or state.messages < same.messages:
                raise Differs(
                    f"{name} ends with message {state.last_seq}, and has held {same.last} before it was synced"
                )
        return found

    async def _compare(self) -> dict[str, Compared]:
        """Return what both ends hold; raises :class:`Differs`."""
        found: dict[str, Compared] = {}
        for name in await streams_of(self.source):
            other = self.renaming.stream(name)
            await wait_for_replicas(self.target.client, other)
            same = found[other] = await self._insist(f"comparing {name}", partial(self._compare_one, name))
            told = {"stream": name, "messages": same.messages, "first": same.first, "last": same.last}
            log.info("a stream is the same at both ends", extra={**told, "digest": same.digest})
        more = [name for name in await streams_of(self.target) if name not in found]
        if more:
            raise Differs(f"{self.target.place} has streams that the source does not have: {', '.join(more)}")
        return found

    async def _compare_one(self, name: str) -> Compared:
        told = await self.progress(f"comparing {name}", name)
        return await compare_stream(self.source.client, name, self.target.client, self.renaming, told)

    async def _pass_on(self, plan: Plan, compared: dict[str, Compared]) -> dict[str, Compared]:
        """Make the target the valid end. From here on the move goes on, and is not given up."""
        mark = await self._insist("reading the source's mark", self.source.mark)
        if mark is None or mark.id != plan.id:
            raise MoveRefused(f"{self.source.place}: somebody else has undone this move, or moves it too")
        moved, here = self._mark(MoveState.MOVED, plan, self.target), self._mark(MoveState.HERE, plan, self.source)
        await self._insist("marking the source", lambda: self.source.put_mark(moved))
        await self._insist("marking the target", lambda: self.target.put_mark(here))
        log.info("the queue was moved", extra={"from": self.source.place, "to": self.target.place})
        return compared

    async def _give_up(self, source: Found) -> None:
        """Undo what was done, if the ends answer; else the marks stay, and whoever comes says so."""
        at_once = replace(self, patience=0.0)
        try:
            await at_once.undo(source, await found_at(self.target))
        except KigeonError as error:
            log.error("the move is not finished, and not undone", extra={"error": str(error), "cure": CURE})
        else:
            log.info("the move was given up, the source is as before")

    async def _config(self, name: str, arriving: Mark) -> dict[str, Any]:
        """Return what the copy of the stream *name* is to look like: nothing may leave it by age or size yet.

        What kigeon or an administrator has noted in the metadata goes along.
        """
        address, other = self.target.address, self.renaming.stream(name)
        with queue_errors(f"asking for {name}"):
            found = await self.source.client.jetstream(timeout=ANSWER_WITHIN).stream_info(name)
        notes = {key: text for key, text in (found.config.metadata or {}).items() if not key.startswith("_nats.")}
        notes.pop(MARK_KEY, None)
        if other == address.names.events:
            notes.update(self.target.metadata(arriving))
        wanted = config_of(other, self.settings, address)
        most = max(wanted.max_bytes or 0, found.state.bytes)
        return as_request(wanted.evolve(max_age=0, max_bytes=most, metadata=notes))

    async def progress(self, doing: str, name: str) -> Callable[[int], None]:
        """Return what notes that bytes of the source's stream *name* have been read."""
        total, read = int((await stream_state(self.source.client, name)).bytes), 0

        def told(more: int) -> None:
            nonlocal read
            read += more
            self.told(doing, min(read, total), total)

        told(0)
        return told

    @property
    def renaming(self) -> Renaming:
        """How the names of the one end become those of the other."""
        return Renaming(self.source.address.names, self.target.address.names)

    def _mark(self, state: MoveState, plan: Plan, other: End) -> Mark:
        return Mark(state, plan.id, other.place, stamp(time.time()), plan.follows)

    async def _insist(self, doing: str, action: Callable[[], Awaitable[T]]) -> T:
        """Try *action* for a while, where the queue does not answer."""
        backoff, until = Backoff(base=0.5, cap=5.0), time.monotonic() + self.patience
        while True:
            try:
                return await action()
            except QueueError as error:
                delay = backoff.failed(error.retry_after)
                if time.monotonic() + delay > until:
                    raise
                log.warning("the queue is away, trying again", extra={"doing": doing, "error": str(error)})
                await asyncio.sleep(delay)


async def found_at(end: End) -> Found:
    """Return an open end as it is; raises :class:`QueueError`."""
    return Found(end.place, await end.mark(), await end.holds(), await end.has_begun())


class Copying:
    """Copies one stream, as often as it is called."""

    def __init__(self, move: Move, name: str, config: Mapping[str, Any]) -> None:
        self._move = move
        self._name = name
        self._config = config
        self._failed = False

    async def __call__(self) -> None:
        """Try."""
        move, target, name = self._move, self._move.target.client, self._name
        if self._failed:
            # What an attempt has left; a cluster keeps it until it is deleted.
            await delete_stream(target.jetstream(timeout=ANSWER_WITHIN), str(self._config["name"]))
        self._failed = True
        told = await move.progress(f"copying {name}", name)
        await copy_stream(move.source.client, name, target, self._config, move.renaming, told)
