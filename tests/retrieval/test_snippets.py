from hypothesis import given
from hypothesis import strategies as st

from semsearch.lexical.analyzer import analyze_query
from semsearch.retrieval.snippets import SNIPPET_CHARACTERS, fragments, match_spans, snippet

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
    assert len(shown) <= SNIPPET_CHARACTERS


def test_matches_are_whole_words_by_their_stems() -> None:
    assert marked("Evicting keys; the key, monkey business", "evict the key") == ["Evicting", "keys", "key"]
    assert marked("東京の水道", "水道") == ["水道"]
    assert marked("nothing here", "zebra") == []


@given(st.text(max_size=600), st.text(max_size=30))
def test_a_snippet_is_one_line_of_the_text(text: str, query: str) -> None:
    shown = snippet(text, keys(query), EN)
    assert "\n" not in shown
    assert shown.strip("…") in " ".join(text.split()) or shown == ""
    assert len(shown) <= SNIPPET_CHARACTERS
    for start, end in match_spans(shown, keys(query), EN):
        assert 0 <= start < end <= len(shown)


def test_front_matter_is_not_shown() -> None:
    text = "---\ntitle: Tide tables\n---\nThe tide turns at noon.\n"
    assert snippet(text, keys("tide tables"), EN) == "The tide turns at noon."
    assert snippet("---\ntitle: Tide\n---\n", keys("tide"), EN) == "--- title: Tide ---"


def spans_of(text: str, *sentences: str) -> list[tuple[int, int]]:
    return [(text.index(one), text.index(one) + len(one)) for one in sentences]


def test_the_two_best_sentences_are_shown_in_their_order() -> None:
    text = (
        "First filler here. " * 20
        + "The tide turns at noon. "
        + "More filler. " * 40
        + "The ferry waits for it.\n"
        + "End. " * 90
    )
    shown = fragments(text, keys("tide"), EN, spans_of(text, "The ferry waits for it.", "The tide turns at noon."))
    assert "The tide turns at noon. … " in shown and "The ferry waits for it." in shown
    assert shown.startswith("…") and shown.endswith("…") and len(shown) <= SNIPPET_CHARACTERS
    alone = fragments(text, keys("tide"), EN, spans_of(text, "The tide turns at noon."))
    assert alone.startswith("…The tide turns at noon. More filler.") and " … " not in alone


def test_neighbours_are_shown_as_they_stand() -> None:
    text = "Filler. " * 50 + "The tide turns at noon.\nThe ferry waits for it. " + "Filler. " * 50
    for told in (
        ("The tide turns at noon.", "The ferry waits for it."),
        ("The ferry waits for it.", "The tide turns at noon."),
    ):
        shown = fragments(text, keys("tide"), EN, spans_of(text, *told))
        assert "The tide turns at noon. The ferry waits for it. Filler." in shown
        assert len(shown) > SNIPPET_CHARACTERS - 40, "the room is used"
    text = "Filler. " * 50 + "The ferry waits for it. Some fill. The tide turns at noon."
    shown = fragments(text, keys("tide"), EN, spans_of(text, "The tide turns at noon.", "The ferry waits for it."))
    assert shown.endswith("Filler. The ferry waits for it. Some fill. The tide turns at noon.") and len(shown) > 280


def test_of_a_long_sentence_the_part_with_the_words_is_shown() -> None:
    text = "so many words, " * 100 + "and the tide at the end, " + "so many words, " * 100 + "stop."
    shown = fragments(text, keys("tide"), EN, [(0, len(text))])
    assert "the tide at the end" in shown and len(shown) <= SNIPPET_CHARACTERS


def test_a_sentence_without_spaces_around_it_is_whole() -> None:
    best, other = "Python 是一种语言，写成 the end。", "再见 Python。"
    for text in ("前面。" * 200 + best + "后面。" * 100 + other, other + "前面。" * 90 + best + "后面。" * 200):
        shown = fragments(text, frozenset(), EN, spans_of(text, best, other))
        assert best in shown and other in shown and len(shown) <= SNIPPET_CHARACTERS
    best = "甲 " + "乙" * 400
    text = "前面。" * 20 + best
    assert fragments(text, frozenset(), EN, spans_of(text, best)).startswith("…甲 乙")


def test_a_word_that_fills_the_snippet_is_cut() -> None:
    text = "x" * 900
    assert len(snippet(text, frozenset(), EN)) == len(fragments(text, frozenset(), EN, [(100, 800)])) - 1
    assert len(fragments(text, frozenset(), EN, [(100, 800)])) == SNIPPET_CHARACTERS


@given(
    st.lists(st.text(alphabet="ab \n.é電", min_size=1, max_size=300), min_size=1, max_size=6),
    st.data(),
)
def test_fragments_are_parts_of_the_text(pieces: list[str], data: st.DataObject) -> None:
    text, spans, at = "".join(pieces), [], 0
    for piece in pieces:
        spans.append((at, at + len(piece)))
        at += len(piece)
    chosen = data.draw(st.lists(st.sampled_from(spans), min_size=1, max_size=2, unique=True))
    shown = fragments(text, keys("a"), EN, chosen)
    flat = " ".join(text.split())
    assert len(shown) <= SNIPPET_CHARACTERS and "\n" not in shown
    at = 0
    for part in shown.strip("…").split(" … "):
        at = flat.index(part.strip(), at) + len(part.strip())
