"""Candidates become hits that say where they stand; no more passages are read than the results need."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from semsearch.retrieval.candidates import find_candidates
from semsearch.retrieval.hydrate import ScoredCandidates, first_hits, hits_from
from semsearch.retrieval.options import SearchOptions
from semsearch.store.protocol import Snapshot
from semsearch.store.records import Passage
from tests.support.planning import Planner

QUERY = "turn the bolt of the engine"


@pytest.fixture
def scored(snapshot: Snapshot, planned: Planner) -> ScoredCandidates:
    found = find_candidates(snapshot, planned(QUERY), None)
    return ScoredCandidates(found, found.scores)


def test_a_hit_says_what_the_passage_and_its_file_are(
    snapshot: Snapshot, planned: Planner, scored: ScoredCandidates, folder: Path
) -> None:
    hits = list(hits_from(snapshot, scored, planned(QUERY), SearchOptions(k=3), "shown/"))
    assert [hit.rank for hit in hits] == list(range(1, len(scored.candidates) + 1))
    for hit, passage in zip(hits, snapshot.passages(scored.candidates.ids.tolist()), strict=True):
        assert (hit.chunk_id, hit.text, hit.heading) == (passage.id, passage.text, passage.heading)
        assert hit.path == "shown/" + os.fsdecode(passage.file.path)
        assert hit.file == str(folder / os.fsdecode(passage.file.path))
        assert hit.dense is not None and hit.lexical is not None and hit.rerank is None
        assert hit.modified.endswith("Z") and hit.explanation is None and hit.snippet == ""


def test_passages_are_read_in_batches_as_they_are_asked_for(
    snapshot: Snapshot, planned: Planner, scored: ScoredCandidates, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    original = snapshot.passages

    def passages(ids: list[int]) -> list[Passage]:
        asked.append(len(ids))
        return original(ids)

    monkeypatch.setattr(snapshot, "passages", passages)
    options = SearchOptions(k=2, fold=False)
    assert len(first_hits(snapshot, scored, planned(QUERY), options, "")) == 2
    assert len(asked) == 1 and asked[0] < len(scored.candidates)
    asked.clear()
    assert len(list(hits_from(snapshot, scored, planned(QUERY), options, ""))) == len(scored.candidates) == sum(asked)
    assert len(asked) > 1


def test_the_best_passage_of_each_file_stands_for_it(
    snapshot: Snapshot, planned: Planner, scored: ScoredCandidates
) -> None:
    hits = first_hits(snapshot, scored, planned(QUERY), SearchOptions(k=5, group="file"), "")
    assert len({hit.file for hit in hits}) == len(hits) == 5
    assert [hit.rank for hit in hits] == [1, 2, 3, 4, 5]
    best: dict[str, float] = {}
    for hit in hits_from(snapshot, scored, planned(QUERY), SearchOptions(), ""):
        best[hit.file] = max(best.get(hit.file, 0.0), hit.score)
    assert all(hit.score == best[hit.file] for hit in hits)


def test_the_second_passage_of_a_file_is_shown_where_it_is_worth_it(
    snapshot: Snapshot, planned: Planner, scored: ScoredCandidates
) -> None:
    plan, options = planned(QUERY), SearchOptions(k=3, group="file")
    hits = first_hits(snapshot, scored, plan, options, "")
    manual = next(hit for hit in hits if hit.path == "manual.md")
    assert manual.second is not None and manual.second.file == manual.file
    assert manual.second.chunk_id != manual.chunk_id and manual.second.text != manual.text
    assert manual.score / 2 <= manual.second.score <= manual.score
    # Neither the files nor their order depend on it, and nobody looks for it who does not show it.
    plain = first_hits(snapshot, scored, plan, replace(options, snippets=False), "")
    assert [hit.chunk_id for hit in plain] == [hit.chunk_id for hit in hits]
    assert not any(hit.second for hit in plain)
    low = replace(scored, scores=np.where(scored.candidates.ids == manual.chunk_id, scored.scores, 0.001))
    assert not any(hit.second for hit in first_hits(snapshot, low, plan, options, "") if hit.path == "manual.md")


def test_copies_are_folded_unless_they_are_asked_for(snapshot: Snapshot, planned: Planner) -> None:
    plan = planned("the lighthouse keeper lights the lamp")
    found = find_candidates(snapshot, plan, None)
    scored = ScoredCandidates(found, found.scores)
    folded = first_hits(snapshot, scored, plan, SearchOptions(k=3), "")
    assert {folded[0].path, *(place.path for place in folded[0].copies)} == {"keeper.txt", "copies/keeper.txt"}
    plain = first_hits(snapshot, scored, plan, SearchOptions(k=3, fold=False), "")
    assert {hit.path for hit in plain[:2]} == {"keeper.txt", "copies/keeper.txt"} and not plain[0].copies


def test_an_explanation_names_what_took_part(snapshot: Snapshot, planned: Planner) -> None:
    for mode in ("hybrid", "dense", "lexical"):
        plan = planned(QUERY, mode=mode)
        found = find_candidates(snapshot, plan, None)
        hit = next(hits_from(snapshot, ScoredCandidates(found, found.scores), plan, SearchOptions(explain=True), ""))
        explained = hit.explanation
        assert explained is not None and explained.fusion == ("convex" if mode == "hybrid" else mode)
        assert (explained.dense is None) == (explained.dense_rank is None) == (mode == "lexical")
        assert (explained.lexical is None) == (mode == "dense")
        assert (explained.alpha is None) == (mode != "hybrid")
        assert (hit.lexical is None) == (mode == "dense")


def test_the_scores_of_a_reranker_are_those_of_the_hits(
    snapshot: Snapshot, planned: Planner, scored: ScoredCandidates
) -> None:
    scores = np.linspace(1, 0, len(scored.candidates), dtype=np.float32)
    reranked = ScoredCandidates(scored.candidates, scores, reranked=True)
    hits = list(hits_from(snapshot, reranked, planned(QUERY), SearchOptions(), ""))
    assert [hit.rerank for hit in hits] == [hit.score for hit in hits] == scores.tolist()


def test_a_time_stamp_out_of_range_is_no_time(
    snapshot: Snapshot, planned: Planner, scored: ScoredCandidates, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = snapshot.passages

    def passages(ids: list[int]) -> list[Passage]:
        return [replace(one, file=replace(one.file, mtime_ns=2**70)) for one in original(ids)]

    monkeypatch.setattr(snapshot, "passages", passages)
    assert next(hits_from(snapshot, scored, planned(QUERY), SearchOptions(), "")).modified == ""
