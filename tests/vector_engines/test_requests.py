"""How rows are cut, made fit to be stored, and what is told of a failure."""

import math

from hypothesis import given
from hypothesis import strategies as st

from semsearch.vector_engines.requests import best_chunks, chunk_named, one_line, slices, storable


@given(st.integers(0, 50), st.integers(1, 20))
def test_slices_are_the_whole_in_order(length: int, most: int) -> None:
    parts = [list(range(length))[part] for part in slices(length, most)]
    assert [row for part in parts for row in part] == list(range(length))
    assert all(0 < len(part) <= most for part in parts)


@given(st.dictionaries(st.text(), st.one_of(st.text(st.characters()), st.lists(st.text(st.characters())), st.floats())))
def test_what_is_stored_can_be_sent(payload: dict[str, str | int | float | bool | list[str]]) -> None:
    fit = storable(payload)
    assert len(fit) == sum(not isinstance(value, float) or math.isfinite(value) for value in payload.values())
    for name, value in fit.items():
        texts = [name, *(value if isinstance(value, list) else [value] if isinstance(value, str) else [])]
        assert all("\0" not in text and text.encode() is not None for text in texts)  # no half of a pair either


def test_a_message_is_one_line_without_secrets() -> None:
    assert one_line("a\n  b key\tkey", ["key", ""]) == "a b *** ***"
    assert len(one_line("x" * 1_000)) == 300


def test_numbers_that_no_database_holds_are_left_out() -> None:
    kept = {"a": 2**63 - 1, "b": -(2**63), "c": True, "d": 0.5}
    assert storable({**kept, "e": 2**63, "f": -(2**63) - 1, "g": float("inf"), "h": 16**5_000}) == kept


@given(st.integers(-(2**63), 2**63 - 1))
def test_the_name_of_a_chunk_is_its_number(chunk: int) -> None:
    assert chunk_named(str(chunk)) == chunk


@given(st.one_of(st.text(), st.sampled_from(["007", "+7", " 7", "1_0", "\u0663", "9" * 5_000, str(2**63), "-0", ""])))
def test_other_names_are_of_no_chunk(name: str) -> None:
    chunk = chunk_named(name)
    assert chunk is None or str(chunk) == name


@given(st.lists(st.one_of(st.none(), st.integers(0, 9)), max_size=60), st.integers(1, 20), st.integers(20, 80))
def test_rows_of_others_take_no_place(rows: list[int | None], k: int, most: int) -> None:
    asked = []

    def ask(limit: int) -> list[tuple[int | None, float]]:
        asked.append(limit)
        return [(chunk, 1.0) for chunk in rows[:limit]]

    found = [chunk for chunk, _ in best_chunks(ask, k, most)]
    assert found == [chunk for chunk in rows[:most] if chunk is not None][:k]
    assert max(asked) <= most and (None in rows or asked == [k])
