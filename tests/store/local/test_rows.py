"""What a row holds is decoded where a writer can have put it there, and refused otherwise."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsearch.chunking.chunk import hash_of
from semsearch.sources.lines import breaks_in
from semsearch.store.local import rows


def chunk_row(text: str, line_breaks: str | None) -> dict[str, Any]:
    return {
        "chunk_id": 1, "text": text, "heading": "[]", "page": None, "line_start": 1, "line_end": 1, "tokens": 1,
        "line_breaks": line_breaks, "text_hash": hash_of((), text),
    }  # fmt: skip


STARTS = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 99)), min_size=1).map(sorted)


@given(st.text("ab\n", min_size=1, max_size=40), STARTS, st.integers(0, 40))
def test_lines_that_can_be_found_in_a_text_are_sound(text: str, starts: list[tuple[int, int]], begin: int) -> None:
    breaks = breaks_in(text, 1, starts, begin)
    written = json.dumps([number for pair in breaks for number in pair])
    assert rows.is_sound_chunk(chunk_row(text, written))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "value",
    ["[50,1,10,7]", "[4,1,3,7]", "[4]", "[0,5]", "[13,5]", "[-1,5]", "[4,0]", "[4,-2]", "[4,true]", "[4,1.5]", "{}",
     "4", "[", 7],
)  # fmt: skip
def test_lines_that_no_text_has_are_damage(value: str) -> None:
    text = "one\ntwo\nthree"
    assert rows.is_sound_chunk(chunk_row(text, None)) and rows.is_sound_chunk(chunk_row(text, "[4,20,12,9]"))  # type: ignore[arg-type]
    assert not rows.is_sound_chunk(chunk_row(text, value))  # type: ignore[arg-type]
