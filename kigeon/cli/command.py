"""Runs the command that the arguments name and returns the exit status."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from kigeon.cli.parser import make_parser, parse
from kigeon.config.load import load_settings
from kigeon.config.settings import HookSettings, Settings
from kigeon.errors import ConfigurationError, HookLoadError, KigeonError
from kigeon.hooks.runner import check_script
from kigeon.observability.logs import configure
from kigeon.senders.registry import config_types

OK, FAILED, UNUSABLE = 0, 1, 2


def run(argv: Sequence[str] | None) -> int:
    """Do what *argv* says."""
    arguments = parse(sys.argv[1:] if argv is None else argv)
    commands: dict[str, Callable[[argparse.Namespace], int]] = {
        "start": _start,
        "check": _check,
        "demo": _demo,
        "status": _operate,
        "dead-letter": _operate,
        "audit": _operate,
        "resend": _operate,
        "tail": _tail,
        "hook": _hook,
        "move": _move,
        "completion": _completion,
        "support-bundle": _bundle,
    }
    try:
        return commands[arguments.command](arguments)
    except BrokenPipeError:
        # The reader has closed the pipe. Nothing more may be written, not even at the end of the process.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except ConfigurationError as error:
        for problem in error.problems:
            _complain(f"{error.source}:{problem}" if problem.line else f"{error.source}: {problem}")
        return UNUSABLE
    except KigeonError as error:
        _complain(f"kigeon: {error}")
        return FAILED


def load(path: Path) -> Settings:
    """Load a configuration file and its scripts; :class:`ConfigurationError` holds every problem of both."""
    return load_settings(path, config_types(), check_script=_problem_of)


def _problem_of(hook: HookSettings) -> str:
    try:
        check_script(hook)
    except HookLoadError as error:
        return str(error)
    return ""


def _start(arguments: argparse.Namespace) -> int:
    settings = load(arguments.config)
    if arguments.log_level:
        settings = replace(settings, global_=replace(settings.global_, log_level=arguments.log_level))
    configure(settings.global_.log_level, settings.global_.log_format, context={"actor": "root"})
    from kigeon.cli.start import run_start

    return run_start(settings, arguments.kubeconfig)


def _check(arguments: argparse.Namespace) -> int:
    from kigeon.cli.check import run_check

    settings = load(arguments.config)
    is_well = run_check(settings, arguments.connect, arguments.kubeconfig, arguments.json)
    return OK if is_well else UNUSABLE


def _demo(arguments: argparse.Namespace) -> int:
    if sys.stdout.isatty():
        from kigeon.cli.demo_screen import show_demo

        return show_demo(arguments.events, arguments.rate)
    from kigeon.cli.demo import run_demo

    return run_demo(arguments.events, arguments.rate)


def _operate(arguments: argparse.Namespace) -> int:
    from kigeon.cli.operate import operate

    return operate(load_settings(arguments.config, config_types()), arguments)


def _tail(arguments: argparse.Namespace) -> int:
    from kigeon.cli.tail import run_tail

    return run_tail(load_settings(arguments.config, config_types()), arguments)


def _hook(arguments: argparse.Namespace) -> int:
    from kigeon.cli.hook_test import run_hook_test

    try:
        return run_hook_test(arguments)
    except HookLoadError as error:
        _complain(str(error))
        return UNUSABLE


def _move(arguments: argparse.Namespace) -> int:
    settings = load_settings(arguments.config, config_types())
    configure(settings.global_.log_level, settings.global_.log_format, context={"actor": "move"})
    from kigeon.cli.move import move_queue

    return move_queue(settings, arguments)


def _completion(arguments: argparse.Namespace) -> int:
    from kigeon.cli.completion import run_completion

    return run_completion(make_parser(), arguments.shell)


def _bundle(arguments: argparse.Namespace) -> int:
    from kigeon.cli.bundle import run_bundle

    return run_bundle(load_settings(arguments.config, config_types()), arguments)


def _complain(text: str) -> None:
    sys.stderr.write(text + "\n")
