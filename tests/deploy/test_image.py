"""What is in the image, and that it needs no more than it is given."""

import json
import signal
import subprocess

from tests.deploy.engine import IMAGE, LIMITS, Engine
from tests.deploy.pod import Pod, manifest
from tests.support.processes import wait_until

HARDENED = ("--read-only", "--cap-drop=ALL", "--security-opt", "no-new-privileges", "--network", "none", *LIMITS)


def inside(engine: Engine, script: str) -> str:
    """Return what a shell prints in a container that may do as little as the Pod's."""
    return engine.ask("run", "--rm", *HARDENED, "--entrypoint", "sh", IMAGE, "-c", script)


def test_it_is_nobody_s(engine: Engine) -> None:
    (image,) = json.loads(engine.ask("image", "inspect", IMAGE))
    assert image["Config"]["User"] == "65534:65534"
    assert image["Config"]["Entrypoint"] == ["env", "--block-signal=TERM", "--block-signal=INT", "kigeon"]
    assert inside(engine, "id -u; id -g").split() == ["65534", "65534"]


def test_it_may_write_to_its_volumes_alone(engine: Engine) -> None:
    # What an engine makes itself, on a file system of its own, is not the image's.
    places = "/bin /etc /home /lib /opt /root /sbin /srv /usr /var"
    script = f"find {places} -xdev -writable ! -type l 2>/dev/null; for place in / /opt/kigeon; do test -w $place; done"
    writable = engine.call(
        "run", "--rm", "--network", "none", *LIMITS, "--entrypoint", "sh", IMAGE, "-c", script
    ).stdout
    assert set(writable.split()) <= {"/var/lib/kigeon", "/var/tmp", "/var/lock"}
    assert "Read-only" in inside(engine, "touch /opt/kigeon/x 2>&1 || true")
    inside(engine, "touch /var/lib/kigeon/x /tmp/x")


def test_it_starts_from_bytecode_and_holds_nothing_that_installs(engine: Engine) -> None:
    loaded = inside(engine, "python -v -c 'import kigeon.cli.start, actors.system' 2>&1 | grep 'code object from'")
    compiled_now = [line for line in loaded.splitlines() if not line.endswith(".pyc'") and "site-packages" in line]
    assert "kigeon/cli/__pycache__/start." in loaded
    assert compiled_now == []
    assert "pip" not in inside(engine, "ls /opt/kigeon/bin /opt/kigeon/lib/python3*/site-packages").split()


def test_the_demo_shows_events_and_closes_with_the_accounts(engine: Engine) -> None:
    done = engine.call("run", "--rm", *HARDENED, IMAGE, "demo", "--events", "60", "--rate", "200")
    assert (done.returncode, done.stderr) == (0, "")
    *lines, accounts = done.stdout.splitlines()
    seen, repeated, sent = (int(part.split()[1]) for part in accounts.split(", "))
    assert seen == 60 == repeated + sent
    assert len(lines) == sent


def test_ctrl_c_ends_the_demo(engine: Engine) -> None:
    """The engine hands the signal on to PID 1."""
    command = [*engine.command, "run", "--rm", "--sig-proxy=true", *HARDENED, IMAGE, "demo", "--events", "100000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None
        demo.stdout.readline()
        demo.send_signal(signal.SIGINT)
        output, errors = demo.communicate(timeout=30)
    assert demo.returncode == 0, errors
    assert output.splitlines()[-1].startswith("seen ")


def test_the_configuration_that_is_deployed_is_valid(pod: Pod) -> None:
    pod.configure(manifest("configmap.yaml")["data"]["config.yaml"])
    status = pod.run("check", *pod.args[1:])
    output, errors = pod.output()
    assert (status, errors) == (0, "")
    assert "the configuration is valid" in output


def test_without_its_configuration_it_says_so(pod: Pod) -> None:
    assert pod.run() == 2
    wait_until(lambda: "/etc/kigeon/config.yaml" in "".join(pod.output()))


def test_without_a_cluster_it_says_what_it_looked_for(pod: Pod) -> None:
    pod.configure_senders({"name": "out", "type": "stdout"})
    assert pod.run() == 1
    assert "no cluster was found" in "".join(pod.output())


def test_a_volume_that_it_may_not_write_to_is_named_with_a_cure(pod: Pod) -> None:
    pod.configure_senders({"name": "out", "type": "stdout"})
    pod.reach(lambda path: (path.write_text(KUBECONFIG), path)[1])
    pod.volume.own("0:0", "755")
    assert pod.run() == 1
    assert "global.dataDir /var/lib/kigeon/data can't be used" in "".join(pod.output())


KUBECONFIG = """
current-context: none
clusters: [{name: none, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: none, user: {token: none}}]
contexts: [{name: none, context: {cluster: none, user: none}}]
"""
