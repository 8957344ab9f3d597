"""What is kept of a payload by engines that take so many bytes of it, and have names of their own."""

import json
import math

from hypothesis import given
from hypothesis import strategies as st

from semsearch.vector_engines.payload import json_bytes, plain
from semsearch.vector_engines.protocol import Payload
from semsearch.vector_engines.requests import storable

_VALUES = st.text(max_size=300) | st.integers() | st.floats() | st.booleans() | st.lists(st.text(max_size=30))


def test_names_of_the_engine_are_left_to_it() -> None:
    assert plain({"id": "x", "title": "y"}, ("id", "vector")) == {"id_": "x", "title": "y"}


def test_numbers_that_are_none_are_left_out() -> None:
    assert plain({"a": math.nan, "b": math.inf, "c": 0.0, "d": 1}) == {"c": 0.0, "d": 1}


def test_the_longest_text_is_cut_and_short_ones_are_not() -> None:
    kept = plain({"path": "a/b.txt", "text": "\u00e4" * 1_000}, (), 500)
    assert kept["path"] == "a/b.txt"
    assert json_bytes(kept) in (499, 500)
    assert set(str(kept["text"])) == {"\u00e4"}


def test_what_cannot_be_cut_is_left_out() -> None:
    assert plain({"tags": ["x" * 100] * 10, "path": "a"}, (), 200) == {"path": "a"}


def test_names_alone_may_be_too_much() -> None:
    assert plain({"a" * 20: "", "b" * 20: ""}, (), 30) == {"b" * 20: ""}


@given(st.dictionaries(st.text(max_size=20), _VALUES, max_size=8), st.integers(50, 1_500))
def test_every_payload_fits(payload: Payload, most: int) -> None:
    kept = plain(payload, (), most)
    assert len(json.dumps(kept, ensure_ascii=False).encode()) <= most
    for name, value in kept.items():
        given_value = storable(payload)[name]
        if isinstance(value, str):
            assert len(value) <= len(str(given_value))
        elif not isinstance(value, list):
            assert value == given_value


def test_names_that_become_one_are_told_apart() -> None:
    assert plain({"id": "a", "id_": "b", "x\0": "c", "x\ufffd": "d"}, ("id",)) == {
        "id_": "a", "id__2": "b", "x\ufffd": "c", "x\ufffd_2": "d",
    }  # fmt: skip
