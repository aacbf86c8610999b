"""The commands and options of the command line, with their help texts."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kigeon import __version__
from kigeon.cli.completion import SHELLS
from kigeon.config.quantities import parse_duration

COMMANDS = (
    "start",
    "check",
    "demo",
    "status",
    "dead-letter",
    "audit",
    "resend",
    "tail",
    "hook",
    "move",
    "completion",
    "support-bundle",
)

_DESCRIPTION = "kigeon exports Kubernetes Events to Grafana Loki, each occurrence once."
_EPILOG = "exit status: 0 after SIGTERM or SIGINT, 2 for a configuration that can't be used, 1 for anything else"


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Return the arguments; ``command`` is one of :data:`COMMANDS`. ``kigeon --config FILE`` is short for ``start``."""
    arguments = list(argv)
    if arguments and arguments[0].startswith("-") and arguments[0] not in ("-h", "--help", "--version"):
        arguments.insert(0, "start")
    return make_parser().parse_args(arguments)


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    parser = argparse.ArgumentParser(prog="kigeon", description=_DESCRIPTION, epilog=_EPILOG)
    parser.add_argument("--version", action="version", version=f"kigeon {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", title="commands")
    start = commands.add_parser("start", help="watch the cluster and send its Events", description=_DESCRIPTION)
    _add_config(start)
    credentials = "credentials; without it: the Pod's own, KUBECONFIG, ~/.kube/config"
    start.add_argument("--kubeconfig", type=Path, metavar="FILE", help=credentials)
    start.add_argument("--log-level", choices=("debug", "info", "warn", "error"), help="overrides global.logLevel")
    check = commands.add_parser("check", help="validate a configuration and print what would run")
    _add_config(check)
    connect = "also try the cluster's rights, each Loki (one sample line is sent), the volume and each hook"
    check.add_argument("--connect", action="store_true", help=connect)
    check.add_argument("--kubeconfig", type=Path, metavar="FILE", help=f"with --connect: {credentials}")
    check.add_argument("--json", action="store_true", help="print JSON")
    demo = commands.add_parser("demo", help="run without a cluster and Loki: lifelike Events on standard output")
    demo.add_argument("--events", type=_positive, default=200, metavar="N", help="how many events (default: 200)")
    rate = "events a second, 0 for all at once (default: 25)"
    demo.add_argument("--rate", type=_rate, default=25.0, metavar="R", help=rate)
    _add_operating(commands)
    _add_hook(commands)
    _add_move(commands)
    completion = commands.add_parser("completion", help="print what a shell needs to complete this command line")
    completion.add_argument("shell", choices=SHELLS, help='for example: eval "$(kigeon completion bash)"')
    _add_bundle(commands)
    return parser


def _add_operating(commands: Any) -> None:
    """Add the commands that ask a running kigeon."""
    status = commands.add_parser(
        "status", help="show the accounts of a running kigeon: what became of all that was received"
    )
    status.add_argument("--watch", action="store_true", help="keep the status on the screen until Ctrl-C")
    parked = commands.add_parser(
        "dead-letter", help="list, show, replay or drop what a running kigeon could not deliver"
    )
    actions = parked.add_subparsers(dest="action", required=True, metavar="{list,show,replay,drop}")
    listing = actions.add_parser("list", help="list what is parked, since when, and why")
    listing.add_argument("--sender", metavar="NAME", help="only dead letters of this sender")
    listing.add_argument("--all", action="store_true", help="a line for each dead letter, however many there are")
    show = actions.add_parser("show", help="show all that is known of some dead letters")
    show.add_argument("ids", nargs="+", metavar="ID", help="as `dead-letter list` shows it")
    replay = actions.add_parser("replay", help="send dead letters again, once")
    drop = actions.add_parser("drop", help="delete dead letters for good")
    for chosen in (replay, drop):
        chosen.add_argument("ids", nargs="*", metavar="ID", help="as `dead-letter list` shows it")
        chosen.add_argument("--all", action="store_true", help="all dead letters")
        chosen.add_argument("--sender", metavar="NAME", help="with --all: only dead letters of this sender")
    audit = commands.add_parser(
        "audit", help="account for every Event that the cluster lists now; exit 1 if one is unaccounted for"
    )
    audit.add_argument("--loki", action="store_true", help="also ask Loki what is missing or there twice")
    audit.add_argument("--all", action="store_true", help="a line for each Event, not only where something is wrong")
    resend = commands.add_parser("resend", help="send the events of some time again; Loki drops those that it has")
    resend.add_argument("--sender", required=True, metavar="NAME", help="the sender that is to send it")
    ago = "events that were stored within this time before now, for example 2h"
    resend.add_argument("--since", required=True, type=_ago, metavar="DURATION", help=ago)
    resend.add_argument("--until", type=_ago, metavar="DURATION", help="and until this time before now (default: now)")
    resend.add_argument("--namespace", metavar="N", help="only events of this namespace")
    late = "also events that Loki takes only as late lines; those that it holds already are there twice afterwards"
    resend.add_argument("--late", action="store_true", help=late)
    tail = commands.add_parser("tail", help="follow the events of a running kigeon, as kubectl get events shows them")
    _add_tail(tail)
    for command in (status, listing, show, replay, drop, audit, resend, tail):
        _add_config(command)
        command.add_argument("--json", action="store_true", help="print JSON")


def _add_hook(commands: Any) -> None:
    hook = commands.add_parser("hook", help="test a hook's script")
    actions = hook.add_subparsers(dest="action", required=True, metavar="{test}")
    test = actions.add_parser("test", help="run a hook as production does, and show what it does")
    test.add_argument("script", type=Path, metavar="SCRIPT", help="the Starlark script")
    events = test.add_mutually_exclusive_group()
    file = "Events, JSON or YAML (kubectl get events -o json); without it: a sample"
    events.add_argument("--event", type=Path, metavar="FILE", help=file)
    queue = "the last N events of a running kigeon (needs --config)"
    events.add_argument("--from-queue", type=_last, metavar="N", help=queue)
    test.add_argument("--config", type=Path, metavar="FILE", help="the configuration whose sender has this hook")
    test.add_argument("--sender", metavar="NAME", help="the sender; needed where the configuration has several")
    test.add_argument("--expect", type=Path, metavar="FILE", help="the expected results; exit 1 if one differs")
    test.add_argument("--json", action="store_true", help="print JSON")


def _add_move(commands: Any) -> None:
    described = "move the whole queue between the data directory and the JetStream that queue.url names"
    move = commands.add_parser("move", help=described)
    _add_config(move)
    to = "external: from global.dataDir to queue.url; embedded: from queue.url to global.dataDir"
    move.add_argument("--to", choices=("external", "embedded"), required=True, help=to)
    undo = "give up such a move that was not finished: the source is used again, what came to the target is deleted"
    move.add_argument("--undo", action="store_true", help=undo)
    move.add_argument("--json", action="store_true", help="print JSON")


def _add_bundle(commands: Any) -> None:
    bundle = commands.add_parser("support-bundle", help="write one file, without secrets, for somebody who is to help")
    _add_config(bundle)
    output = "the file to write (default: kigeon-support-<time>.tar.gz), - for standard output"
    bundle.add_argument("--output", type=Path, metavar="FILE", help=output)
    logs = "a file with kigeon's log (kubectl logs): its last lines are taken, instead of those that kigeon keeps"
    bundle.add_argument("--log", type=Path, metavar="FILE", help=logs)


def _add_tail(tail: argparse.ArgumentParser) -> None:
    """Add the flags that ``kubectl get events`` has, and ``--last``."""
    tail.add_argument("-n", "--namespace", metavar="NAME", help="only events of this namespace")
    tail.add_argument("-A", "--all-namespaces", action="store_true", help="events of all namespaces (the default)")
    tail.add_argument("-o", "--output", choices=("json", "wide", "name"), help="json: one Event per line")
    types = "only events of these types, for example Warning"
    tail.add_argument("--types", type=_names, metavar="TYPE,...", help=types)
    about = "only events about this object"
    tail.add_argument("--for", dest="involved", type=_involved, metavar="KIND/NAME", help=about)
    tail.add_argument("--no-headers", action="store_true", help="print no headers")
    last = "begin with the last N events (default: 10, at most 1000)"
    tail.add_argument("--last", type=_last, default=10, metavar="N", help=last)


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="the configuration file (YAML)")


def _positive(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError("must be a whole number, at least 1")
    return number


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _involved(text: str) -> str:
    kind, slash, name = text.partition("/")
    if not (kind and slash and name):
        raise argparse.ArgumentTypeError("must be a kind and a name, for example pod/web-1")
    return text


def _last(text: str) -> int:
    if not text.isdecimal() or int(text) > 1000:
        raise argparse.ArgumentTypeError("must be a whole number, at most 1000")
    return int(text)


def _rate(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1_000_000:
        raise argparse.ArgumentTypeError("must be a number between 0 and 1000000")
    return number


def _ago(text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError:
        raise argparse.ArgumentTypeError("must be a duration with a unit, for example 90m or 2h") from None
