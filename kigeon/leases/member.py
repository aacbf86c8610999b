"""A replica among others, as long as it runs: renews its lease, watches the records, takes roles and gives them back.

What is done is decided by :mod:`kigeon.leases.keeper`. A lease that another has ended is followed by a new one, under a
new id, that holds nothing.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Coroutine
from contextlib import suppress
from dataclasses import replace
from typing import Any
from uuid import uuid4

from kigeon.clock import boot_time, stamp
from kigeon.errors import Fenced, QueueError
from kigeon.leases.keeper import End, Forget, GiveBack, Keeper, Step, Take, Timing
from kigeon.leases.records import Found, Replica, Role, View
from kigeon.leases.registry import Registry
from kigeon.leases.standing import Standing
from kigeon.throttle import Limited

log = logging.getLogger(__name__)
few = Limited(log)

AGAIN = 0.2
"""Seconds from an attempt that failed to the next one."""

FAILS_FOR = 60.0
"""Seconds after it was said last for which a role counts as one that does not run here; then it may be tried again."""

LOOK_EVERY = 0.5
"""Seconds between two looks at whether the API server answers."""


TIMING = Timing()
"""What holds for every replica: one that waits for less than another holds on would take over too early."""


class Member:
    """Owned by one event loop. *tell* is called from it with each new standing.

    *sees* says whether the API server answers, when it is asked whether that matters.
    """

    def __init__(
        self,
        registry: Registry,
        me: Replica,
        tell: Callable[[Standing], None],
        sees: Callable[[bool], bool | None] = lambda matters: None,
        timing: Timing = TIMING,
    ) -> None:
        self._registry = registry
        self._tell = tell
        self._sees = sees
        self._timing = timing
        self._keeper = Keeper(me, timing)
        self._revision = self._beat = 0
        self._changed = asyncio.Event()
        self._hurry = asyncio.Event()
        self._seen = False
        self._shown_at = 0.0
        self._writing = asyncio.Lock()
        self._told: Standing | None = None
        self._failed_at: dict[str, float] = {}

    async def run(self) -> None:
        """Take part until cancelled."""
        while True:
            try:
                await self._begin()
                await _together(self._renew(), self._watch(), self._act(), self._look())
            except Fenced as error:
                log.error(
                    "another replica has ended this replica's lease, it takes part under a new one",
                    extra={"error": str(error)},
                )
                self._restart()

    def stopped(self, role: str, revision: int) -> None:
        """Note that no actor of *role* runs here any more that began when it was taken as *revision*."""
        self._keeper.stopped(role, revision)
        self._changed.set()

    def fails(self, role: str) -> None:
        """Note that the actors of *role* do not keep running here: another replica may have more luck."""
        is_news = role not in self._failed_at
        self._failed_at[role] = boot_time()
        if is_news:
            self._note_failing()

    def _note_failing(self) -> None:
        """Have it known at once where that changes what fails here."""
        now = boot_time()
        self._failed_at = {role: at for role, at in self._failed_at.items() if now - at < FAILS_FOR}
        if set(self._keeper.me.fails) != self._failed_at.keys():
            self._keeper.failing(self._failed_at)
            self._hurry.set()

    def leave(self) -> None:
        """Give every role back as soon as its actors have ended, and take none."""
        self._keeper.leave()
        self._hurry.set()
        self._changed.set()

    async def end(self) -> None:
        """End the lease for good: whatever it still holds is another's at once. No actor runs here any more."""
        # Not released: it is not to be renewed any more.
        await self._writing.acquire()
        lease = replace(self._keeper.me, beat=self._beat + 1, left=True)
        with suppress(QueueError, Fenced):
            await self._registry.write_lease(lease, self._revision)

    # ------------------------------------------------------------------------------------------------ one lease's life

    async def _begin(self) -> None:
        """Go on with the lease of an earlier life of the same id, if it has one that has not ended."""
        found = None
        while True:
            try:
                found = await self._registry.lease(self._keeper.me.id)
                break
            except QueueError as error:
                few.warning("the lease can't be read, trying again", extra={"error": str(error)})
                await asyncio.sleep(AGAIN)
        if found is not None and found.record.left:
            raise Fenced(f"the lease {found.record.id} has ended")
        self._revision, self._beat = (found.revision, found.record.beat) if found is not None else (0, 0)

    def _restart(self) -> None:
        me = replace(self._keeper.me, id=new_id(), since=stamp(time.time()), sees=None)
        is_leaving = self._keeper.is_leaving
        self._keeper = Keeper(me, self._timing)
        if is_leaving:
            self._keeper.leave()
        self._seen = False
        self._say()

    async def _renew(self) -> None:
        while True:
            self._hurry.clear()
            sent_at = boot_time()
            async with self._writing:
                self._beat += 1
                await self._write(replace(self._keeper.me, beat=self._beat))
            self._keeper.renewed(sent_at)
            self._changed.set()
            self._say()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), max(sent_at + self._timing.renew - boot_time(), 0.0))

    async def _write(self, lease: Replica) -> None:
        """Write the lease until it is known to be stored: an attempt that fails may have stored it."""
        while True:
            try:
                self._revision = await self._registry.write_lease(lease, self._revision)
                return
            except QueueError as error:
                few.warning("the lease can't be renewed, trying again", extra={"error": str(error)})
                await asyncio.sleep(AGAIN)

    async def _watch(self) -> None:
        while True:
            watch = self._registry.watch()
            self._shown_at = boot_time()
            try:
                while True:
                    self._note(await watch.next(self._timing.renew))
            except QueueError as error:
                few.warning("the other replicas can't be seen, trying again", extra={"error": str(error)})
                await asyncio.sleep(AGAIN)
            finally:
                await watch.close()

    def _note(self, view: View) -> None:
        """Note what was seen. This replica's own renewals are: where they are not, nothing is."""
        now = boot_time()
        if self._keeper.me.id in view.replicas:
            self._seen, self._shown_at = True, now
        elif now - self._shown_at > self._timing.hold:
            self._shown_at = now
            raise QueueError("what is written is not seen")
        self._keeper.saw(view, now)
        self._changed.set()

    async def _act(self) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), self._timing.renew)
            self._changed.clear()
            if self._seen:
                await asyncio.gather(*map(self._do, self._keeper.steps(boot_time())))
            self._say()

    async def _look(self) -> None:
        """Note whether the API server answers, and have it known at once where that changes."""
        while True:
            before = self._keeper.me.sees
            sees = self._sees(self._keeper.should_look_at_cluster(boot_time()))
            if sees is not before:
                self._keeper.looked(sees)
                self._hurry.set()
            self._note_failing()
            await asyncio.sleep(LOOK_EVERY)

    # --------------------------------------------------------------------------------------------------------- one step

    async def _do(self, step: Step) -> None:
        try:
            if isinstance(step, End):
                await self._end_of(step)
            elif isinstance(step, Forget):
                await self._registry.forget(step.lease)
                self._keeper.forgot(step.lease)
            else:
                await self._pass(step)
        except Fenced:
            return  # Another was quicker: what it did will be seen.
        except QueueError as error:
            few.warning("a role can't be passed on, trying again", extra={"error": str(error)})

    async def _end_of(self, step: End) -> None:
        revision = await self._registry.write_lease(step.replica, step.revision)
        log.warning("a replica is gone", extra={"replica": step.replica.name, "lease": step.replica.id})
        self._keeper.saw(View({step.replica.id: Found(step.replica, revision)}), boot_time())
        self._changed.set()

    async def _pass(self, step: Take | GiveBack) -> None:
        takes, me = isinstance(step, Take), self._keeper.me
        role = Role(me.id, me.name, stamp(time.time())) if takes else Role()
        before = self._keeper.holder_of(step.role).name
        revision = await self._registry.write_role(step.role, role, step.revision)
        self._keeper.wrote(step.role, Found(role, revision), boot_time())
        said = "this replica has taken a role" if takes else "this replica has given a role back"
        log.info(said, extra={"role": step.role, **({"from": before} if takes and before else {})})
        self._changed.set()

    def _say(self) -> None:
        keeper, now = self._keeper, boot_time()
        holders = {role: keeper.holder_of(role) for role in keeper.known_roles}
        running, giving, others = keeper.running(now), keeper.giving, len(keeper.others(now))
        expected = keeper.expected(now) if self._seen else frozenset()
        told = self._told
        number = told.number if told is not None else 0
        standing = Standing(number, keeper.me, keeper.until, running, giving, holders, others, expected)
        # A renewal that changes nothing else still changes until when.
        if standing != told:
            self._told = replace(standing, number=number + 1)
            self._tell(self._told)


def new_id() -> str:
    """Return an id that no lease has."""
    return uuid4().hex[:16]


async def _together(*work: Coroutine[Any, Any, None]) -> None:
    """Run *work* side by side until one of it fails; raise that, the rest cancelled."""
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
    finally:
        await _cancel(tasks)


async def _cancel(tasks: Collection[asyncio.Task[None]]) -> None:
    """End *tasks*: one that waits for an answer which comes just then does not hear that it is cancelled."""
    while pending := [task for task in tasks if not task.done()]:
        for task in pending:
            task.cancel()
        await asyncio.wait(pending, timeout=0.05)
