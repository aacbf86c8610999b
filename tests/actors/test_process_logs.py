"""What every record of an actor's process says of it, each in a process of its own, as actors are."""

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

MAKER = '''
import json, logging, os, pickle, socket, sys, tempfile, threading
from actors.base import CRASHED, crash
from actors.host import Host
from actors.messages import ChildSpec, Ping, Start, Stored, Supervise
from actors.places import Hosted
from kigeon.threads import ContextThread
from kigeon.operator import process
from kigeon.queue.broker.address import QueueAddress
from kigeon.operator.admin_socket import RequestContext
from actors.sender import Sender
from actors.supervisor import Supervisor
from actors.watcher import Watcher
from kigeon.config.settings import GlobalSettings, SenderSettings, Settings
from kigeon.observability.logs import configure

queue = QueueAddress("nats://127.0.0.1:1", "")


def run(form, body):
    """Run *body* in a process that is forked from one that logs as the root; return its status and its lines."""
    with tempfile.TemporaryFile() as log:
        pid = os.fork()
        if not pid:
            os.dup2(log.fileno(), 2)
            settings = Settings((SenderSettings("loki", "stdout"),), GlobalSettings("data", "info", form))
            configure("info", form, context={"actor": "root"})
            try:
                exec(body, {**globals(), "settings": settings, "form": form})
            except BaseException as error:
                sys.stderr.write(repr(error))
                os._exit(1)
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        log.seek(0)
        return status, log.read().decode().splitlines()


json.dump({name: run(*case) for name, case in json.load(sys.stdin).items()}, sys.stdout)
'''
"""Runs each of some cases, by name, in a child of its own: to import all that for each of them would take long."""

START_SENDER = """
class Quiet(Sender):
    async def work(self):
        pass

actor = Quiet({})
actor.receiveMsg_Start(Start(ChildSpec("sender/loki", "", sender=settings.senders[0]), settings, queue), None)
"""
START_RESIDENT = """
class Quiet(Watcher):
    async def work(self):
        pass

    def receiveMsg_Stored(self, message, sender):
        ContextThread(fail).start()
        threading.Event().wait(20)

sys.modules["quiet"] = type(sys)("quiet")
sys.modules["quiet"].Quiet = Quiet
actor = Host({})
spec = ChildSpec("watcher", "quiet.Quiet", pipeline=True)
actor.receiveMessage(Hosted("watcher", Start(spec, settings, queue)), None)
"""
FAIL = "def fail():\n    raise ValueError('no way')\n"
IN_A_THREAD = """
thread = threading.Thread(target=fail)
thread.start()
thread.join()
"""
ANSWER_AN_OPERATOR = """
def fail(connection):
    raise RuntimeError("no way")

context = os.memfd_create("context")
os.write(context, pickle.dumps(RequestContext(settings, queue, None)))
os.lseek(context, 0, os.SEEK_SET)
theirs, ours = socket.socketpair()
os.dup2(ours.fileno(), 0)
os.dup2(context, process.CONTEXT_DESCRIPTOR)
sys.argv = ["", str(os.getppid())]
process._read = fail
process.main()
"""
SUPERVISE = """
actor = Supervisor({})
actor._look = lambda: None
actor.receiveMsg_Supervise(Supervise(settings, queue, None, ()), None)
logging.getLogger("kigeon").warning("here")
"""
CASES = {
    "before its start": ("json", "Watcher({})\ncrash('no way')"),
    "a thread fails": ("json", f"{START_SENDER}{FAIL}{IN_A_THREAD}"),
    "a thread crashes": ("json", f"{START_SENDER}def fail():\n    crash('no way')\n{IN_A_THREAD}"),
    "a library logs": ("json", f"{START_SENDER}logging.getLogger('nats').error('no way')"),
    "a handler fails": ("json", f"{START_SENDER}Quiet.report = None\nactor.receiveMessage(Ping(1), None)"),
    "a resident's handler fails": (
        "json",
        f"{START_RESIDENT}Quiet.report = None\nactor.receiveMessage(Hosted('watcher', Ping(1)), None)",
    ),
    "a resident's thread fails": (
        "json",
        f"{START_RESIDENT}{FAIL}actor.receiveMessage(Hosted('watcher', Stored(1, 1, 1)), None)",
    ),
    "text": ("text", f"{START_SENDER}logging.getLogger('kigeon').warning('here')"),
    "supervisor": ("json", SUPERVISE),
    "operator": ("json", ANSWER_AN_OPERATOR),
}

Told = Callable[[str], tuple[int, dict[str, Any]]]


@pytest.fixture(scope="module")
def lines() -> dict[str, tuple[int, list[str]]]:
    """Return what each case ended with, and what it logged."""
    command = [sys.executable, "-P", "-c", MAKER]
    done = subprocess.run(command, input=json.dumps(CASES), capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, tuple[int, list[str]]] = json.loads(done.stdout)
    return found


@pytest.fixture
def told(lines: dict[str, tuple[int, list[str]]]) -> Told:
    """Return a case's exit status and its only line, read as JSON."""

    def of(case: str) -> tuple[int, dict[str, Any]]:
        status, (line,) = lines[case]
        return status, json.loads(line)

    return of


def test_a_crash_before_its_start_names_the_actor_and_not_who_made_it(told: Told) -> None:
    status, said = told("before its start")
    assert (status, said["actor"], said["reason"], "sender" in said) == (70, "watcher", "no way", False)


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ("a thread fails", "a thread failed"),
        ("a thread crashes", "no way"),
        ("a handler fails", "handling Ping failed"),
    ],
)
def test_a_sender_that_crashes_says_which_it_is(told: Told, case: str, reason: str) -> None:
    status, said = told(case)
    assert (status, said["actor"], said["sender"], said["reason"]) == (70, "sender/loki", "loki", reason)


@pytest.mark.parametrize(
    ("case", "reason"),
    [("a resident's handler fails", "handling Ping failed"), ("a resident's thread fails", "a thread failed")],
)
def test_one_that_shares_a_process_says_which_it_is_when_it_crashes(told: Told, case: str, reason: str) -> None:
    status, said = told(case)
    assert (status, said["actor"], said["reason"]) == (70, "watcher", reason)


def test_what_a_library_logs_says_whose_it_is(told: Told) -> None:
    status, said = told("a library logs")
    assert (status, said["actor"], said["sender"]) == (0, "sender/loki", "loki")


def test_text_says_it_too(lines: dict[str, tuple[int, list[str]]]) -> None:
    status, (line,) = lines["text"]
    assert status == 0
    assert line.endswith("kigeon: here actor=sender/loki sender=loki")


def test_the_supervisor_says_so(told: Told) -> None:
    status, said = told("supervisor")
    assert (status, said["actor"]) == (0, "supervisor")


def test_a_process_that_answers_an_operator_says_so(told: Told) -> None:
    status, said = told("operator")
    assert (status, said["actor"], said["message"]) == (0, "operator", "a request failed")
