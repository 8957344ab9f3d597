"""How rows are cut, made fit to be stored, and what is told of a failure."""

from hypothesis import given
from hypothesis import strategies as st

from semsearch.vector_engines.requests import one_line, slices, storable


@given(st.integers(0, 50), st.integers(1, 20))
def test_slices_are_the_whole_in_order(length: int, most: int) -> None:
    parts = [list(range(length))[part] for part in slices(length, most)]
    assert [row for part in parts for row in part] == list(range(length))
    assert all(0 < len(part) <= most for part in parts)


@given(st.dictionaries(st.text(), st.one_of(st.text(st.characters()), st.lists(st.text(st.characters())), st.floats())))
def test_what_is_stored_can_be_sent(payload: dict[str, str | int | float | bool | list[str]]) -> None:
    fit = storable(payload)
    assert fit.keys() == payload.keys()
    for value in fit.values():
        texts = value if isinstance(value, list) else [value] if isinstance(value, str) else []
        assert all("\0" not in text and text.encode() is not None for text in texts)  # no half of a pair either


def test_a_message_is_one_line_without_secrets() -> None:
    assert one_line("a\n  b key\tkey", ["key", ""]) == "a b *** ***"
    assert len(one_line("x" * 1_000)) == 300
