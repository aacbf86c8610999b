import pytest
from hypothesis import given
from hypothesis import strategies as st

from kigeon.errors import KubernetesError, Unauthorized, Unreachable
from kigeon.kube.lines import WatchEvent
from kigeon.kube.reflector import PROBES, ListPage, Reflector, VerifyResume, Watch


def steady(low: float, high: float) -> float:
    """No jitter."""
    return (low + high) / 2


def listed(version: str = "100") -> Reflector:
    """Return a reflector that has listed."""
    reflector = Reflector(jitter=steady)
    reflector.page(version, "")
    return reflector


def line(version: str, kind: str = "ADDED") -> WatchEvent:
    return WatchEvent(kind, {"metadata": {"resourceVersion": version}}, b"{}")


def status(code: int, reason: str = "", **details: object) -> WatchEvent:
    return WatchEvent("ERROR", {"code": code, "reason": reason, "details": details}, b"{}")


def test_it_lists_in_pages_and_watches_from_the_lists_version() -> None:
    reflector = Reflector(jitter=steady)
    assert reflector.next().action == ListPage("")
    reflector.page("100", "more")
    assert reflector.next().action == ListPage("more")
    reflector.page("100", "")
    assert reflector.next().action == Watch("100")


def test_it_resumes_where_it_was_after_a_look_at_the_clusters_version() -> None:
    reflector = listed()
    reflector.line(line("101"))
    reflector.line(line("105", "BOOKMARK"))
    reflector.closed(2)
    assert reflector.next().action == VerifyResume()
    reflector.probed("107")
    assert reflector.next().action == Watch("105")


def test_a_version_of_an_earlier_run_is_looked_at_before_it_is_resumed() -> None:
    reflector = Reflector("500")
    assert reflector.next().action == VerifyResume()
    reflector.probed("500")
    assert reflector.next().action == Watch("500")


def test_a_cluster_that_went_back_in_time_is_listed() -> None:
    reflector = Reflector("500")
    reflector.probed("40")
    assert reflector.next().action == ListPage("")
    assert "went back" in reflector.relisted
    assert reflector.cause == "went_back"


def doubting() -> Reflector:
    """Return a reflector whose last object was not there as it was, in the midst of the list."""
    reflector = Reflector("500", jitter=steady)
    reflector.probed("700", is_intact=False)
    assert reflector.next().action == ListPage("")
    reflector.page("700", "more")
    return reflector


def test_after_a_list_for_a_doubt_it_watches_from_where_it_was() -> None:
    """What was written more than once since then, the list showed once."""
    reflector = doubting()
    assert "seen last" in reflector.relisted
    assert reflector.cause == "object_gone"
    assert reflector.version_after_list("700") == "500"
    reflector.page("700", "")
    assert reflector.next().action == Watch("500")
    reflector.line(line("501"))
    reflector.closed(1)
    reflector.probed("700")
    assert reflector.next().action == Watch("501")


@pytest.mark.parametrize("status", [0, 400, 401, 403, 404, 405, 410, 429, 500, 503])
def test_a_check_that_fails_for_good_costs_a_list_and_never_the_watch(status: int) -> None:
    reflector = Reflector("500", jitter=steady)
    for failures in (PROBES, 1):
        for _ in range(failures):
            assert reflector.next().action == VerifyResume()
            reflector.probe_failed(KubernetesError("no", status, retry_after=3600))
            assert reflector.next().delay <= 60
        assert reflector.next().action == ListPage("")
        reflector.page("700", "")
        assert reflector.next().action == Watch("500")
        reflector.closed(0)
    reflector.probed("700")
    reflector.closed(0)
    reflector.probe_failed(KubernetesError("no", status))
    assert reflector.next().action == VerifyResume()


def test_while_the_api_server_is_away_nothing_is_listed() -> None:
    reflector = Reflector("500", jitter=steady)
    for _ in range(20):
        reflector.probe_failed(Unreachable("connection refused"))
        assert reflector.next().action == VerifyResume()
    reflector.probed("500")
    assert reflector.next().action == Watch("500")


def test_where_the_list_fares_no_better_the_check_is_made_again() -> None:
    reflector = Reflector("500", jitter=steady)
    for _ in range(3):
        for _ in range(PROBES):
            reflector.probe_failed(KubernetesError("away", 503))
        assert reflector.next().action == ListPage("")
        reflector.failed(KubernetesError("away", 503))
    assert reflector.next().action == VerifyResume()
    reflector.probed("500")
    assert reflector.next().action == Watch("500")


def test_where_that_has_expired_the_list_is_not_made_twice() -> None:
    reflector = doubting()
    reflector.page("700", "")
    reflector.failed(KubernetesError("gone", 410))
    step = reflector.next()
    assert step.action == VerifyResume()
    assert step.delay > 0
    reflector.probed("700")
    assert reflector.next().action == Watch("700")
    reflector.failed(KubernetesError("gone", 410))
    assert reflector.next().action == ListPage("")


def test_a_list_for_a_doubt_that_expires_is_begun_anew() -> None:
    reflector = doubting()
    reflector.failed(KubernetesError("gone", 410))
    assert reflector.next().action == ListPage("")
    reflector.page("710", "")
    assert reflector.next().action == Watch("500")


def test_a_cluster_that_goes_back_during_a_list_for_a_doubt_is_watched_from_the_list() -> None:
    reflector = doubting()
    reflector.page("90", "")
    assert reflector.next().action == Watch("90")


@pytest.mark.parametrize(
    "expire",
    [
        lambda reflector: reflector.failed(KubernetesError("gone", 410)),
        lambda reflector: reflector.line(status(410, "Expired")),
        lambda reflector: reflector.line(status(0, "Gone")),
    ],
)
def test_an_expired_version_leads_to_a_list(expire: object) -> None:
    reflector = listed()
    expire(reflector)  # type: ignore[operator]
    assert reflector.next().action == ListPage("")
    assert reflector.relisted


def test_an_expired_continue_token_begins_the_list_anew() -> None:
    reflector = Reflector()
    reflector.page("100", "more")
    reflector.failed(KubernetesError("gone", 410))
    assert reflector.next().action == ListPage("")


def test_a_list_that_is_watched_beside_is_gone_on_with() -> None:
    reflector = Reflector(jitter=steady)
    reflector.covered()
    for number in range(20):
        reflector.page("100", f"old {number}")
        reflector.failed(KubernetesError("gone", 410, continue_token=f"new {number}"))
        step = reflector.next()
        assert (step.action, step.delay) == (ListPage(f"new {number}"), 0.0)
    # Where it does not get on, it does not try at speed.
    reflector.failed(KubernetesError("gone", 410, continue_token="newer"))
    assert reflector.next().delay > 0
    reflector.listed_beside("150")
    assert reflector.next().action == Watch("150")
    assert not reflector.relisted


def test_without_a_watch_beside_it_a_list_is_begun_anew() -> None:
    """What changed before the place where it would be gone on with would be missed."""
    reflector = Reflector(jitter=steady)
    reflector.page("100", "old")
    reflector.failed(KubernetesError("gone", 410, continue_token="new"))
    assert reflector.next().action == ListPage("")


def test_failures_in_a_row_are_waited_for_ever_longer() -> None:
    reflector = listed()
    delays = []
    for _ in range(8):
        reflector.failed(KubernetesError("away", 503))
        delays.append(reflector.next().delay)
    assert delays == sorted(delays)
    assert delays[0] == pytest.approx(0.8)
    assert delays[-1] == pytest.approx(30.0)
    reflector.line(line("101"))
    reflector.failed(KubernetesError("away", 503))
    assert reflector.next().delay == pytest.approx(0.8)


def test_retry_after_is_honoured() -> None:
    reflector = listed()
    reflector.failed(KubernetesError("slow down", 429, retry_after=7))
    assert 7 <= reflector.next().delay < 8
    reflector.line(status(429, retryAfterSeconds=9))
    assert 9 <= reflector.next().delay < 10


@pytest.mark.parametrize("error", [Unauthorized("who?", 401), KubernetesError("no", 403)])
def test_credentials_are_read_again_when_they_are_refused(error: KubernetesError) -> None:
    reflector = listed()
    reflector.failed(error)
    assert reflector.next().refresh_credentials
    assert not reflector.next().refresh_credentials


def test_a_watch_that_brings_nothing_does_not_spin() -> None:
    reflector = listed()
    reflector.closed(0)
    assert reflector.next().delay > 0


INPUTS = st.sampled_from(
    ["page", "more", "probe", "old probe", "doubt", "line", "gone line", "error", "gone", "close", "silent"]
)


@given(st.lists(INPUTS, max_size=30))
def test_whatever_comes_it_never_watches_from_a_version_that_was_not_reached(inputs: list[str]) -> None:
    """And a failure is never followed by the next try at once."""
    reflector, reached, version = Reflector(), {""}, 100
    for given_input in inputs:
        version += 1
        action = reflector.next().action
        if isinstance(action, Watch):
            assert action.resource_version in reached
        failed = _feed(reflector, given_input, action, str(version))
        reached.add(reflector.resource_version)
        step = reflector.next()
        assert not failed or step.delay > 0
        if "gone" in given_input and failed:
            # After a list for a doubt, that list is new enough.
            assert step.action in (ListPage(""), VerifyResume())


def _feed(reflector: Reflector, given_input: str, action: object, version: str) -> bool:
    """Give an input that can follow *action*; return whether it was a failure."""
    if given_input in ("error", "gone") and isinstance(action, VerifyResume):
        reflector.probe_failed(KubernetesError("failed", 410 if given_input == "gone" else 503))
        return True
    if given_input in ("error", "gone"):
        reflector.failed(KubernetesError("failed", 410 if given_input == "gone" else 503))
        return True
    if isinstance(action, ListPage):
        reflector.page(version, "more" if given_input == "more" else "")
    elif isinstance(action, VerifyResume):
        reflector.probed("1" if given_input == "old probe" else version, given_input != "doubt")
    elif given_input == "gone line":
        return not reflector.line(status(410))
    elif given_input == "line":
        reflector.line(line(version))
    else:
        reflector.closed(0)
    return False
