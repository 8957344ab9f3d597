"""Sentences of the index that could be queries: of the length of one, no headings, the same for the same seed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsearch.retrieval.query_sentences import has_query_length, held_out_queries, query_sentences
from semsearch.store.protocol import Snapshot


@pytest.mark.parametrize(
    ("text", "could"),
    [("Four words are enough.", True), ("Three words only.", False), ("12 34 56 78 90", False),
     ("こんにちは、世界の皆さん、今日は。", True), ("word " * 90, False), ("", False)],
)  # fmt: skip
def test_what_could_be_a_query(text: str, could: bool) -> None:
    assert has_query_length(text) is could


def test_headings_and_short_sentences_are_left_out() -> None:
    text = "# How the tide gate is closed\n\nThe tide gate closes by itself. Never mind. It opens again at low water."
    assert query_sentences(text) == ["The tide gate closes by itself.", "It opens again at low water."]


@given(st.text(max_size=200))
def test_they_are_pieces_of_the_text(text: str) -> None:
    for sentence in query_sentences(text):
        assert sentence in text and has_query_length(sentence)


def test_queries_are_drawn_from_the_index_by_the_seed(snapshot: Snapshot) -> None:
    queries = held_out_queries(snapshot, 12, seed=3)
    held = " ".join(one.text for one in snapshot.passages(snapshot.encoded_ids().tolist()))
    assert len(queries) == 12 and all(query in held for query in queries)
    assert held_out_queries(snapshot, 12, seed=3) == queries
    assert held_out_queries(snapshot, 12, seed=4) != queries
    assert len(held_out_queries(snapshot, 100_000)) <= len(snapshot.encoded_ids())
