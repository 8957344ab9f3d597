"""Both legs' candidates are scored by both legs, fused, and ordered the same way however the index is cut."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from semsearch.indexing import IndexOptions, index_folders
from semsearch.retrieval.candidates import find_candidates, query_coverage
from semsearch.retrieval.fusion_weights import FusionWeights
from semsearch.retrieval.options import NO_EXPANSION, Expansion
from semsearch.retrieval.searcher import Searcher
from semsearch.store.protocol import Snapshot
from semsearch.store.records import Filters, Scores
from tests.support.folders import write
from tests.support.planning import Planner

MODES = ("hybrid", "dense", "lexical")


@pytest.mark.parametrize("mode", MODES)
def test_arrays_are_aligned_and_fall(snapshot: Snapshot, planned: Planner, mode: str) -> None:
    found = find_candidates(snapshot, planned("prune the roses in spring", mode=mode), None)
    assert len(found) > 0 and len(set(found.ids.tolist())) == len(found)
    for values in (found.cosines, found.bm25, found.dense_part, found.lexical_part, found.relative, found.scores):
        assert values.shape == (len(found),) and values.dtype == np.float32
    assert (np.diff(found.relative) <= 0).all() and (np.diff(found.scores) <= 0).all()
    assert ((found.scores >= 0) & (found.scores <= 1)).all()
    best = snapshot.passages([int(found.ids[0])])[0]
    assert best.file.path == b"garden.md"


def test_a_candidate_of_one_leg_is_scored_by_the_other(snapshot: Snapshot, planned: Planner) -> None:
    plan = planned("roses")
    words = set(snapshot.lexical(plan.words, 300, None).ids.tolist())
    found = find_candidates(snapshot, plan, None)
    only_dense = [number for number, one in enumerate(found.ids.tolist()) if one not in words]
    assert words <= set(found.ids.tolist()) and only_dense
    assert (found.bm25[only_dense] == 0).all() and not np.isnan(found.cosines).any()


def test_scores_do_not_depend_on_how_deep_was_looked(snapshot: Snapshot, planned: Planner) -> None:
    plan = planned("prune the roses in spring", smoothing=False)
    shallow, deep = find_candidates(snapshot, plan, None, depth=5), find_candidates(snapshot, plan, None, depth=300)
    assert len(shallow) < len(deep)
    assert shallow.ids[0] == deep.ids[0]
    np.testing.assert_allclose(shallow.relative[0], deep.relative[0], atol=1e-6)


def test_meaning_that_counts_nothing_smooths_nothing(snapshot: Snapshot, planned: Planner) -> None:
    query = "turn bolt"  # which many passages answer as well
    plain, smooth = (find_candidates(snapshot, planned(query, alpha=0.0, smoothing=one), None) for one in (False, True))
    np.testing.assert_array_equal(plain.relative, smooth.relative)
    plain, smooth = (find_candidates(snapshot, planned(query, alpha=0.6, smoothing=one), None) for one in (False, True))
    assert (plain.relative != smooth.relative).any()


def test_weights_say_how_much_each_part_counts(snapshot: Snapshot, planned: Planner) -> None:
    plan = planned("prune the roses in spring")
    usual = find_candidates(snapshot, plan, None)
    more = find_candidates(snapshot, replace(plan, weights=FusionWeights(meaning=1.4)), None)
    assert more.alpha == pytest.approx(1.4 * usual.alpha)
    assert find_candidates(snapshot, replace(plan, weights=FusionWeights(meaning=9)), None).alpha == 1
    unread = find_candidates(snapshot, replace(plan, weights=FusionWeights(letters=0)), None)
    np.testing.assert_allclose(unread.lexical_part, unread.bm25 / unread.bm25.max(), rtol=1e-6)
    assert (unread.lexical_part[:5] != usual.lexical_part[:5]).any()
    plan = planned("turn bolt", alpha=0.6)
    alone = find_candidates(snapshot, replace(plan, weights=FusionWeights(neighbours=0)), None)
    unsmoothed = find_candidates(snapshot, replace(plan, smoothing=False), None)
    np.testing.assert_array_equal(alone.relative, unsmoothed.relative)


def test_ranks_are_fused_without_weighing_the_legs(snapshot: Snapshot, planned: Planner) -> None:
    def read(texts: object) -> float:
        raise AssertionError("no passage is read to weigh what has no weight")

    plan = replace(planned("prune the roses", fusion="rrf"), fertility_of=read)
    assert len(find_candidates(snapshot, plan, None))
    with pytest.raises(AssertionError):
        find_candidates(snapshot, replace(plan, fusion="convex"), None)


def test_chunks_that_are_asked_for_are_there_wherever_they_stand(snapshot: Snapshot, planned: Planner) -> None:
    last = int(snapshot.encoded_ids()[-1])
    plan = planned("prune the roses", mode="lexical")
    assert last not in find_candidates(snapshot, plan, None, depth=1).ids
    assert last in find_candidates(snapshot, plan, None, depth=1, also=[last]).ids


@pytest.mark.parametrize("mode", MODES)
def test_other_ways_to_say_it_are_found_and_the_query_leads(snapshot: Snapshot, planned: Planner, mode: str) -> None:
    def ranked(query: str, expansion: Expansion = NO_EXPANSION) -> list[bytes]:
        found = find_candidates(snapshot, planned(query, mode=mode, expansion=expansion), None)
        assert found.relative.dtype == found.scores.dtype == np.float32 and (np.diff(found.scores) <= 0).all()
        return [one.file.path for one in snapshot.passages(found.ids.tolist())]

    ferry = ranked("the night ferry leaves the harbour")[0]
    assert ranked("prune the roses", Expansion(("the night ferry leaves the harbour",)))[0] == b"garden.md", "it leads"
    for expansion in (Expansion(("the night ferry leaves the harbour",)), Expansion(passage="The night ferry leaves.")):
        with_others, alone = ranked("evening boat", expansion), ranked("evening boat")
        assert ferry in with_others[:3] and ferry not in alone[:1]


def test_a_question_is_answered_where_it_is_in_other_words(snapshot: Snapshot, planned: Planner) -> None:
    def best(query: str, expansion: Expansion = NO_EXPANSION) -> float:
        return float(find_candidates(snapshot, planned(query, expansion=expansion), None).scores[0])

    assert best("wkrtpl qqzzxv") < 0.1
    assert best("wkrtpl qqzzxv", Expansion(("the spring tide comes at new moon",))) > 0.5
    made_up = Expansion(passage="The spring tide comes at new moon.")
    assert best("wkrtpl qqzzxv", made_up) < 0.1, "a passage that was made up proves nothing"


@pytest.mark.parametrize("mode", MODES)
def test_filters_are_applied_before_the_search(snapshot: Snapshot, planned: Planner, mode: str) -> None:
    selection = snapshot.select(Filters(types=("markdown",)))
    found = find_candidates(snapshot, planned("the ferry leaves the harbour", mode=mode), selection, depth=5)
    assert mode == "lexical" or len(found) >= 5
    assert {one.file.type for one in snapshot.passages(found.ids.tolist())} <= {"markdown"}


def test_reciprocal_ranks_order_by_ranks_alone(snapshot: Snapshot, planned: Planner) -> None:
    found = find_candidates(snapshot, planned("prune the roses", fusion="rrf"), None)
    first_in_both = (found.dense_part == 1) & (found.lexical_part == 1)
    assert found.relative[first_in_both].tolist() == pytest.approx([1.0] * int(first_in_both.sum()))
    assert (np.diff(found.relative) <= 0).all()


@pytest.mark.parametrize("mode", MODES)
def test_what_is_like_an_unwanted_text_falls(snapshot: Snapshot, planned: Planner, mode: str) -> None:
    query = "tomatoes roses"
    plain = find_candidates(snapshot, planned(query, mode=mode), None)
    without = find_candidates(snapshot, planned(query, mode=mode, unlike=("tomatoes roses",)), None)
    best = plain.ids[0]
    assert without.relative[without.ids == best][0] < plain.relative[0]
    assert (without.relative >= 0).all()


def test_nothing_is_found_by_words_that_are_nowhere(snapshot: Snapshot, planned: Planner) -> None:
    found = find_candidates(snapshot, planned("xylophone quasar", mode="lexical"), None)
    assert len(found) == 0 and found.scores.shape == (0,)


def test_the_share_of_words_is_weighed_by_idf() -> None:
    held = np.array([[True, False, True], [False, False, True]])
    known = Scores(np.zeros(3, np.float32), np.zeros((0, 3), np.float32), held, np.array([3, 1], np.float32))
    np.testing.assert_allclose(query_coverage(known), [0.75, 0, 1])
    none = Scores(np.zeros(3, np.float32), np.zeros((0, 3), np.float32), held[:0], np.zeros(0, np.float32))
    np.testing.assert_array_equal(query_coverage(none), [0, 0, 0])


def test_a_document_whose_name_is_the_query_answers_it(tmp_path: Path) -> None:
    write(
        tmp_path, {"lecture.vtt": "WEBVTT\n\n00:01.000 --> 00:02.000\nThe mole is closed.\n", "b.txt": "Of harbours."}
    )
    index_folders([str(tmp_path)], None, IndexOptions(model="static"))
    with Searcher(str(tmp_path)) as own:
        for query in ("lecture vtt", "lecture.vtt", "Lecture"):
            assert [hit.path for hit in own.search(query).hits][:1] == ["lecture.vtt"], query
