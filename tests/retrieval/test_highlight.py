"""Each hit shows its best sentence, a snippet around it, and as many lines around as were asked for."""

import pytest

from semsearch.retrieval.candidates import find_candidates
from semsearch.retrieval.highlight import highlighted, scored_sentences
from semsearch.retrieval.hit import Hit
from semsearch.retrieval.hydrate import ScoredCandidates, first_hits
from semsearch.retrieval.options import SearchOptions
from semsearch.retrieval.query_encoder import QueryEncoder
from semsearch.retrieval.sentence_scoring import TypedText
from semsearch.store.protocol import Snapshot
from tests.support.planning import Planner


@pytest.fixture
def shown(snapshot: Snapshot, planned: Planner):  # type: ignore[no-untyped-def]
    def shown(query: str, mode: str = "hybrid", **options: object) -> list[Hit]:
        plan = planned(query, mode=mode)
        found = find_candidates(snapshot, plan, None)
        asked = SearchOptions(mode=mode, **options)  # type: ignore[arg-type]
        hits = first_hits(snapshot, ScoredCandidates(found, found.scores), plan, asked, "")
        return highlighted(snapshot, hits, plan, asked)

    return shown


@pytest.mark.parametrize("mode", ["hybrid", "lexical", "dense"])
def test_the_best_sentence_is_marked_and_stands_in_the_snippet(shown, mode: str) -> None:  # type: ignore[no-untyped-def]
    hit = shown("prune the roses", mode)[0]
    assert hit.sentence is not None
    sentence = hit.text[slice(*hit.sentence)]
    assert sentence == "Prune the roses in early spring." and sentence in hit.snippet


def test_nothing_is_marked_that_was_not_asked_for(shown) -> None:  # type: ignore[no-untyped-def]
    assert all(hit.snippet == "" and hit.sentence is None for hit in shown("prune the roses", snippets=False))
    hit = shown("turn bolt 305", context=2)[0]
    matching = [line.text for line in hit.context if line.match]
    assert any("305" in line for line in matching) and len(hit.context) == len(matching) + 4
    numbers = [line.number for line in hit.context]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_every_sentence_of_every_text_is_scored(snapshot: Snapshot, encoder: QueryEncoder, planned: Planner) -> None:
    texts = ["Water the tomatoes. Prune the roses in spring.", "", "The ferry leaves at ten."]
    passages = [TypedText(text, "text") for text in texts]
    for mode in ("hybrid", "lexical"):
        scored = scored_sentences(snapshot, passages, planned("when are roses pruned", mode=mode), encoder)
        assert [texts[one.passage][one.start : one.end] for one, _ in scored] == [
            "Water the tomatoes.", "Prune the roses in spring.", "The ferry leaves at ten.",
        ]  # fmt: skip
        assert max(scored, key=lambda pair: pair[1])[0] == scored[1][0]
    assert scored_sentences(snapshot, [TypedText("", ""), TypedText("  ", "")], planned("roses"), encoder) == []
