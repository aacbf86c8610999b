import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kigeon import __version__
from kigeon.cli.parser import make_parser, parse

Kigeon = Callable[..., "subprocess.CompletedProcess[str]"]

EXAMPLES = Path(__file__).parents[2] / "examples"
SENDER = "eventsenders:\n- name: loki\n  type: loki\n  config:\n    url: http://loki:3100\n"
CLUSTER = """
clusters: [{name: here, cluster: {server: "http://127.0.0.1:1"}}]
contexts: [{name: here, context: {cluster: here, user: ""}}]
current-context: here
"""
NO_CLUSTER = ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT")


@pytest.fixture
def kigeon(tmp_path: Path) -> Kigeon:
    """Run ``python -m kigeon`` in an empty folder, where no cluster can be found, until it ends."""
    home = tmp_path / "home"
    home.mkdir()
    environ = {key: value for key, value in os.environ.items() if key not in NO_CLUSTER and "LOKI" not in key}
    environ |= {"HOME": str(home), "COLUMNS": "80", "PYTHONPATH": str(EXAMPLES.parent)}

    def run(*arguments: str | Path, **more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "kigeon", *arguments]
        return subprocess.run(
            command, cwd=tmp_path, env={**environ, **more}, capture_output=True, text=True, timeout=60, check=False
        )

    return run


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "kigeon.yaml"
    file.write_text(f"global: {{dataDir: {tmp_path / 'data'}}}\n{SENDER}", "utf-8")
    return file


def test_version(kigeon: Kigeon) -> None:
    done = kigeon("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"kigeon {__version__}\n", "")


def test_help_is_what_the_parser_says(kigeon: Kigeon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    done = kigeon("--help")
    assert (done.returncode, done.stdout, done.stderr) == (0, make_parser().format_help(), "")
    for promised in ("start", "check", "demo", "--version", "exit status: 0"):
        assert promised in done.stdout


def test_the_short_form_is_start() -> None:
    options = ["--config", "a.yaml", "--kubeconfig", "k", "--log-level", "warn"]
    assert parse(options) == parse(["start", *options])
    assert parse([*options[2:], *options[:2]]) == parse(["start", *options])
    assert parse(["--config=a.yaml"]) == parse(["start", "--config", "a.yaml"])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "required: COMMAND"),
        (["watch"], "invalid choice: 'watch'"),
        (["start"], "required: --config"),
        (["check"], "required: --config"),
        (["--kubeconfig", "k"], "required: --config"),
        (["start", "--config", "a", "--log-level", "loud"], "invalid choice: 'loud'"),
        (["check", "--config", "a", "--log-level", "warn"], "unrecognized arguments: --log-level warn"),
        (["tail", "--config", "a", "--for", "web"], "argument --for: must be a kind and a name, for example pod/web-1"),
        (["tail", "--config", "a", "--last", "1001"], "argument --last: must be a whole number, at most 1000"),
        (["tail", "--config", "a", "-o", "yaml"], "invalid choice: 'yaml'"),
        (["hook"], "required: {test}"),
        (["hook", "test"], "required: SCRIPT"),
        (["hook", "test", "a", "--event", "b", "--from-queue", "1"], "--from-queue: not allowed with argument --event"),
        (["completion", "fish"], "invalid choice: 'fish'"),
        (["demo", "--events", "0"], "argument --events: must be a whole number, at least 1"),
        (["demo", "--events", "many"], "argument --events: must be a whole number, at least 1"),
        (["demo", "--rate", "-1"], "argument --rate: must be a number between 0 and 1000000"),
        (["demo", "--rate", "nan"], "argument --rate: must be a number between 0 and 1000000"),
        (["demo", "--rate", "fast"], "argument --rate: must be a number between 0 and 1000000"),
    ],
)
def test_arguments_that_mean_nothing(arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(arguments)
    assert ended.value.code == 2
    assert told in capsys.readouterr().err


def test_check_prints_what_would_run(kigeon: Kigeon, tmp_path: Path) -> None:
    (tmp_path / "hook.star").write_text("def transform(config, event):\n    return config\n")
    more = """\
    tenantID: shop
    encoding: json
    streamLabels: {cluster: eu-1}
    structuredMetadata: {level: level, pod: involved_object_name}
    basicAuth: {username: pigeon, passwordEnvVar: LOKI_PASSWORD}
    hook: {script: hook.star, onError: skip}
  filter: {namespaceSelector: {matchLabels: {team: web}}}
- name: out
  type: stdout
"""
    (tmp_path / "kigeon.yaml").write_text(SENDER + more)
    done = kigeon("check", "--config", "kigeon.yaml", LOKI_PASSWORD="hunter2")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "queue       /var/lib/kigeon/data: at most 500Mi, events kept 24h, remembered 60m",
        "log         info, json",
        "sender      loki (loki)",
        "  to        http://loki:3100, tenant shop, as pigeon",
        "  encoding  json",
        "  labels    cluster=eu-1, service_name=kigeon, namespace, type",
        "  metadata  level, pod (involved_object_name)",
        "  filter    namespaces team=web, without events about cluster-scoped objects",
        "  hook      hook.star, 0.1s for each event, on error: skip",
        "sender      out (stdout)",
        "the configuration is valid",
    ]


@pytest.mark.parametrize("name", ["minimal.yaml", "full.yaml"])
def test_check_accepts_the_examples(kigeon: Kigeon, name: str) -> None:
    done = kigeon("check", "--config", EXAMPLES / "config" / name)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("the configuration is valid\n")


def test_the_readme_of_the_examples_shows_what_check_prints(kigeon: Kigeon) -> None:
    readme = (EXAMPLES / "config" / "README.md").read_text("utf-8")
    done = kigeon("check", "--config", EXAMPLES / "config" / "minimal.yaml")
    assert f"$ kigeon check --config examples/config/minimal.yaml\n{done.stdout}```" in readme


@pytest.mark.parametrize("command", [["check"], ["start"], []])
def test_a_bad_file_ends_with_2_and_every_problem_on_stderr(kigeon: Kigeon, tmp_path: Path, command: list[str]) -> None:
    bad = SENDER.replace("http://loki:3100", "http://u:hunter2@loki") + "queue: {eventMaxAge: 1h}\nglobal: 7\n"
    (tmp_path / "bad.yaml").write_text(bad)
    done = kigeon(*command, "--config", "bad.yaml")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        "bad.yaml:5:5: eventsenders[0].config.url: must not hold credentials (put them into basicAuth)",
        "bad.yaml:6:9: queue.eventMaxAge: unknown key (did you mean `eventsMaxAge`?)",
        "bad.yaml:7:1: global: must be a mapping of keys to values",
    ]


@pytest.mark.parametrize("command", [["check"], ["start"], []])
def test_a_config_file_that_is_not_there(kigeon: Kigeon, command: list[str]) -> None:
    done = kigeon(*command, "--config", "gone.yaml")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "gone.yaml: (top level): the file can't be read: No such file or directory (give another with --config)\n"
    )


@pytest.mark.parametrize("command", [["check"], ["start"], []])
@pytest.mark.parametrize(
    ("script", "place", "message"),
    [
        ("def transform(config, event):\n    return (config\n", "line 2, column 19", "unexpected"),
        ("def transform(config, event):\n    x =\n    return x\n", "line 2, column 8", "unexpected"),
        ("x = 1\n", "it defines no transform", "transform(config, event)"),
        ("def transform(config, event):\n    return config\n\nfail('no way')\n", "line 4, column 1", "no way"),
    ],
)
def test_a_script_that_cant_be_loaded(
    kigeon: Kigeon, tmp_path: Path, command: list[str], script: str, place: str, message: str
) -> None:
    (tmp_path / "hook.star").write_text(script)
    (tmp_path / "kigeon.yaml").write_text(f"{SENDER}    hook: {{script: hook.star}}\n")
    done = kigeon(*command, "--config", "kigeon.yaml")
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("kigeon.yaml:6:12: eventsenders[0].config.hook.script: hook.star: " + place)
    assert message in line


@pytest.mark.parametrize("command", [["check"], ["start"]])
def test_what_is_wrong_with_a_script_is_told_with_the_rest(kigeon: Kigeon, tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "hook.star").write_text("def transform(config, event):\n    return (config\n")
    hook = "    hook: {script: hook.star, onerror: skip}\n"
    second = SENDER.replace("name: loki", "name: second").removeprefix("eventsenders:\n")
    document = f"global: {{logLevel: loud}}\n{SENDER}{hook}{second}    hook: {{script: hook.star}}\n"
    (tmp_path / "kigeon.yaml").write_text(document)
    done = kigeon(*command, "--config", "kigeon.yaml")
    assert done.returncode == 2
    assert [line.split(": ")[1] for line in done.stderr.splitlines()] == [
        "global.logLevel",
        "eventsenders[0].config.hook.script",
        "eventsenders[0].config.hook.onerror",
        "eventsenders[1].config.hook.script",
    ]


@pytest.mark.parametrize("command", [["start"], []])
def test_without_a_cluster_it_says_what_was_looked_for(kigeon: Kigeon, config: Path, command: list[str]) -> None:
    done = kigeon(*command, "--config", config, KUBECONFIG="nowhere/kubeconfig")
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("kigeon: no cluster was found")
    home = config.parent / "home" / ".kube" / "config"
    for looked_for in (
        "KUBERNETES_SERVICE_HOST is not set",
        "KUBECONFIG (nowhere/kubeconfig)",
        str(home),
        "--kubeconfig",
    ):
        assert looked_for in line
    assert "KUBECONFIG (not set)" in kigeon(*command, "--config", config).stderr


def test_a_kubeconfig_that_is_not_there_or_is_none(kigeon: Kigeon, config: Path, tmp_path: Path) -> None:
    done = kigeon("--config", config, "--kubeconfig", "gone")
    assert (done.returncode, done.stderr) == (1, "kigeon: --kubeconfig gone: there is no such file\n")
    (tmp_path / "none").write_text("users: [{name: a, user: {token: hunter2}}]\n")
    done = kigeon("--config", config, "--kubeconfig", "none")
    assert done.returncode == 1
    assert done.stderr.startswith("kigeon: none can't be used as credentials")
    assert "hunter2" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_that_was_blocked_while_python_began_is_heeded(config: Path, number: signal.Signals) -> None:
    """As in a container, where kigeon is PID 1: the signal waits for the handler."""
    code = f"import os, signal, kigeon.cli as cli; os.kill(os.getpid(), {number:d}); cli.main(['demo'])"
    block = ["env", "--block-signal=TERM", "--block-signal=INT", sys.executable, "-c", code]
    done = subprocess.run(block, cwd=EXAMPLES.parent, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, b"")


def test_a_nats_server_that_is_too_old_ends_the_start(config: Path, tmp_path: Path) -> None:
    (tmp_path / "kubeconfig").write_text(CLUSTER)
    arguments = ["start", "--config", str(config), "--kubeconfig", str(tmp_path / "kubeconfig")]
    code = f"""
import sys
from kigeon.queue.broker import binary
binary.OLDEST = (99, 1, 0)
from kigeon.cli import main
sys.exit(main({arguments!r}))
"""
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    said = done.stderr.splitlines()[-1]
    assert said.startswith("kigeon: nats-server 99.1 or newer is needed, but /")
    assert "pip install" in said
    assert not (tmp_path / "data" / "jetstream").exists()
