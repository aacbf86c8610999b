"""HTML is escaped unless it was made here."""

from hypothesis import given
from hypothesis import strategies as st

from kigeon.http.markup import Markup, escape, join, tag


def test_what_comes_from_elsewhere_is_text() -> None:
    assert tag("p", "<script>&\"'") == "<p>&lt;script&gt;&amp;&quot;&#39;</p>"
    assert tag("p", tag("b", "<"), " ", 3) == "<p><b>&lt;</b> 3</p>"
    assert tag("a", title='" onclick="x') == '<a title="&quot; onclick=&quot;x"></a>'


def test_attributes_are_named_as_in_python() -> None:
    assert tag("p", class_="a", aria_label="b", role=None) == '<p class="a" aria-label="b"></p>'


def test_nothing_is_escaped_twice() -> None:
    assert escape(escape("<")) == "&lt;"
    assert join("<", Markup("<br>")) == "&lt;<br>"


@given(st.text())
def test_no_text_ends_an_element_or_an_attribute(text: str) -> None:
    assert not set("<>\"'") & set(escape(text))
