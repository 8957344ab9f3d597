"""A passage of the index is named as results show it, or by a path from the working folder."""

from pathlib import Path

import pytest

from semsearch.errors import ParameterError
from semsearch.indexing import IndexOptions, index_folders
from semsearch.retrieval.more_like_this import passage_named
from semsearch.retrieval.options import SearchOptions
from semsearch.retrieval.searcher import Searcher
from tests.support.folders import write


def test_a_file_a_line_and_a_page_name_a_passage(searcher: Searcher) -> None:
    assert "Garden notes" in passage_named(searcher, "garden.md")[0]
    text, ids = passage_named(searcher, "manual.md:20")
    assert "Step" in text and ids
    assert "neap tide" in passage_named(searcher, "tides.pdf:p2")[0]


def test_a_path_from_the_working_folder_names_the_same(
    searcher: Searcher, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = passage_named(searcher, "kitchen/soup.txt")
    assert passage_named(searcher, str(folder / "kitchen" / "soup.txt")) == expected
    monkeypatch.chdir(folder / "kitchen")
    assert passage_named(searcher, "soup.txt:1") == expected


def test_with_several_folders_the_path_has_the_label_of_its_own(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write(tmp_path / name, {"a.txt": f"The ferry {name} leaves at ten.\n"})
    folders = [str(tmp_path / "one"), str(tmp_path / "two")]
    index_folders(folders, str(tmp_path / "index"), IndexOptions(model="static"))
    with Searcher(str(tmp_path / "index")) as searcher:
        assert "ferry two" in passage_named(searcher, str(tmp_path / "two" / "a.txt"))[0]
        assert "ferry one" in passage_named(searcher, "one/a.txt:1")[0]


def test_what_is_like_a_passage_is_not_the_passage_itself(searcher: Searcher) -> None:
    text, ids = passage_named(searcher, "keeper.txt")
    hits = searcher.search(text, SearchOptions(exclude=ids)).hits
    assert hits[0].path == "copies/keeper.txt"


@pytest.mark.parametrize("place", ["nowhere.txt", "garden.md:9999", "kitchen", ":3"])
def test_a_place_that_is_not_there_is_refused(searcher: Searcher, place: str) -> None:
    with pytest.raises(ParameterError) as caught:
        passage_named(searcher, place)
    assert caught.value.parameter == "like"
