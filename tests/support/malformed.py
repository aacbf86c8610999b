"""Events of any shape that JSON can have."""

from __future__ import annotations

from hypothesis import strategies as st

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from(
    ["metadata", "involvedObject", "source", "series", "count", "reason", "message", "eventTime", "lastTimestamp"]
)
MALFORMED_EVENTS = st.dictionaries(KEYS, JSON)
