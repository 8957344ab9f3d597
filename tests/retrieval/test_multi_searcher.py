"""A search over several indexes gives the hits of each, by score, under the name of its folder."""

from pathlib import Path

import pytest

from semsearch.errors import UsageError
from semsearch.indexing import IndexOptions, index_folders
from semsearch.retrieval.multi_searcher import MultiSearcher
from semsearch.retrieval.options import SearchOptions
from semsearch.retrieval.searcher import Searcher
from semsearch.retrieval.sentence_scoring import TypedText
from semsearch.store.records import Filters
from tests.support.folders import write
from tests.support.made_texts import texts


@pytest.fixture(scope="module")
def indexes(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Three indexes; the folders of two of them have the same name."""
    base = tmp_path_factory.mktemp("several")
    for number, name in enumerate(("one/notes", "two/notes", "letters")):
        write(base / name, {**texts(12, number), "own.txt": f"The secret of folder {number} is a violin.\n"})
        index_folders([str(base / name)], None, IndexOptions(model="static"))
    return [str(base / name / ".semsearch") for name in ("one/notes", "two/notes", "letters")]


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["hybrid", "dense", "lexical"])
def test_hits_are_those_of_each_index_by_score(indexes: list[str], mode: str) -> None:
    options = SearchOptions(mode=mode, min_score=0, k=7)
    alone = []
    for index, name in zip(indexes, ("notes", "notes-2", "letters"), strict=True):
        with Searcher(index) as searcher:
            alone += [(f"{name}/{hit.path}", hit.score) for hit in searcher.search("a violin", options).hits]
    with MultiSearcher(indexes, print) as searcher:
        result = searcher.search("a violin", options)
    assert [hit.rank for hit in result.hits] == list(range(1, 8))
    assert [hit.score for hit in result.hits] == sorted((score for _, score in alone), reverse=True)[:7]
    assert {(hit.path, hit.score) for hit in result.hits} <= set(alone)
    assert result.mode == mode and result.coverage.files == 39


def test_hits_of_equal_scores_alternate(indexes: list[str]) -> None:
    with MultiSearcher(indexes, print) as searcher:
        result = searcher.search("the secret of the folder", SearchOptions(mode="lexical", k=3))
    assert [hit.path for hit in result.hits] == ["notes/own.txt", "notes-2/own.txt", "letters/own.txt"]


def test_paths_are_filtered_as_they_are_shown(indexes: list[str]) -> None:
    with MultiSearcher(indexes, print) as searcher:
        result = searcher.search("secret", SearchOptions(filters=Filters(paths=("letters/*",)), min_score=0))
    assert result.hits and all(hit.path.startswith("letters/") for hit in result.hits)
    assert not result.notices, "that one index has no such file is no news"


def test_where_nothing_is_found_each_index_says_why(tmp_path: Path) -> None:
    for count, name in enumerate(("one", "two"), 1):
        write(tmp_path / name, texts(count, 1))
        index_folders([str(tmp_path / name)], None, IndexOptions(model="static", embed=False))
    with MultiSearcher([str(tmp_path / "one"), str(tmp_path / "two")], print) as searcher:
        result = searcher.search("xylophone")
    one = "1 of 1 chunk is not encoded yet: found by its words only"
    two = "2 of 2 chunks are not encoded yet: found by their words only"
    assert not result.hits
    assert result.notices == (f"{tmp_path}/one/.semsearch: {one}", f"{tmp_path}/two/.semsearch: {two}")


def test_what_all_say_is_said_once(tmp_path: Path) -> None:
    names = ("one", "two")
    for name in names:
        write(tmp_path / name, {"a.txt": "The ferry leaves at ten.\n"})
        index_folders([str(tmp_path / name)], None, IndexOptions(model="static", embed=False))
    with MultiSearcher([str(tmp_path / name) for name in names], print) as searcher:
        result = searcher.search("ferry")
    assert result.mode == "lexical" and len(result.hits) == 2
    assert result.notices == ("1 of 1 chunk is not encoded yet: found by its words only",)


def test_sentences_and_meanings_are_those_of_the_first_index(indexes: list[str]) -> None:
    with MultiSearcher(indexes, print) as searcher:
        assert searcher.similarity is None and searcher.count_tokens is None
        searcher.search("a violin")
        assert searcher.similarity is not None and searcher.similarity("violin", "violin") == pytest.approx(1, abs=1e-4)
        assert searcher.count_tokens is not None and searcher.count_tokens("a violin") >= 2
        scored = searcher.sentences("a violin", [TypedText("It is a violin. It is not.", "text")])
        assert scored[0][1] > scored[1][1]


def test_an_index_that_is_named_twice_is_refused(indexes: list[str]) -> None:
    with pytest.raises(UsageError, match="named twice"):
        MultiSearcher([indexes[0], str(Path(indexes[0]).parent)], print)
