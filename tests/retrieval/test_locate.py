"""A file is found by the path results show, a passage by its line, and both stand where the search puts them."""

import pytest

from semsearch.errors import ParameterError
from semsearch.retrieval.locate import indexed_file, passage_at
from semsearch.retrieval.options import SearchOptions
from semsearch.retrieval.searcher import Searcher
from semsearch.store.protocol import Snapshot
from semsearch.store.records import Filters


@pytest.mark.parametrize("mode", ["hybrid", "dense", "lexical"])
def test_a_file_stands_where_the_search_shows_it(searcher: Searcher, mode: str) -> None:
    options = SearchOptions(k=1000, mode=mode, fold=False, min_score=0)
    hits = searcher.search("turn the bolt of engine 4", options).hits
    files: dict[str, int] = {}
    for hit in hits:
        files.setdefault(hit.path, len(files) + 1)
    for path in list(files)[:4]:
        found = searcher.standing("turn the bolt of engine 4", path, options)
        assert found is not None
        expected = next(hit for hit in hits if hit.path == path)
        assert (found.hit.chunk_id, found.hit.rank, found.file_rank) == (expected.chunk_id, expected.rank, files[path])
        assert found.hit.score == pytest.approx(expected.score, abs=1e-5)
        assert found.best_score == pytest.approx(hits[0].score, abs=1e-5)
        assert found.mode == mode and found.hit.snippet and found.hit.explanation is not None


def test_a_file_that_nothing_speaks_for_stands_last(searcher: Searcher) -> None:
    found = searcher.standing("roses", "kitchen/bread.txt", SearchOptions(mode="lexical"))
    assert found is not None and found.hit.score == 0 and found.hit.rank == found.candidates


def test_what_is_not_indexed_or_is_filtered_stands_nowhere(searcher: Searcher) -> None:
    assert searcher.standing("roses", "none.txt") is None
    assert searcher.standing("roses", "garden.md", SearchOptions(filters=Filters(types=("text",)))) is None
    assert searcher.standing("roses", "garden.md", SearchOptions(filters=Filters(types=("markdown",)))) is not None


def test_a_file_is_known_by_its_shown_path(snapshot: Snapshot) -> None:
    found = indexed_file(snapshot, "shown/kitchen/soup.txt", "shown/")
    assert found is not None and found.path == b"kitchen/soup.txt"
    assert indexed_file(snapshot, "kitchen/soup.txt", "shown/") is None


def test_the_passage_at_a_line_holds_it(snapshot: Snapshot) -> None:
    file = indexed_file(snapshot, "manual.md", "")
    assert file is not None
    passages = snapshot.passages_of(file.id)
    for passage in passages:
        assert passage.line_start is not None and passage.line_end is not None
        text, ids = passage_at(snapshot, "manual.md", passage.line_end)
        assert passage.id in ids
        assert text in [one.text for one in passages if one.id in ids]
    assert passage_at(snapshot, "manual.md", None) == (passages[0].text, frozenset([passages[0].id]))


def test_a_document_of_pages_is_asked_by_page(snapshot: Snapshot) -> None:
    assert "neap tide" in passage_at(snapshot, "tides.pdf", 2)[0]


@pytest.mark.parametrize(("path", "line"), [("none.txt", None), ("garden.md", 99_999), ("tides.pdf", 3)])
def test_a_place_that_is_not_there_is_refused_by_its_parameter(snapshot: Snapshot, path: str, line: int | None) -> None:
    with pytest.raises(ParameterError, match="like") as caught:
        passage_at(snapshot, path, line)
    assert caught.value.parameter == "like" and caught.value.hint
