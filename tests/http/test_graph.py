"""How the graph of a day is drawn."""

import xml.etree.ElementTree as ElementTree

from kigeon.http.graph import HEIGHT, graph


def test_a_graph_is_one_area_for_each_time_of_which_something_is_known() -> None:
    drawn = ElementTree.fromstring(graph([None, 5.0, 10.0, None, 0.001, 0.0], 'what "it" shows'))
    assert (drawn.get("role"), drawn.get("aria-label")) == ("img", 'what "it" shows')
    (path,) = drawn
    assert path.get("d") == f"M1 {HEIGHT}V31h1V2h1V{HEIGHT}zM4 {HEIGHT}V{HEIGHT - 1}h1V{HEIGHT}h1V{HEIGHT}z"


def test_of_nothing_nothing_is_drawn() -> None:
    assert list(ElementTree.fromstring(graph([None] * 10, "a"))) == []
    assert list(ElementTree.fromstring(graph([0.0] * 10, "a")))
