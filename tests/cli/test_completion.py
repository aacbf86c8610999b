"""What a shell completes is what the parser knows."""

import subprocess
import sys

import pytest

from kigeon.cli.parser import COMMANDS


@pytest.fixture(scope="module")
def bash() -> str:
    return printed("bash")


def printed(shell: str) -> str:
    command = [sys.executable, "-P", "-m", "kigeon", "completion", shell]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["kigeon", ""], set(COMMANDS)),
        (["kigeon", "dead-letter", "re"], {"replay"}),
        (["kigeon", "check", "--con"], {"--config", "--connect"}),
        (["kigeon", "tail", "-o", ""], {"json", "wide", "name"}),
        (["kigeon", "completion", ""], {"bash", "zsh"}),
    ],
)
def test_bash_completes(bash: str, words: list[str], found: set[str]) -> None:
    quoted = " ".join(f"'{word}'" for word in words)
    script = (
        f"{bash}\nCOMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; "
        'f=$(complete -p kigeon | sed "s/.*-F \\([^ ]*\\).*/\\1/"); '
        f"$f kigeon '{words[-1]}' '{words[-2]}'; "
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert found <= set(done.stdout.split())


def test_files_are_completed_as_files(bash: str) -> None:
    assert "check___config_COMPGEN=_shtab_compgen_files" in bash
    assert "hook_test_pos_0_COMPGEN=_shtab_compgen_files" in bash


def test_zsh_is_given_a_function_of_its_own() -> None:
    zsh = printed("zsh")
    assert zsh.startswith("#compdef kigeon\n")
    assert all(command in zsh for command in COMMANDS)
