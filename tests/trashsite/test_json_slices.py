"""The parts of a JSON text, exactly as they were sent."""

from __future__ import annotations

import json
from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from trashsite import json_slices

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.text(max_size=6), values, max_size=5), st.booleans(), st.booleans())
def test_each_member_of_an_object_is_told_with_its_text(
    sent: dict[str, object], is_ascii: bool, is_spacious: bool
) -> None:
    write = partial(json.dumps, ensure_ascii=is_ascii, separators=(" ,\n", "\t: ") if is_spacious else (",", ":"))
    found = dict(json_slices.members(f'[{write(sent)},{{"another":1}}]', 1))
    assert found == {name: write(value) for name, value in sent.items()}
