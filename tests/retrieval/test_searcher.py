"""One opened index answers many queries: same answers each time, in every mode, and it says what it could not do."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from semsearch.errors import IndexNotFoundError, ParameterError, SemsearchError, UsageError
from semsearch.indexing import IndexOptions, index_folders
from semsearch.retrieval.options import SearchOptions
from semsearch.retrieval.searcher import Searcher
from semsearch.retrieval.sentence_scoring import TypedText
from semsearch.store.records import Filters
from tests.support.folders import write

QUERIES = ("prune the roses", "the night ferry leaves", "turn bolt 305", "lighthouse keeper")


@pytest.mark.parametrize("mode", ["hybrid", "dense", "lexical"])
def test_the_same_query_finds_the_same(searcher: Searcher, index: str, mode: str) -> None:
    options = SearchOptions(mode=mode, min_score=0)
    first = [searcher.search(query, options).hits for query in QUERIES]
    assert all(hits for hits in first)
    assert [searcher.search(query, options).hits for query in QUERIES] == first
    with Searcher(index, remember=False) as other:
        assert [other.search(query, options).hits for query in QUERIES] == first


def test_a_result_says_what_was_searched(searcher: Searcher, index: str) -> None:
    result = searcher.search("prune the roses")
    assert (result.query, result.mode, result.notices) == ("prune the roses", "hybrid", ())
    assert result.coverage.path == index and result.coverage.pending == 0
    assert result.coverage.files == 49 and result.coverage.chunks > 49
    assert result.seconds > 0 and result.languages
    assert result.hits[0].path == "garden.md" and result.hits[0].rank == 1


@pytest.mark.parametrize("k", [1, 3, 1000])
def test_no_more_hits_than_asked_for_and_the_first_are_the_same(searcher: Searcher, k: int) -> None:
    hits = searcher.search("the boat in winter", SearchOptions(k=k, min_score=0, fold=False)).hits
    assert len(hits) <= k
    fewer = searcher.search("the boat in winter", SearchOptions(k=1, min_score=0, fold=False)).hits
    assert fewer[0].chunk_id == hits[0].chunk_id


def test_a_limit_on_scores_holds(searcher: Searcher) -> None:
    for limit in (0.2, 0.8):
        hits = searcher.search("prune the roses", SearchOptions(min_score=limit, k=100)).hits
        assert all(hit.score >= limit for hit in hits)


def test_a_query_that_nothing_answers_finds_nothing_and_says_so(searcher: Searcher) -> None:
    result = searcher.search("parliament budget inflation")
    assert result.hits == () and "nothing here answers that well" in result.notices[0]
    assert searcher.search("parliament budget inflation", SearchOptions(min_score=0)).hits
    assert searcher.search("xylophone quasar", SearchOptions(mode="lexical")).hits == ()


def test_what_is_excluded_is_not_found(searcher: Searcher) -> None:
    best = searcher.search("prune the roses").hits[0]
    found = searcher.search("prune the roses", SearchOptions(exclude=frozenset([best.chunk_id]), min_score=0, k=100))
    assert best.chunk_id not in {hit.chunk_id for hit in found.hits}


def test_a_glob_that_matches_no_file_is_said(searcher: Searcher) -> None:
    result = searcher.search("roses", SearchOptions(filters=Filters(paths=("nowhere/*", "*.md"))))
    assert any("nowhere/*" in notice for notice in result.notices)
    assert {hit.type for hit in result.hits} == {"markdown"}


def test_wrong_options_are_refused_before_anything_is_read(searcher: Searcher) -> None:
    with pytest.raises(ParameterError):
        searcher.search("roses", SearchOptions(k=0))
    with pytest.raises(ParameterError):
        searcher.standing("roses", "garden.md", SearchOptions(k=0))
    with pytest.raises(UsageError):
        searcher.search(" ")


def test_no_index_is_an_error_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(IndexNotFoundError) as caught:
        Searcher(str(tmp_path / "none"))
    assert caught.value.code == "no_index" and "semsearch index" in caught.value.hint


def test_the_model_is_opened_by_the_first_query_that_needs_it(index: str) -> None:
    with Searcher(index) as searcher:
        assert searcher.similarity is searcher.count_tokens is searcher.encode_query is None
        searcher.search("roses", SearchOptions(mode="lexical"))
        assert searcher.similarity is None, "words need no model"
        searcher.search("roses")
        assert searcher.similarity is not None and searcher.count_tokens is not None
        assert searcher.similarity("roses", "roses") == pytest.approx(1, abs=1e-4)
        assert searcher.similarity("prune roses", "cut the roses") > searcher.similarity("prune roses", "night ferry")
        assert searcher.count_tokens("two words") >= 2
        assert searcher.encode_query is not None and searcher.encode_query("roses").shape == (256,)


def test_an_adapter_takes_the_place_of_the_index_own(index: str) -> None:
    options = SearchOptions(mode="dense", min_score=0)
    with Searcher(index) as searcher:
        plain = [hit.chunk_id for hit in searcher.search("prune the roses", options).hits]
        searcher.use_adapter(lambda vector: -vector)
        assert [hit.chunk_id for hit in searcher.search("prune the roses", options).hits] != plain


def test_sentences_of_texts_are_scored_for_a_query(searcher: Searcher) -> None:
    scored = searcher.sentences(
        "when does the ferry leave", [TypedText("Prune the roses. The ferry leaves at ten.", "text")]
    )
    assert len(scored) == 2 and scored[1][1] > scored[0][1]


def test_a_searcher_sees_what_was_committed_since(tmp_path: Path) -> None:
    write(tmp_path / "folder", {"a.txt": "The ferry leaves at ten.\n"})
    index_folders([str(tmp_path / "folder")], None, IndexOptions(model="static"))
    with Searcher(str(tmp_path / "folder")) as searcher:
        before = searcher.position()
        assert [root.path for root in searcher.roots()] == [str(tmp_path / "folder")]
        write(tmp_path / "folder", {"b.txt": "Prune the roses in spring.\n"})
        index_folders([str(tmp_path / "folder")])
        assert searcher.search("prune the roses").hits[0].path == "b.txt"
        assert searcher.position().last > before.last and searcher.position().generation == before.generation


def test_chunks_that_are_not_encoded_are_found_by_words_and_said(tmp_path: Path) -> None:
    write(tmp_path / "folder", {"a.txt": "The ferry leaves at ten.\n"})
    index_folders([str(tmp_path / "folder")], None, IndexOptions(model="static", embed=False))
    with Searcher(str(tmp_path / "folder")) as searcher:
        result = searcher.search("ferry")
        assert result.mode == "lexical" and result.hits[0].path == "a.txt"
        assert result.notices == ("1 of 1 chunk is not encoded yet: found by its words only",)
        with pytest.raises(SemsearchError, match="holds no vectors yet"):
            searcher.search("ferry", SearchOptions(mode="dense"))


def test_a_reranker_orders_the_hits(searcher: Searcher, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in scores passages by their length: the real one has tests of its own (`tests/embedding`)."""

    class Longest:
        def score(self, query: str, passages: list[str]) -> np.ndarray:
            assert query == "bolt" and len(passages) <= 50
            return np.array([len(passage) / 10_000 for passage in passages], np.float32)

    monkeypatch.setattr(searcher._encoder, "reranker", lambda name: Longest())
    options = SearchOptions(rerank="longest", fold=False, k=20)
    hits = searcher.search("bolt", options).hits
    assert hits and all(hit.rerank == hit.score for hit in hits)
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    few = searcher.search("bolt", SearchOptions(rerank="longest", fold=False, k=20, min_score=hits[1].score)).hits
    assert [hit.chunk_id for hit in few] == [hit.chunk_id for hit in hits if hit.score >= hits[1].score]


def test_an_index_is_found_from_below(
    folder: Path, index: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Searcher(str(folder)).index == index
    monkeypatch.chdir(folder / "kitchen")
    assert Searcher().index == index
    shutil.copytree(index, tmp_path / "copy")
    with Searcher(str(tmp_path / "copy")) as searcher:
        assert searcher.index == os.path.join(tmp_path, "copy")
        assert searcher.search("prune the roses").hits[0].path == "garden.md"


@pytest.mark.parametrize("mode", ["hybrid", "lexical"])
def test_a_question_that_names_its_document_finds_it_first(tmp_path: Path, mode: str) -> None:
    # The others speak of the harbour more than its own page does.
    about = "It asked for the harbour, as the harbour was far: in the harbour it unloaded.\n"
    write(
        tmp_path / "folder",
        {
            "harbour.txt": "The harbour lets ships in from six on, and out until ten. On Sundays they wait outside.\n",
            **{f"ship-{number}.txt": f"Ship {number} came. {about}" for number in range(8)},
        },
    )
    index_folders([str(tmp_path / "folder")], str(tmp_path / "index"), IndexOptions(model="static"))
    with Searcher(str(tmp_path / "index")) as searcher:
        hits = searcher.search("what about the harbour", SearchOptions(mode=mode, min_score=0)).hits
    assert hits[0].path == "harbour.txt"


def test_a_name_that_the_model_has_not_met_is_found_by_its_word(tmp_path: Path) -> None:
    notes = {f"note-{number}.txt": f"Note {number}: the garden, the budget and the roof.\n" for number in range(8)}
    write(tmp_path / "folder", {"house.txt": "We let the house on Krk in July and August.\n", **notes})
    index_folders([str(tmp_path / "folder")], str(tmp_path / "index"), IndexOptions(model="static"))
    with Searcher(str(tmp_path / "index")) as searcher:
        assert searcher.search("ferry Krk").hits[0].path == "house.txt"
        assert searcher.search("ferry Zagreb").hits == ()
