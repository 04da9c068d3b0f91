"""Any JSON value, and when two of them are the same."""

from collections.abc import Collection
from typing import Any

from hypothesis import strategies as st

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def same_json(sent: Any, back: Any, nullable: Collection[str] = ()) -> bool:
    """Compare as JSON values: ``3.0`` is ``3``, ``true`` is not ``1``, a null optional field may be left out."""
    if isinstance(sent, dict) and isinstance(back, dict):
        missing = sent.keys() - back.keys()
        return (
            not back.keys() - sent.keys()
            and all(name in nullable and sent[name] is None for name in missing)
            and all(same_json(sent[name], back[name], nullable) for name in back)
        )
    if isinstance(sent, list) and isinstance(back, list):
        return len(sent) == len(back) and all(map(same_json, sent, back))
    return isinstance(sent, bool) == isinstance(back, bool) and bool(sent == back)
