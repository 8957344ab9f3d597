"""Runs with a sparse model: only what is new is encoded, and what was cut off goes on."""

from pathlib import Path

import pytest

from semsearch.embedding.sparse_model import SparseModel
from semsearch.errors import ModelError, SemsearchError
from semsearch.index_report import IndexReport
from semsearch.indexing import IndexOptions, Progress, index_folders
from semsearch.maintenance.index_status import index_status
from semsearch.retrieval.options import SearchOptions
from semsearch.retrieval.searcher import Searcher
from semsearch.store.local.stat_check import stat_check
from semsearch.store.opening import read_index
from tests.support.folders import write

pytestmark = pytest.mark.slow

WORDS = ("the old pump runs", "water in the house", "a valve stops the tide", "old water of the tide")


def run(folder: Path, index: Path, progress: Progress | None = None, **options: object) -> IndexReport:
    asked = IndexOptions(**{"model": "static", **options})  # type: ignore[arg-type]
    return index_folders([str(folder)], str(index), asked, progress)


def results(index: Path, mode: str) -> list[tuple[str, float]]:
    with Searcher(str(index)) as searcher:
        return [
            (hit.path, round(hit.score, 5))
            for query in ("pump", "the old house", "tide water")
            for hit in searcher.search(query, SearchOptions(mode=mode, min_score=0, fold=False)).hits
        ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "folder", {f"{number}.txt": text for number, text in enumerate(WORDS)})
    return tmp_path / "folder"


def test_an_edited_index_answers_as_a_new_one_and_encodes_what_is_new(
    folder: Path, tmp_path: Path, splade: Path
) -> None:
    index = tmp_path / "index"
    assert run(folder, index, sparse=str(splade)).chunks["sparse"] == 4
    assert run(folder, index).chunks["sparse"] == 0, "the index remembers its model"
    (folder / "1.txt").unlink()
    (folder / "copy.txt").write_text(WORDS[1])
    (folder / "2.txt").write_text("another valve")
    report = run(folder, index)
    assert report.chunks["sparse"] == 1, "a text that was encoded before has its vector"
    assert "1 sparse vector made" in report.summary()
    run(folder, tmp_path / "fresh", sparse=str(splade))
    for mode in ("sparse", "hybrid"):
        assert results(index, mode) == results(tmp_path / "fresh", mode)


def test_a_run_that_is_stopped_keeps_what_it_has_and_the_next_goes_on(
    folder: Path, tmp_path: Path, splade: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = tmp_path / "index"
    monkeypatch.setattr("semsearch.indexing.encode_sparse.ENCODE_STEP", 1)
    made: list[int] = []
    stop = Progress(encoded=made.append, stopping=lambda: sum(made) >= 6)  # four by the dense model
    report = run(folder, index, stop, sparse=str(splade), max_seconds=None)
    assert (report.chunks["sparse"], report.chunks["sparse_pending"]) == (2, 2)
    assert "2 chunks without a sparse vector" in report.summary()
    assert index_status(str(index))["sparse"] == {"name": str(splade), "pending": 2}
    assert stat_check(str(index), []) is None, "there is something to do"
    with Searcher(str(index)) as searcher:
        assert "2 chunks without a sparse vector yet" in searcher.search("pump").notices
    assert run(folder, index).chunks["sparse"] == 2
    assert index_status(str(index))["sparse"]["pending"] == 0
    assert stat_check(str(index), []) is not None


def test_a_run_without_time_that_has_done_nothing_else_encodes_something(
    folder: Path, tmp_path: Path, splade: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = tmp_path / "index"
    run(folder, index)
    monkeypatch.setattr("semsearch.indexing.encode_sparse.ENCODE_STEP", 1)
    at_once = Progress(stopping=lambda: True)
    assert run(folder, index, at_once, sparse=str(splade)).chunks["sparse"] == 1
    assert run(folder, index, at_once).chunks["sparse"] == 1


def test_an_error_of_the_model_keeps_what_was_encoded(
    folder: Path, tmp_path: Path, splade: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = tmp_path / "index"
    monkeypatch.setattr("semsearch.indexing.encode_sparse.ENCODE_STEP", 1)
    encode, calls = SparseModel.encode, list[str]()

    def failing(self: SparseModel, texts: list[str]) -> object:
        calls.extend(texts)
        if len(calls) > 3:
            raise ModelError("it is out of order", "")
        return encode(self, texts)

    with monkeypatch.context() as patched:
        patched.setattr(SparseModel, "encode", failing)
        with pytest.raises(ModelError, match="out of order"):
            run(folder, index, sparse=str(splade))
    assert run(folder, index).chunks["sparse"] == 1


def test_words_are_indexed_without_a_model_and_encoded_later(folder: Path, tmp_path: Path, splade: Path) -> None:
    index = tmp_path / "index"
    assert run(folder, index, sparse=str(splade), embed=False).chunks["sparse"] == 0
    assert run(folder, index, encode_only=False).chunks["sparse"] == 4


def test_it_is_taken_out_and_asked_for_in_vain(folder: Path, tmp_path: Path, splade: Path) -> None:
    index = tmp_path / "index"
    run(folder, index, sparse=str(splade))
    run(folder, index, sparse="")
    assert read_index(str(index), lambda snapshot: snapshot.info().sparse) is None
    with pytest.raises(SemsearchError, match="holds no sparse vectors") as caught:
        results(index, "sparse")
    assert caught.value.hint == f"make them with: semsearch index --sparse MODEL --index {index}"


def test_a_rebuild_reuses_the_vectors_of_what_did_not_change(folder: Path, tmp_path: Path, splade: Path) -> None:
    index = tmp_path / "index"
    run(folder, index, sparse=str(splade))
    before = results(index, "sparse")
    report = run(folder, index, rebuild=True)
    assert report.chunks["sparse"] == 0
    assert results(index, "sparse") == before


def test_a_model_without_a_head_leaves_the_index_as_it_was(folder: Path, tmp_path: Path) -> None:
    index = tmp_path / "index"
    run(folder, index)
    with pytest.raises(ModelError, match="makes no sparse vectors"):
        run(folder, index, sparse="all-MiniLM-L6-v2")
    assert read_index(str(index), lambda snapshot: snapshot.info().sparse) is None
    assert run(folder, index).summary().startswith("4 files, 4 chunks: up to date")
