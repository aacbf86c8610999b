"""The roles of which each is held by one replica alone."""

from kigeon.roles import PIPELINE, roles_of, sender_role


def test_there_is_a_role_for_the_pipeline_and_one_for_each_sender() -> None:
    assert roles_of(["loki", "out"]) == (PIPELINE, sender_role("loki"), sender_role("out"))


def test_a_sender_that_is_called_like_the_pipeline_has_another_role() -> None:
    assert len(set(roles_of([PIPELINE, "sender.a", "a"]))) == 4
