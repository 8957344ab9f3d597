from hypothesis import given
from hypothesis import strategies as st

from semsearch.lexical.analyzer import analyze_query
from semsearch.retrieval.snippets import SNIPPET_CHARACTERS, match_spans, snippet

EN = frozenset({"en"})


def keys(query: str) -> frozenset[str]:
    return frozenset(key.text for word in analyze_query(query, EN) for key in word)


def marked(text: str, query: str) -> list[str]:
    return [text[start:end] for start, end in match_spans(text, keys(query), EN)]


def test_the_window_is_where_the_words_are() -> None:
    text = "filler text here. " * 50 + "Keys are evicted when memory is full. " + "more filler. " * 50
    shown = snippet(text, keys("evict keys memory"), EN)
    assert "Keys are evicted when memory is full." in shown
    assert shown.startswith("…") and shown.endswith("…")
    assert len(shown) <= SNIPPET_CHARACTERS + 2


def test_matches_are_whole_words_by_their_stems() -> None:
    assert marked("Evicting keys; the key, monkey business", "evict the key") == ["Evicting", "keys", "key"]
    assert marked("東京の水道", "水道") == ["水道"]
    assert marked("nothing here", "zebra") == []


@given(st.text(max_size=600), st.text(max_size=30))
def test_a_snippet_is_one_line_of_the_text(text: str, query: str) -> None:
    shown = snippet(text, keys(query), EN)
    assert "\n" not in shown
    assert shown.strip("…") in " ".join(text.split()) or shown == ""
    assert len(shown) <= SNIPPET_CHARACTERS + 2
    for start, end in match_spans(shown, keys(query), EN):
        assert 0 <= start < end <= len(shown)


def test_front_matter_is_not_shown() -> None:
    text = "---\ntitle: Tide tables\n---\nThe tide turns at noon.\n"
    assert snippet(text, keys("tide tables"), EN) == "The tide turns at noon."
    assert snippet("---\ntitle: Tide\n---\n", keys("tide"), EN) == "--- title: Tide ---"
