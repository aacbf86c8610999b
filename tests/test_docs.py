"""What the documents name is what there is: files, classes, constants, streams, headers, floors, environments."""

import ast
import configparser
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from kigeon.leases import records
from kigeon.queue.broker import streams
from tests.support.names import NAMES

ROOT = Path(__file__).parent.parent
PAGES = {name: (ROOT / name).read_text() for name in ("docs/architecture.md", "CONTRIBUTING.md")}
ARCHITECTURE = PAGES["docs/architecture.md"]
SOURCES = sorted([*(ROOT / "kigeon").rglob("*.py"), *(ROOT / "actors").rglob("*.py")])
SUPPORT = sorted((ROOT / "tests" / "support").rglob("*.py"))
THESPIAN = {"ChildActorExited"}


def spans(page: str) -> set[str]:
    """Return what a page sets as code, blocks left out."""
    return set(re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", page, flags=re.DOTALL)))


def members(node: ast.ClassDef) -> Iterator[str]:
    for each in node.body:
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef):
            yield each.name
        elif isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name):
            yield each.target.id
        elif isinstance(each, ast.Assign):
            yield from (target.id for target in each.targets if isinstance(target, ast.Name))


def definitions() -> Iterator[str]:
    """Yield the name of every class, its methods, and every constant and function of a module."""
    for path in [*SOURCES, *SUPPORT]:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef):
                yield node.name
                yield from (f"{node.name}.{name}" for name in members(node))
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node.name
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                yield from (target.id for target in targets if isinstance(target, ast.Name))


@pytest.mark.parametrize("page", PAGES)
def test_every_path_that_it_names_is_there(page: str) -> None:
    named = {span for span in spans(PAGES[page]) if re.match(r"(kigeon|actors|tests|examples|docs|deploy|\.ci)/", span)}
    assert len(named) > 10
    assert sorted(name for name in named if not (ROOT / name).exists()) == []


@pytest.mark.parametrize("page", PAGES)
def test_every_class_and_constant_that_it_names_is_there(page: str) -> None:
    named = {
        span for span in spans(PAGES[page]) if re.fullmatch(r"[A-Z][a-z]+[A-Z]?\w*(\.\w+)?|[A-Z]{3,}(_[A-Z]+)*", span)
    }

    assert len(named) > 3
    assert sorted(named - set(definitions()) - THESPIAN) == []


@pytest.mark.parametrize("page", PAGES)
def test_its_links_lead_somewhere(page: str) -> None:
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", PAGES[page]):
        path = ((ROOT / page).parent / target).resolve() if target else ROOT / page
        assert path.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in headings}


def test_the_headers_are_all_of_those_that_are_written() -> None:
    used = {name for path in SOURCES for name in re.findall(r'"(Kigeon-[A-Z][A-Za-z-]+)"', path.read_text())}
    assert set(re.findall(r"^\| `(Kigeon-[\w-]+)`", ARCHITECTURE, re.MULTILINE)) == used


def test_the_streams_are_all_of_those_that_are_declared() -> None:
    named = set(re.findall(r"^\| `(kigeon-[\w<>-]+|KV_[\w-]+)`", ARCHITECTURE, re.MULTILINE))
    declared = {NAMES.events, NAMES.seen, NAMES.dead_letter, NAMES.outcomes}
    assert named == {*declared, NAMES.retry_stream("<sender>"), NAMES.state_stream}


def test_the_records_are_all_of_those_that_are_written() -> None:
    code = "".join(path.read_text() for path in SOURCES)
    used = {*re.findall(r'"((?:queue|namespaces)\.[a-z]+)"', code), f"{streams.POSITION_KEY}.<sender>"}
    used |= {f"{records.LEASE_KEY}.<id>", f"{records.ROLE_KEY}.<role>"}
    rows = ARCHITECTURE.partition("### Records")[2].partition("The **position**")[0]
    assert set(re.findall(r"^\| `([\w.<>]+)`", rows, re.MULTILINE)) == used


def test_the_floors_are_those_of_the_import_contract() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    layers = setup["importlinter:contract:floors"]["layers"].split("\n")
    drawn = ARCHITECTURE.partition("## The floors")[2].split("```")[1]
    shown = [re.split(r" {3,}", line)[0] for line in drawn.strip().splitlines()]
    assert shown == ["actors", *(layer.strip() for layer in layers if layer.strip())]


def test_the_glossary_is_in_order() -> None:
    rows = ARCHITECTURE.partition("## Glossary")[2]
    words = [word.strip("`").lower() for word in re.findall(r"^\| ([^|]+?) \|", rows, re.MULTILINE)[1:]]
    assert words == sorted(words)
    assert len(words) > 40


def test_every_tox_environment_is_explained() -> None:
    tox = configparser.ConfigParser()
    tox.read(ROOT / "tox.ini")
    environments = {section.removeprefix("testenv:") for section in tox.sections() if section.startswith("testenv:")}
    assert set(re.findall(r"^\| `tox -e (\w+)`", PAGES["CONTRIBUTING.md"], re.MULTILINE)) == environments


def test_what_runs_before_a_commit_is_what_tox_checks() -> None:
    tox = configparser.ConfigParser()
    tox.read(ROOT / "tox.ini")
    checked = [
        line
        for name in ("lint", "types", "imports")
        for line in tox[f"testenv:{name}"]["commands"].splitlines()
        if line.strip()
    ]
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert repository["repo"] == "local"
    assert {hook["language"] for hook in repository["hooks"]} == {"system"}
    assert not any(hook["pass_filenames"] for hook in repository["hooks"])
    assert [hook["entry"] for hook in repository["hooks"]] == checked
