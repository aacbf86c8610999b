"""Loaded by every Python process of a kigeon under test: at the step that ``KIGEON_CRASH`` names, everything is killed.

Actors are forked from the process that loads this, and are patched with it. ``KIGEON_CRASH`` is JSON: ``call`` is the
function, ``about`` a text that its arguments must hold, ``when`` is before or after, ``nth`` is which such call it is.
"""

import json
import os
import signal


def crash() -> None:
    """Kill the whole tree at once: stopped first, none of them can react to the end of another.

    This process ends with its own parents, and would leave those that come after them stopped for ever: they are last.
    """
    from kigeon.processes import descendants, parents

    root = int(os.environ["kigeon.root"])  # noqa: SIM112 - its name
    above: list[int] = []
    tree, pid = parents(), os.getpid()
    while pid not in (root, 0):
        pid = tree.get(pid, 0)
        above.insert(0, pid)
    others = [pid for pid in descendants(root) if pid not in (os.getpid(), *above)] + above
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in others:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue
    os.kill(os.getpid(), signal.SIGKILL)


class Step:
    """Crashes before or after the call whose turn it is."""

    def __init__(self, about: str, when: str, nth: int) -> None:
        self._about, self._when, self._nth = about, when, nth
        self._calls = 0

    def reached(self, when: str, arguments: object) -> None:
        """Crash, if this is the place."""
        if when == self._when and self._about in repr(arguments):
            self._calls += 1
            if self._calls == self._nth:
                crash()


def patch(call: str, step: Step) -> None:
    """Have *call* crash when its time has come."""
    import nats.js.client

    import actors.queue
    from kigeon.senders.engine import window

    # The way is freed for others as soon as some events can't go.
    window.MAX_WINDOW_EVENTS = 40
    owner: type = actors.queue.Queue if call == "_report" else nats.js.client.JetStreamContext
    original = getattr(owner, call)

    def at_once(self: object, *arguments: object, **more: object) -> object:
        step.reached("before", (arguments, more))
        result = original(self, *arguments, **more)
        step.reached("after", (arguments, more))
        return result

    async def waiting(self: object, *arguments: object, **more: object) -> object:
        step.reached("before", (arguments, more))
        result = await original(self, *arguments, **more)
        step.reached("after", (arguments, more))
        return result

    setattr(owner, call, at_once if call == "_report" else waiting)


if "KIGEON_CRASH" in os.environ:
    order = json.loads(os.environ["KIGEON_CRASH"])
    patch(order.pop("call"), Step(**order))
