"""Threads that go on in the context in which they were made."""

from contextvars import ContextVar
from queue import SimpleQueue

from kigeon.threads import ContextThread

NAME: ContextVar[str] = ContextVar("name", default="nobody")


def test_a_thread_has_the_context_of_its_maker() -> None:
    said: SimpleQueue[tuple[str, int]] = SimpleQueue()
    token = NAME.set("watcher")
    thread = ContextThread(lambda number: said.put((NAME.get(), number)), (7,), "reader")
    NAME.reset(token)
    thread.start()
    assert said.get(timeout=10) == ("watcher", 7)
    assert (thread.name, thread.daemon) == ("reader", True)
    assert thread.context[NAME] == "watcher"
    assert NAME.get() == "nobody"
