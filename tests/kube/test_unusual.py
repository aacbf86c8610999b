"""What neither an API server nor a kubeconfig should hold: it ends nothing, and tells no secret."""

from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kigeon.errors import KubernetesError, StartError, Unauthorized, UnreadableEvent
from kigeon.kube.access import ClusterAccess
from kigeon.kube.lines import LineSplitter, parse_line, parse_page
from kigeon.kube.reflector import ListPage, Reflector, Watch
from kigeon.kube.source import ClusterSource
from kigeon.standin.apiserver import ApiServer
from tests.support.kubeconfig import write_kubeconfig

DEEP = b'{"metadata":{"resourceVersion":"8"},"deep":' + b"[" * 300 + b"]" * 300 + b"}"
"""More levels than can be written again."""

SECRET = "s3cr3t"
PEM = f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----\n"
BASE64_PEM = f"LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0tCg{SECRET}"


def test_an_object_that_is_nested_too_deeply_is_skipped() -> None:
    page = parse_page(b'{"metadata":{"resourceVersion":"9"},"items":[%s,{"metadata":{}}]}' % DEEP)
    assert ([item for item, _ in page.items], page.unreadable) == ([{"metadata": {}}], 1)
    with pytest.raises(UnreadableEvent, match="too deeply"):
        parse_line(b'{"type": "ADDED", "object": %s}' % DEEP)


def test_a_list_without_a_version_is_an_error_and_not_listed_again_at_once() -> None:
    with pytest.raises(KubernetesError, match="no version"):
        parse_page(b'{"metadata":{"resourceVersion":""},"items":[]}')


@given(st.lists(st.binary(max_size=12).filter(lambda line: b"\n" not in line), max_size=8), st.data())
def test_which_lines_are_too_long_does_not_depend_on_the_cuts(lines: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(line + b"\n" for line in lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    splitter, found = LineSplitter(most=6), []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += splitter.feed(stream[start:end])
    assert found == [line for line in lines if len(line) <= 6 and line.strip()]
    assert splitter.too_long == sum(len(line) > 6 for line in lines)


@pytest.mark.parametrize("version", ["", "abc", "-1", "\u00b2", "\u0663", "9" * 5000, "0500"])
def test_a_version_that_is_not_lower_is_no_reason_to_list(version: str) -> None:
    reflector = Reflector("500")
    reflector.probed(version)
    assert reflector.next().action == Watch("500")


@given(st.integers(0, 10**30), st.integers(0, 10**30))
def test_versions_are_compared_as_numbers(reached: int, probed: int) -> None:
    reflector = Reflector(str(reached))
    reflector.probed(str(probed))
    assert reflector.next().action == (ListPage("") if probed < reached else Watch(str(reached)))


def test_lists_that_succeed_and_watches_that_fail_do_not_take_turns_at_speed() -> None:
    reflector = Reflector(jitter=lambda low, high: (low + high) / 2)
    delays = []
    for version in range(6):
        reflector.page(str(version), "")
        assert reflector.next().action == Watch(str(version))
        reflector.failed(KubernetesError("gone", 410))
        step = reflector.next()
        assert step.action == ListPage("")
        delays.append(step.delay)
    assert delays == pytest.approx([0.8, 1.6, 3.2, 6.4, 12.8, 25.6])


@pytest.mark.parametrize("text", [f"token: *{SECRET}", f"token: !{SECRET} x", f"token: !!int {SECRET}"])
def test_no_yaml_tells_where_it_is_wrong_but_not_what_stands_there(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(StartError, match=r"config can't be used as credentials: \w+Error") as caught:
        ClusterAccess(ClusterSource(path))
    assert SECRET not in str(caught.value)
    if "!!int" not in text:
        assert "line 1, column 8" in str(caught.value)


@pytest.mark.parametrize(
    "user",
    [
        *({"client-key": key, "client-certificate": "cert.pem"} for key in (PEM, BASE64_PEM)),
        *({"client-certificate": key} for key in (PEM, BASE64_PEM)),
        {"tokenFile": SECRET},
        {"auth-provider": {"name": "gcp", "config": {"access-token": SECRET, "expiry": SECRET}}},
        SECRET,
    ],
)
def test_a_secret_in_the_wrong_place_is_not_told(tmp_path: Path, user: object) -> None:
    (tmp_path / "cert.pem").touch()
    with pytest.raises(StartError) as caught:
        ClusterAccess(ClusterSource(write_kubeconfig(tmp_path / "config", "https://127.0.0.1:1", user)))
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    path = write_kubeconfig(tmp_path / "config", "https://127.0.0.1:1", {"client-certificate": "/nowhere/cert.pem"})
    with pytest.raises(StartError, match=r"does not exist: /nowhere/cert\.pem"):
        ClusterAccess(ClusterSource(path))


def test_a_token_that_no_header_may_hold_is_refused_without_being_told(tmp_path: Path) -> None:
    with ApiServer() as api:
        path = write_kubeconfig(tmp_path / "config", api.url, {"token": f"{SECRET}\u2026"})
        with pytest.raises(Unauthorized) as caught:
            ClusterAccess(ClusterSource(path)).read("/api/v1/events", {})
        assert SECRET not in str(caught.value)
        assert caught.value.__cause__ is None


@given(st.recursive(st.text(max_size=5), lambda inner: st.lists(inner, max_size=3), max_leaves=5))
def test_a_lines_bytes_are_its_object(value: object) -> None:
    event = {"metadata": {"resourceVersion": "7"}, "value": value}
    for line in (
        b'{"type":"MODIFIED","object":%s}' % orjson.dumps(event),
        b'{ "object": %s, "type": "MODIFIED" }' % orjson.dumps(event, option=orjson.OPT_INDENT_2).replace(b"\n", b""),
    ):
        parsed = parse_line(line)
        assert parsed.type == "MODIFIED"
        assert orjson.loads(parsed.raw) == parsed.object == event
