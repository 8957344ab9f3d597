from hypothesis import given
from hypothesis import strategies as st

from semsearch.retrieval.snippets import SNIPPET_CHARACTERS, match_spans, snippet

EN = frozenset({"en"})


def marked(text: str, query: str) -> list[str]:
    return [text[start:end] for start, end in match_spans(text, query, EN)]


def test_the_window_is_where_the_words_are() -> None:
    text = "filler text here. " * 50 + "Keys are evicted when memory is full. " + "more filler. " * 50
    shown = snippet(text, "evict keys memory", EN)
    assert "Keys are evicted when memory is full." in shown
    assert shown.startswith("…") and shown.endswith("…")
    assert len(shown) <= SNIPPET_CHARACTERS + 2


def test_matches_are_whole_words_by_their_stems() -> None:
    assert marked("Evicting keys; the key, monkey business", "evict the key") == ["Evicting", "keys", "key"]
    assert marked("東京の水道", "水道") == ["水道"]
    assert marked("nothing here", "zebra") == []


@given(st.text(max_size=600), st.text(max_size=30))
def test_a_snippet_is_one_line_of_the_text(text: str, query: str) -> None:
    shown = snippet(text, query, EN)
    assert "\n" not in shown
    assert shown.strip("…") in " ".join(text.split()) or shown == ""
    assert len(shown) <= SNIPPET_CHARACTERS + 2
    for start, end in match_spans(shown, query, EN):
        assert 0 <= start < end <= len(shown)


def test_front_matter_is_not_shown() -> None:
    text = "---\ntitle: Tide tables\n---\nThe tide turns at noon.\n"
    assert snippet(text, "tide tables", frozenset({"en"})) == "The tide turns at noon."
    assert snippet("---\ntitle: Tide\n---\n", "tide", frozenset({"en"})) == "--- title: Tide ---"
