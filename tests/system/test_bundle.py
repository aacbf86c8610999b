"""``kigeon support-bundle``: one file that can be sent to someone, and no secret in it."""

import io
import json
import os
import re
import socket
import stat
import subprocess
import sys
import tarfile
from http.client import HTTPConnection
from pathlib import Path

import yaml

from kigeon import __version__
from kigeon.standin.apiserver import ApiServer
from tests.support.events import make_event
from tests.support.kigeon import Kigeon, loki_sender
from tests.support.loki import Loki
from tests.support.processes import wait_until

DIRECT, NAMED, HEADER = "marked-direct-password", "marked-password-of-the-environment", "marked-proxy-password"
HOOKED = "marked-password-of-a-hook"
MARK = re.compile(rb"marked|" + "|".join((DIRECT, NAMED, HEADER, HOOKED)).encode())


def bundle(kigeon: Kigeon, *more: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-P", "-m", "kigeon", "support-bundle", "--config", str(kigeon.config), *more]
    environ = {**os.environ, **kigeon.environ}
    return subprocess.run(command, capture_output=True, cwd=kigeon.folder, env=environ, timeout=60, check=False)


def free_address() -> str:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{found.getsockname()[1]}"


def is_ready(listen: str) -> bool:
    connection = HTTPConnection(listen, timeout=10)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def unpacked(data: bytes) -> dict[str, bytes]:
    """Return the files of a bundle, by their names below its one folder."""
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        found = {member.name.partition("/")[2]: archive.extractfile(member) for member in archive}
        return {name: file.read() for name, file in found.items() if file is not None}


def test_it_holds_what_helps_and_no_secret(tmp_path: Path, api: ApiServer, loki: Loki) -> None:
    script = tmp_path / "hook.star"
    password = f'    config["basicAuth"] = {{"username": "hook", "password": "{HOOKED}"}}\n'
    script.write_text(f"def transform(config, event):\n    print(config)\n{password}    return config\n")
    loki.credentials = ("kigeon", DIRECT)
    senders = [
        loki_sender(loki, "direct", basicAuth={"username": "kigeon", "password": DIRECT}),
        loki_sender(loki, "named", basicAuth={"username": "kigeon", "passwordEnvVar": "LOKI_PASSWORD"}),
        loki_sender(loki, "hooked", hook={"script": str(script)}),
    ]
    listen = free_address()
    kigeon = Kigeon(tmp_path / "run", api, senders, http={"listen": listen})
    kigeon.environ = {
        "LOKI_PASSWORD": NAMED,
        "HTTP_PROXY": f"http://user:{HEADER}@127.0.0.1:1",
        "NO_PROXY": "localhost,127.0.0.1",
    }
    kigeon.config.write_text(f"# {DIRECT}: a comment holds it too\n{kigeon.config.read_text()}")
    with kigeon:
        api.put_events([make_event(number) for number in range(5)])
        loki.wait_for(5)
        wait_until(lambda: len(kigeon.ask("status")["waits"]["named"]) == 1, what="a sender that is refused")
        wait_until(lambda: is_ready(listen), what="a kigeon that says that it is ready")
        done = bundle(kigeon, "--output", "bundle.tar.gz")
        assert (done.returncode, done.stderr) == (0, b"")
        path = kigeon.folder / "bundle.tar.gz"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        found = unpacked(path.read_bytes())
        assert kigeon.stop() == 0
    assert [name for name, content in found.items() if MARK.search(content)] == []
    assert not MARK.search(done.stdout)
    about = json.loads(found["about.json"])
    assert about["kigeon"] == __version__
    assert {"thespian", "kubernetes", "nats-py", "orjson"} <= about["packages"].keys()
    assert about["natsServer"]["version"].startswith("2.")
    config = yaml.safe_load(found["config.yaml"])
    assert [sender["config"]["basicAuth"] for sender in config["eventsenders"][:2]] == [
        {"username": "kigeon", "password": "***"},
        {"username": "kigeon", "passwordEnvVar": "LOKI_PASSWORD"},
    ]
    status = json.loads(found["status.json"])
    assert status["senders"]["direct"]["sent"] == 5
    assert status["waits"]["named"][0]["reason"] == "401 no org id"
    assert "kigeon_build_info{" in found["metrics.txt"].decode()
    assert found["health.txt"].startswith(b"# 200 /readyz?verbose\n")
    root = [json.loads(line) for line in found["log/root.log"].splitlines()]
    assert "kigeon starts" not in {line["message"] for line in root if line["level"] == "debug"}
    assert any(line["message"] == "nats-server started" for line in root)
    assert b"the destination takes nothing until an operator acts" in found["log/sender-named.log"]
    assert "jetstream" in {name.partition("/")[0] for name in json.loads(found["volume.json"])["files"]}


def test_it_is_written_of_a_kigeon_that_does_not_run_too(tmp_path: Path, api: ApiServer, loki: Loki) -> None:
    kigeon = Kigeon(tmp_path, api, [loki_sender(loki)])
    log = tmp_path / "kubectl.log"
    log.write_text("\n".join(f"line {number} " + "x" * 1000 for number in range(1000)) + "\n")
    done = bundle(kigeon, "--output", "-", "--log", str(log))
    assert (done.returncode, done.stderr) == (0, b"")
    found = unpacked(done.stdout)
    assert "no kigeon runs" in json.loads(found["status.json"])["error"]
    lines = found["log/kigeon.log"].splitlines()
    assert lines[-1].startswith(b"line 999 ")
    assert all(line.startswith(b"line ") for line in lines)
    assert len(found["log/kigeon.log"]) <= 256 * 1024


def test_a_file_that_is_there_is_not_written_over(tmp_path: Path, api: ApiServer, loki: Loki) -> None:
    kigeon = Kigeon(tmp_path, api, [loki_sender(loki)])
    done = bundle(kigeon, "--output", str(kigeon.config))
    assert done.returncode == 1
    assert b"can't be written: File exists (name another file with --output" in done.stderr
    done = bundle(kigeon, "--log", "gone.log")
    assert done.stderr == b"kigeon: gone.log can't be read: No such file or directory\n"
