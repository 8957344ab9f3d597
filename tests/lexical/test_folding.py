from hypothesis import given
from hypothesis import strategies as st

from semsearch.lexical.folding import folded


@given(st.text(max_size=60))
def test_folding_ends_and_leaves_no_optional_mark(text: str) -> None:
    for form in folded(text.lower()):
        assert form and form != text.lower()
