"""A saved search shows what is new since it last ran, once, whatever happens to the index."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from semsearch.errors import UsageError
from semsearch.indexing import IndexOptions, index_folders
from semsearch.retrieval.options import SearchOptions
from semsearch.retrieval.saved_search import SavedSearches
from semsearch.retrieval.searcher import Searcher
from tests.support.folders import write

Search = Callable[..., list[str]]
ROSES = SearchOptions(k=10, min_score=0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "folder", {"a.txt": "Prune the roses in spring.\n", "b.txt": "The ferry leaves at ten.\n"})
    index_folders([str(tmp_path / "folder")], None, IndexOptions(model="static"))
    return tmp_path / "folder"


@pytest.fixture
def new(folder: Path, tmp_path: Path) -> Search:
    """The paths that are new for a query since the last call."""

    def new(query: str = "roses", options: SearchOptions = ROSES) -> list[str]:
        saved = SavedSearches(str(tmp_path / "state.json"))
        with Searcher(str(folder)) as searcher:
            result = saved.search(searcher, query, options)
        saved.save()
        assert [hit.rank for hit in result.hits] == list(range(1, len(result.hits) + 1))
        return sorted(hit.path for hit in result.hits)

    return new


def index_again(folder: Path, **options: object) -> None:
    index_folders([str(folder)], None, IndexOptions(**options))  # type: ignore[arg-type]


def test_only_what_is_new_comes_up_and_only_once(folder: Path, new: Search) -> None:
    assert new() == ["a.txt", "b.txt"]
    assert new() == []
    write(folder, {"c.txt": "Water the roses in summer.\n"})
    index_again(folder)
    assert new() == ["c.txt"]
    assert new() == []


@pytest.mark.slow
def test_a_touched_file_and_a_rebuilt_index_bring_nothing_up_again(folder: Path, new: Search) -> None:
    new()
    (folder / "a.txt").touch()
    index_again(folder)
    assert new() == []
    index_again(folder, rebuild=True, chunk_size=100)
    assert new() == []


@pytest.mark.parametrize("changes", [{}, {"a.txt": "Water the roses at night.\n"}])
def test_what_waits_for_its_vectors_comes_up_once(folder: Path, new: Search, changes: dict[str, str | bytes]) -> None:
    write(folder, changes | {"c.txt": "Water the roses in summer.\n"})
    index_again(folder, embed=False)
    words = SearchOptions(k=10, mode="lexical")
    found = new("roses", words)
    assert set(found) == {"a.txt", "c.txt"}
    index_again(folder)
    assert new("roses", words) == []
    write(folder, {"d.txt": "Tie the roses to the wall.\n"})
    index_again(folder, embed=False)
    assert new("roses", words) == ["d.txt"]


def test_a_file_that_changed_comes_up_again(folder: Path, new: Search) -> None:
    new()
    write(folder, {"a.txt": "Prune the roses in autumn.\n"})
    index_again(folder)
    assert new() == ["a.txt"]


def test_each_query_and_each_way_to_search_is_kept_apart(folder: Path, new: Search) -> None:
    assert new("roses") == new("the ferry") == ["a.txt", "b.txt"]
    assert new("roses", SearchOptions(mode="lexical")) == ["a.txt"]
    assert new("roses") == []


def test_what_is_new_must_answer_the_query(folder: Path, new: Search) -> None:
    assert "a.txt" in new("roses", SearchOptions())
    write(folder, {"c.txt": "Parliament passed the budget.\n"})
    index_again(folder)
    assert new("roses", SearchOptions()) == []


@pytest.mark.parametrize(
    "content",
    [
        "", "[]", "5", '{"schema": "semsearch.seen/99", "queries": {}}', '{"schema": "semsearch.seen/1"}',
        '{"schema": "semsearch.seen/1", "queries": []}', '{"schema": "semsearch.seen/1", "queries": {"x": 3}}',
        '{"schema": "semsearch.seen/1", "queries": {"x": {"last": "1", "generation": 1, "seen": []}}}',
        '{"schema": "semsearch.seen/1", "queries": {"x": {"last": 1, "seen": []}}}',
    ],
)  # fmt: skip
def test_a_file_that_holds_something_else_is_refused_and_kept(tmp_path: Path, content: str) -> None:
    path = tmp_path / "state.json"
    path.write_text(content)
    with pytest.raises(UsageError, match="is not a state file") as caught:
        SavedSearches(str(path))
    assert str(path) in caught.value.message and caught.value.hint
    assert path.read_text() == content


def test_the_file_is_written_whole_or_not_at_all(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state.json"
    saved = SavedSearches(str(path))
    with Searcher(str(folder)) as searcher:
        saved.search(searcher, "roses", ROSES)
    saved.save()
    before = path.read_text()
    assert json.loads(before)["schema"] == "semsearch.seen/1"

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("semsearch.retrieval.saved_search.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        saved.save()
    assert path.read_text() == before
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".semsearch-")] == []


def test_a_state_file_in_no_folder_is_refused_before_the_search(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such folder") as raised:
        SavedSearches(str(tmp_path / "none" / "state.json"))
    assert raised.value.hint == "make it first"
