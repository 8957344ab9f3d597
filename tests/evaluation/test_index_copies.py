"""A copy differs from its index in one thing, and passages that are put anew are found as those before them."""

from contextlib import closing
from pathlib import Path

import pytest

from semsearch.evaluation.index_copies import copy_without_queries
from semsearch.evaluation.synthetic_queries import SyntheticQuery
from semsearch.indexing import IndexOptions, index_folders
from semsearch.lexical.document_terms import name_key
from semsearch.store.local.reader import OpenSnapshot
from semsearch.store.records import Passage
from tests.support.local_index import terms_of
from tests.support.named_folder import make_named_folder


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_named_folder(tmp_path_factory.mktemp("copies") / "folder")
    index_folders([str(folder)], None, IndexOptions(model="static", chunk_size=64, embed=False))
    return folder / ".semsearch"


def passages_of(index: Path) -> list[Passage]:
    with closing(OpenSnapshot(str(index))) as snapshot:
        return [one for file in snapshot.files() for one in snapshot.passages_of(file.id)]


def test_a_passage_that_is_put_anew_has_the_terms_it_had(index: Path, tmp_path: Path) -> None:
    queries = [SyntheticQuery("nobody says", one.id, (one.heading, one.text)) for one in passages_of(index)]
    asked = copy_without_queries(str(index), str(tmp_path / "copy"), queries, lambda message: None)
    before, after = terms_of(index), terms_of(tmp_path / "copy")
    assert len(after) == len(before) == len(asked) > 10
    for old, new in zip(queries, asked, strict=True):
        assert after[new.chunk] == before[old.chunk]
    with closing(OpenSnapshot(str(index))) as snapshot, closing(OpenSnapshot(str(tmp_path / "copy"))) as copy:
        assert copy.languages() == snapshot.languages() == {"en", "de"}


@pytest.mark.parametrize("title", ["Garden notes", "Alte Ventile"])
def test_a_name_that_is_the_query_does_not_come_back_with_the_names(index: Path, tmp_path: Path, title: str) -> None:
    (first,) = [one for one in passages_of(index) if one.is_first and one.file.title == title]
    assert name_key(title) in terms_of(index)[first.id]
    query = SyntheticQuery(title, first.id, ((), "A text without its heading."))
    (asked,) = copy_without_queries(str(index), str(tmp_path / "copy"), [query], lambda message: None)
    terms = terms_of(tmp_path / "copy")[asked.chunk]
    assert name_key(title) not in terms and "en\x1fnote" not in terms and "de\x1fventil" not in terms
