"""The program of a hook's worker: ``python -I -S worker.py SITE_DIRECTORY PARENT_PID``.

The worker loads one script and calls its ``transform`` for each event that it receives. Loading is as dangerous as
calling (the parser folds constants), so both happen here, with little memory, no core dumps, no files, no network, and
a parent that kills a worker that does not answer. Starlark itself gives a script no files, no network and no clock.
"""

# This process is isolated: it has only the standard library and the starlark package, whose directory is an argument.
import ctypes
import os
import sys

# This comes before everything else is loaded: a worker that is still loading has to end with its parent, too.
ctypes.CDLL(None).prctl(1, 9, 0, 0, 0)

import json  # noqa: E402
import resource  # noqa: E402
import signal  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable  # noqa: E402
from typing import Any  # noqa: E402

MEMORY = 256 * 1024 * 1024
MAX_RESULT = 256 * 1024
MAX_PRINTS = 64
MAX_PRINTED = 1024
MAX_CALL_STACK = 50
PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38

_BEFORE = """
def kigeon_around(transform, config, event):
    result = transform(json.decode(config), json.decode(event))
    if result == None:
        return None
    if type(result) != "dict":
        fail("kigeon: transform must return the config (a dict) or None; it returned: " + type(result))
    return json.encode(result)

def kigeon_same(config):
    return json.encode(json.decode(config))

def kigeon_type_of(value):
    return type(value)
"""
"""Evaluated before the script, which may redefine names like ``type`` or ``json``.

Events are passed as JSON text, which is five times as fast as dicts.
"""

_AFTER = """
def kigeon_call(config, event):
    return kigeon_around(transform, config, event)

def kigeon_type():
    return kigeon_type_of(transform)

def kigeon_probe():
    transform(None, None, kigeon_probe = None)
"""
"""Evaluated after the script; holds the functions that the worker calls."""

_NOT_A_CONFIG = "fail: kigeon: transform must return"


Say = Callable[[bytes, bytes], None]
"""Sends a frame: its kind and its payload."""


class Expiry:
    """Says whether a call has used up its processor time (wall-clock time would count a busy machine against it).

    To ask for the time costs as much as a tenth of a short call. So it is counted from the first question, which the
    interpreter asks after its first thousand steps: less than a millisecond.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._deadline = 0.0
        self.expired = False

    def begin(self) -> None:
        """Begin to count."""
        self.expired = False
        self._deadline = 0.0

    def __call__(self) -> bool:
        """Return whether the time is up; the interpreter asks every thousand steps."""
        now = time.thread_time()
        self._deadline = self._deadline or now + self._timeout
        self.expired = now >= self._deadline
        return self.expired


class Script:
    """A loaded script. Raises the interpreter's errors when the script can't be loaded."""

    def __init__(
        self, name: str, source: str, config: str, timeout: float, say: Callable[[bytes, bytes], None]
    ) -> None:
        import starlark

        dialect = starlark.Dialect.extended()
        dialect.enable_f_strings = True
        dialect.enable_load = False  # a hook is one file: the worker could not read another
        extensions = starlark.Globals.extended_by([starlark.LibraryExtension.Json])
        module = starlark.Module()
        self._say = say
        self._prints = 0
        module.add_callable("print", self._print)
        self._expiry = Expiry(max(timeout, 5.0))
        self._expiry.begin()
        options = starlark.EvalOptions(check_cancelled=self._expiry, max_callstack_size=MAX_CALL_STACK)
        starlark.eval(module, starlark.parse("kigeon", _BEFORE, dialect), extensions)
        starlark.eval_with(options, module, starlark.parse(name, source, dialect), extensions)
        self._expiry = Expiry(timeout)
        self._options = starlark.EvalOptions(check_cancelled=self._expiry, max_callstack_size=MAX_CALL_STACK)
        try:
            starlark.eval(module, starlark.parse("kigeon", _AFTER, dialect), extensions)
            self._module = module.freeze()
            is_function = self._module.call("kigeon_type") == "function"
        except starlark.StarlarkError as error:
            raise ValueError("it defines no transform(config, event)") from error
        if not is_function:
            raise ValueError("transform is no function; define transform(config, event)")
        _probe_parameters(self._module, options)
        self._config = config
        self._same = self._module.call("kigeon_same", config)

    def transform(self, event: str) -> None:
        """Call transform with *event* and send the result."""
        self._prints = 0
        self._expiry.begin()
        try:
            result: Any = self._module.call_with(self._options, "kigeon_call", self._config, event).value
        except Exception as error:  # noqa: BLE001 - whatever a script can cause
            self._say(*self._failure(str(error)))
            return
        if result is None:
            self._say(b"N", b"")
        elif result == self._same:
            self._say(b"S", b"")
        elif len(result) > MAX_RESULT:
            self._say(b"V", f"the config that transform returned has {len(result)} bytes".encode())
        else:
            self._say(b"C", result.encode())

    def _failure(self, message: str) -> tuple[bytes, bytes]:
        if self._expiry.expired:
            return b"T", b""
        said = _without_traceback(message)
        if said.startswith(_NOT_A_CONFIG):
            return b"V", said.removeprefix("fail: kigeon: ").partition("\n")[0].encode()
        return b"F", said[:4096].encode("utf-8", "replace")

    def _print(self, *values: Any) -> None:
        self._prints += 1
        if self._prints <= MAX_PRINTS:
            self._say(b"P", " ".join(map(str, values))[:MAX_PRINTED].encode("utf-8", "replace"))


def _probe_parameters(module: Any, options: Any) -> None:
    """Raise ``ValueError`` unless transform takes two positional arguments.

    The interpreter can't list a function's parameters. So transform is called with two values and an argument by an
    unknown name. If it takes two values, the interpreter complains only of the unknown name, and runs nothing.
    (A transform that takes any name does run, with None; its result is ignored.)
    """
    try:
        module.call_with(options, "kigeon_probe")
    except Exception as error:
        said = _without_traceback(str(error))
        complaint = said.partition("\n")[0]
        if "--> kigeon:" in said and "kigeon_probe" not in complaint:
            raise ValueError(f"transform must take (config, event): {complaint}") from error


def _without_traceback(message: str) -> str:
    """Return an error's message and place, without the calls before them, which can be long."""
    _, found, said = f"\n{message}".partition("\nerror: ")
    return said if found else message


def limit(parent: int) -> None:
    """Set the limits of this process; end it if its *parent* is gone."""
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    # The parent may have set a lower limit for itself, which this process inherited.
    most = resource.getrlimit(resource.RLIMIT_DATA)[1]
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))


def main() -> None:
    """Serve until standard input ends."""
    sys.path.insert(0, sys.argv[1])
    import starlark  # noqa: F401 - before the limits: its library is a file

    limit(int(sys.argv[2]))
    source, sink = sys.stdin.buffer, sys.stdout.buffer

    def say(kind: bytes, payload: bytes) -> None:
        sink.write(len(payload).to_bytes(4, "big") + kind + payload)
        sink.flush()

    script = None
    while head := source.read(5):
        payload = source.read(int.from_bytes(head[:4], "big"))
        if head[4:] == b"E" and script is not None:
            script.transform(payload.decode())
        elif head[4:] == b"L":
            order = json.loads(payload)
            try:
                script = Script(order["name"], order["source"], order["config"], order["timeout"], say)
                say(b"R", b"")
            except Exception as error:  # noqa: BLE001 - whatever a script can cause
                say(b"X", _without_traceback(str(error))[:4096].encode("utf-8", "replace"))


if __name__ == "__main__":
    main()
