"""``kigeon check`` prints what would run with a configuration; ``--connect`` also tries what the file names."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

import orjson

from kigeon.cli.asking import ProgressLine
from kigeon.cli.describe import describe
from kigeon.cli.table import paragraph
from kigeon.cli.terminal import Look, look_of
from kigeon.config.settings import Settings
from kigeon.finding import Finding

CONNECTING = "trying the cluster, the volume and each sender …"


def run_check(settings: Settings, connects: bool, kubeconfig: Path | None, as_json: bool) -> bool:
    """Print what would run, and the findings where it *connects*; return whether every finding is well."""
    findings = _connect(settings, kubeconfig) if connects else []
    if as_json:
        told = {"valid": True, "checks": [asdict(finding) for finding in findings]}
        sys.stdout.write(orjson.dumps(told, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode())
    else:
        look = look_of(sys.stdout)
        sys.stdout.writelines(f"{line}\n" for line in described(describe(settings), look))
        if findings:
            sys.stdout.writelines(f"{line}\n" for line in finding_lines(findings, look))
    return all(finding.is_well for finding in findings)


def described(text: str, look: Look) -> Iterator[str]:
    """Yield the lines of a description, each a word and what is said of it; wrapped on a terminal."""
    for line in text.splitlines():
        title, gap, said = line.rpartition("  ") if line.count("  ") else ("", "", "")
        yield from paragraph(title + gap, said, look, 0) if said and look.width else [line]


def _connect(settings: Settings, kubeconfig: Path | None) -> list[Finding]:
    # The kubernetes package takes a while to load, so only this function loads it.
    from kigeon.checks.connect import connect

    # A finding tells what goes wrong; a log line would only repeat the finding.
    logging.disable(logging.CRITICAL)
    progress = ProgressLine()
    progress(CONNECTING)
    try:
        return list(connect(settings, kubeconfig))
    finally:
        progress.clear()
        logging.disable(logging.NOTSET)


def finding_lines(findings: Iterable[Finding], look: Look) -> Iterator[str]:
    """Yield the lines of each finding with its cure below, and at last how many checks failed."""
    listed = list(findings)
    width = max(len(finding.subject) for finding in listed) + 3
    yield ""
    for finding in listed:
        state = look.paint("ok    ", "green") if finding.is_well else look.paint("FAILED", "red", "bold")
        first, *rest = paragraph(finding.subject.ljust(width), finding.said, look, 9)
        yield f"{state}   {first[9:]}"
        yield from rest
        if finding.cure:
            yield from paragraph("cure: ", finding.cure, look, 9 + width)
    bad = sum(not finding.is_well for finding in listed)
    said = f"{bad} of {len(listed)} checks failed" if bad else f"all {len(listed)} checks are well"
    yield from ("", look.paint(said, "red" if bad else "green"))
