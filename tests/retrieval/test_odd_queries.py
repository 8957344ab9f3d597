"""Queries and collections at the edges: each has an answer, or says that it has none, in every mode."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from semsearch.indexing import IndexOptions, index_folders
from semsearch.retrieval.options import SearchOptions
from semsearch.retrieval.searcher import Searcher
from tests.support.folders import write

FOLDER: dict[str, str | bytes] = {
    "turbine.md": "# Turbine\n\nGrease the main bearing every 700 running hours. The rotor must stand still.\n",
    "harbour.txt": "The harbour opens at six. Ships wait outside until the master lets them in.\n",
    "hafen.txt": "Der Hafen öffnet um sechs Uhr. Die Schiffe warten draußen, bis der Meister sie einlässt.\n",
    "numbers.txt": "4711 0815 1234,5\n",
}
QUERIES = {
    "a script no document has": "Шарикоподшипник смазывают",
    "another script": "軸受の潤滑",
    "one word": "bearing",
    "one letter": "a",
    "500 words": "bearing grease rotor harbour ships " * 100,
    "only function words": "what is it that the of and",
    "only numbers": "4711 0815",
    "two languages": "wann öffnet der Hafen and when do ships wait",
    "only marks": "?!... -- ***",
}


@pytest.fixture(scope="module")
def edge_searcher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Searcher]:
    folder = tmp_path_factory.mktemp("edges") / "folder"
    write(folder, FOLDER)
    index = str(folder.parent / "index")
    index_folders([str(folder)], index, IndexOptions(model="static"))
    with Searcher(index) as searcher:
        yield searcher


@pytest.mark.parametrize("mode", ["hybrid", "dense", "lexical"])
@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES.keys())
def test_every_query_has_scores_in_order(edge_searcher: Searcher, query: str, mode: str) -> None:
    for fusion in ("convex", "rrf"):
        result = edge_searcher.search(query, SearchOptions(mode=mode, fusion=fusion, min_score=0, explain=True))
        scores = [hit.score for hit in result.hits]
        assert scores == sorted(scores, reverse=True) and all(
            0 <= score <= 1 and np.isfinite(score) for score in scores
        )


@pytest.mark.parametrize(
    ("query", "path"),
    [
        (QUERIES["one word"], "turbine.md"),
        (QUERIES["500 words"], "turbine.md"),
        (QUERIES["only numbers"], "numbers.txt"),
        (QUERIES["two languages"], "hafen.txt"),
    ],
)
def test_what_holds_the_words_comes_first(edge_searcher: Searcher, query: str, path: str) -> None:
    assert edge_searcher.search(query).hits[0].path == path


@pytest.mark.parametrize("name", ["a script no document has", "another script", "only marks"])
def test_words_of_no_document_find_nothing_by_words(edge_searcher: Searcher, name: str) -> None:
    assert edge_searcher.search(QUERIES[name], SearchOptions(mode="lexical")).hits == ()


@pytest.mark.parametrize("mode", ["hybrid", "dense", "lexical"])
def test_a_collection_of_one_document_is_searched(tmp_path: Path, mode: str) -> None:
    write(tmp_path / "folder", {"turbine.md": FOLDER["turbine.md"]})
    index_folders([str(tmp_path / "folder")], str(tmp_path / "index"), IndexOptions(model="static"))
    with Searcher(str(tmp_path / "index")) as searcher:
        assert [hit.path for hit in searcher.search("grease the bearing", SearchOptions(mode=mode)).hits] == [
            "turbine.md"
        ]
        for query in QUERIES.values():
            assert len(searcher.search(query, SearchOptions(mode=mode, min_score=0)).hits) <= 1
