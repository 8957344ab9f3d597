from pathlib import Path

import pytest

from semsearch.indexing import IndexOptions, index_folders
from semsearch.retrieval.options import SearchOptions
from semsearch.retrieval.searcher import Searcher
from tests.support.folders import write
from tests.support.searching import searcher_of

FILES = {
    "right.md": "The east mole is closed to lorries from noon.",
    "swap.md": "Lorries may come; closed is what the café says to them.",
    "plain.md": "The cafe sells 1,234 tomatoes. The tomatoes are ripe.",
}


@pytest.fixture(scope="module")
def searcher(tmp_path_factory: pytest.TempPathFactory) -> Searcher:
    return searcher_of(tmp_path_factory.mktemp("spelling"), FILES)


def found(searcher: Searcher, query: str, correct: bool = True) -> set[str]:
    return {hit.path for hit in searcher.search(query, SearchOptions(mode="lexical", correct=correct)).hits}


def test_what_was_meant_is_searched_and_said(searcher: Searcher) -> None:
    result = searcher.search("lorrees", SearchOptions(mode="lexical"))
    assert {hit.path for hit in result.hits} == {"right.md", "swap.md"}
    assert result.notices == ('no passage holds "lorrees": did you mean "lorries"?',)
    assert found(searcher, "lorrees", correct=False) == set()
    assert found(searcher, "bolt") == set(), "too short to be a slip of another word"
    assert found(searcher, "tomatose") == found(searcher, "tomatoes")


def test_a_word_of_the_model_is_no_slip(searcher: Searcher) -> None:
    assert found(searcher, "worries") == set(), "not lorries"


def test_what_is_meant_is_a_word_as_it_is_written(tmp_path: Path) -> None:
    write(tmp_path, {
        "a.md": "The replication of an account keeps memory for the plumber's command and happiness, at university.",
        "b.md": "The replicas have an amount, an amount, an amount to deduce.",
    })  # fmt: skip
    index_folders([str(tmp_path)], None, IndexOptions(embed=False))
    with Searcher(str(tmp_path)) as own:
        for typed, meant in (("replicaton", "replication"), ("acount", "account"), ("memroy", "memory"),
                             ("plumer", "plumber"), ("comand", "command"), ("hapiness", "happiness"),
                             ("universti", "university")):  # fmt: skip
            result = own.search(typed)
            assert result.notices[-1] == f'no passage holds "{typed}": did you mean "{meant}"?'
            assert [hit.path for hit in result.hits] == ["a.md"], typed
        assert not own.search("deductible").hits
        many = own.search("replicaton comand memroy plumer acount hapiness comnand replicatiom memorry")
        assert "did you mean" not in str(many.notices)


def test_a_slip_in_an_ending_is_one(tmp_path: Path) -> None:
    write(tmp_path, {"a.md": "Its implementation is in Rust.", "b.md": "Other things."})
    index_folders([str(tmp_path)], None, IndexOptions(model="static"))
    with Searcher(str(tmp_path)) as own:
        assert found(own, "implementaiton") == found(own, "implementatoin") == {"a.md"}


def test_no_slip_is_looked_for_where_all_words_occur(searcher: Searcher, tmp_path: Path) -> None:
    assert not searcher.search("lorries noon", SearchOptions(mode="lexical")).notices
