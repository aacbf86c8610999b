"""Tests stand alone: what they share is in `tests/support/`, or beside them under a name that is no test's."""

import ast
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parent


def imported(path: Path) -> Iterator[str]:
    """Yield the dotted name of each module, and of each thing in it, that *path* imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def test_nothing_imports_a_test_module() -> None:
    paths = sorted(TESTS.rglob("*.py"))
    modules = {".".join(path.relative_to(TESTS.parent).with_suffix("").parts) for path in paths}
    tests = {module for module in modules if module.rpartition(".")[2].startswith(("test_", "conftest"))}
    assert len(tests) > 100
    found = {path.relative_to(TESTS): set(imported(path)) for path in paths}
    at_fault = {
        str(path): sorted(name for name in names if name in tests or name.rpartition(".")[0] in tests)
        for path, names in found.items()
    }
    assert {path: names for path, names in at_fault.items() if names} == {}
