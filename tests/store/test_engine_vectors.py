"""An index whose vectors a vector database holds, in a folder and in PostgreSQL, beside one that holds them itself."""

import gc
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import numpy as np
import pytest

from semsearch.errors import IndexDamagedError, SemsearchError, VectorEngineError
from semsearch.index_report import IndexReport
from semsearch.indexing import IndexOptions, index_folders
from semsearch.maintenance.verification import VerifyReport, verify
from semsearch.retrieval.options import SearchOptions
from semsearch.retrieval.searcher import Searcher
from semsearch.store import engine_vectors
from semsearch.store.allowed import Allowed
from semsearch.store.opening import open_store
from semsearch.store.protocol import Snapshot
from semsearch.store.records import Filters
from semsearch.vector_engines.opening import open_engine
from tests.support.folders import write
from tests.support.foreign_rows import put_foreign
from tests.support.found import Found
from tests.support.made_texts import texts
from tests.support.postgres_server import shared_server
from tests.vector_engines.conftest import ENGINES, Urls, parameter

Answer = TypeVar("Answer")
COUNT = 60
FILTERS = {
    "none": Filters(),
    "paths": Filters(paths=("1-1*", "2-*")),
    "types": Filters(types=("markdown",)),
    "dates": Filters(since=1.5e9, before=1.6e9),
    "where": Filters(where=(("title", "1-2*"),)),
    "scattered": Filters(paths=tuple(f"1-{number}.txt" for number in range(0, COUNT, 2))),
    "after": Filters(after=20),
    "nothing": Filters(paths=("2-*",), types=("python",)),
}
QUERIES = ("who paints boats near the harbour", "bread at the market", '"the old maps" winter', "horses -church")


@pytest.fixture(params=[parameter(name) for name in sorted(ENGINES)], scope="module")
def urls(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Urls]:
    with ENGINES[request.param](tmp_path_factory.mktemp("server")) as urls:
        yield urls


class Pair:
    """A folder with an index that keeps its vectors, and one, at `other`, whose vectors are at `url`."""

    def __init__(self, base: Path, url: str, other: str) -> None:
        self.folder, self.own, self.other, self.url = base / "folder", base / "own", other, url
        write(self.folder, dict(texts(COUNT, 1)))
        write(self.folder, {name.replace(".txt", ".md"): f"# {name}\n\n{text}" for name, text in texts(8, 2).items()})
        for number, name in enumerate(sorted(os.listdir(self.folder))):
            os.utime(self.folder / name, (1.4e9 + 5e6 * number,) * 2)
        self.index(vectors=url)

    def index(self, **options: object) -> IndexReport:
        """Brings both up to date; what was done to the one with vectors elsewhere."""
        named = IndexOptions(model="static", **options)  # type: ignore[arg-type]
        index_folders([str(self.folder)], str(self.own), replace(named, vectors=None))
        return index_folders([str(self.folder)], self.other, named)

    def answers(self, index: Path | str, options: Sequence[SearchOptions], queries: Sequence[str] = QUERIES) -> Found:
        found = Found()
        with Searcher(str(index)) as searcher:
            for query in queries:
                for one in options:
                    hits = searcher.search(query, one).hits
                    found.append([(hit.path, hit.text, hit.score) for hit in hits])
        return found

    def check(self, *options: SearchOptions) -> Found:
        """Both find the same, and fit what their catalogs say; that."""
        asked = options or (SearchOptions(mode="dense", min_score=0), SearchOptions(min_score=0))
        expected = self.answers(self.own, asked)
        assert self.answers(self.other, asked) == expected
        assert self.examined().problems == ()
        return expected

    def examined(self, repair: bool = False) -> VerifyReport:
        return verify(self.other, repair, False, lambda message: None)

    def ids(self, url: str = "") -> list[int]:
        """The ids that the database holds."""
        engine = open_engine(url or self.url)
        held = sorted(int(one) for batch in engine.ids() for one in batch) if engine.exists() else []
        engine.close()
        return held

    def chunks(self) -> list[int]:
        """The ids of the chunks that have a vector."""
        return self.read(lambda snapshot: [int(one) for one in snapshot.encoded_ids()])

    def read(self, question: Callable[[Snapshot], Answer]) -> Answer:
        """The answer of `question` to the index whose vectors are elsewhere."""
        store = open_store(self.other)
        try:
            return store.read(question)
        finally:
            store.close()


@pytest.fixture
def new_url(urls: Urls) -> Callable[[], str]:
    return lambda: urls(f"test_{uuid4().hex[:12]}")


@pytest.fixture(params=["folder", "postgres"])
def new_index(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], str]:
    """Makes the place of a new index."""
    if request.param == "folder":
        return lambda: str(tmp_path / f"index-{uuid4().hex[:8]}")
    gc.collect()  # connections of indexes that tests left open
    return lambda: shared_server().url(shared_server().new_database())


@pytest.fixture
def pair(tmp_path: Path, new_url: Callable[[], str], new_index: Callable[[], str]) -> Pair:
    return Pair(tmp_path, new_url(), new_index())


def test_finds_what_an_index_with_vectors_of_its_own_finds(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    modes = [SearchOptions(mode=mode, min_score=0, k=5) for mode in ("lexical", "dense", "hybrid")]
    options = [replace(one, filters=filters) for one in modes for filters in FILTERS.values()]
    assert any(pair.check(*options, *(replace(one, k=100) for one in modes)))
    # Asked of the database itself: fewer results and ranges than are wanted, and without a limit.
    monkeypatch.setattr(engine_vectors, "_COMPARED_HERE", 0)
    pair.check(*options)
    engine = type(open_engine(pair.url))
    few = replace(engine.capabilities, max_k=20, max_ranges=2)
    monkeypatch.setattr(engine, "capabilities", few)
    pair.check(*options)


def test_follows_what_changes(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_vectors, "_COMPARED_HERE", 0)
    before = pair.chunks()
    write(pair.folder, {"1-3.txt": "Whales sing in the deep sea.", "new/a.txt": "A comet crosses the sky."})
    (pair.folder / "1-4.txt").unlink()
    (pair.folder / "1-5.txt").rename(pair.folder / "renamed.txt")
    report = pair.index()
    assert report.chunks["encoded"] == 2
    pair.check()
    assert pair.ids() == pair.chunks() != before


def test_text_that_moves_to_another_file_is_not_encoded_again(pair: Pair) -> None:
    text = (pair.folder / "1-6.txt").read_text()
    (pair.folder / "1-6.txt").unlink()
    write(pair.folder, {"longer.md": f"# Another\n\nThis is new.\n\n# Old\n\n{text}\n", "copy.txt": text})
    report = pair.index()
    assert report.chunks["reused"] >= 1
    pair.check()


def test_words_first_and_vectors_later(
    tmp_path: Path, new_url: Callable[[], str], new_index: Callable[[], str]
) -> None:
    pair = Pair.__new__(Pair)
    pair.folder, pair.own, pair.other, pair.url = tmp_path / "folder", tmp_path / "own", new_index(), new_url()
    write(pair.folder, dict(texts(5, 1)))
    pair.index(vectors=pair.url, embed=False)
    assert pair.ids() == []
    pair.check(SearchOptions(min_score=0))
    assert pair.index().chunks["encoded"] == 5
    pair.check()


def test_a_rebuild_with_another_model_fills_the_collection_anew(pair: Pair) -> None:
    report = pair.index(rebuild=True, dim=None)
    assert report.chunks["encoded"] == 0
    pair.check()
    options = IndexOptions(rebuild=True, model="all-MiniLM-L6-v2")  # of 384 numbers, static has 256
    (pair.folder / "1-7.txt").unlink()
    for number in range(8, COUNT):
        (pair.folder / f"1-{number}.txt").unlink()
    index_folders([str(pair.folder)], str(pair.own), replace(options, prune=True))
    index_folders([str(pair.folder)], pair.other, replace(options, prune=True))
    pair.check()
    assert pair.ids() == pair.chunks()


def test_vectors_are_moved_and_not_encoded_again(pair: Pair, new_url: Callable[[], str]) -> None:
    second = new_url()
    for url in (second, "", pair.url):
        assert pair.index(vectors=url).chunks["encoded"] == 0
        pair.check()
        held = {one: len(pair.ids(one)) for one in (pair.url, second)}
        assert held == {one: len(pair.chunks()) * (one == url) for one in held}


def test_a_collection_that_holds_something_is_refused_and_kept(pair: Pair, new_index: Callable[[], str]) -> None:
    index = new_index()
    with pytest.raises(SemsearchError, match="holds vectors already") as caught:
        index_folders([str(pair.folder)], index, IndexOptions(model="static", vectors=pair.url))
    assert caught.value.code == "not_empty"
    pair.check()


def test_an_empty_collection_that_was_made_before_is_not_made_anew(
    tmp_path: Path, new_url: Callable[[], str], new_index: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    index, url = new_index(), new_url()
    engine = open_engine(url)
    engine.ensure(256)
    monkeypatch.setattr(type(engine), "drop", lambda self: pytest.fail("it is not ours"))
    write(tmp_path / "folder", {"a.txt": "Boats are painted."})
    options = IndexOptions(model="static", vectors=url)
    assert index_folders([str(tmp_path / "folder")], index, options).chunks["encoded"] == 1
    assert engine.count() == 1
    engine.close()


def test_a_collection_that_was_filled_since_is_refused_and_kept(
    pair: Pair, new_url: Callable[[], str], new_index: Callable[[], str]
) -> None:
    index, url = new_index(), new_url()
    index_folders([str(pair.folder)], index, IndexOptions(model="static", vectors=url, embed=False))
    pair.index(vectors=url)
    with pytest.raises(SemsearchError, match="holds vectors already"):
        index_folders([str(pair.folder)], index, IndexOptions())
    pair.url = url
    pair.check()


def test_a_clone_keeps_its_vectors_itself(pair: Pair, tmp_path: Path) -> None:
    clone = open_store(pair.other).clone(str(tmp_path / "clone"))
    assert clone.read(lambda snapshot: snapshot.info()).vectors_at is None
    with clone.write() as writer, writer.transaction() as transaction:
        transaction.drop_vectors()
    index_folders([], str(tmp_path / "clone"), IndexOptions())
    pair.check()


def test_what_was_put_there_and_not_committed_is_not_found(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    write(pair.folder, {"late.txt": "Volcanoes erupt on the island."})
    pair.index(embed=False)
    engine = open_engine(pair.url)
    pending = pair.read(lambda snapshot: snapshot.pending(5))
    vector = engine.vectors(np.array(pair.ids()[:1], np.int64))
    engine.upsert(np.array([one.id for one in pending], np.int64), vector, [{}] * len(pending))
    engine.close()
    for compared in (500, 0):
        monkeypatch.setattr(engine_vectors, "_COMPARED_HERE", compared)
        pair.check()


def test_a_search_says_that_vectors_are_lost_and_a_repair_brings_them_back(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = open_engine(pair.url)
    ids = np.array(pair.ids(), np.int64)
    engine.delete(ids[3:6])
    engine.upsert(ids[-1:] + np.array([5]), engine.vectors(ids[:1]), [{"path": "of another program"}])
    for compared in (500, 0):
        monkeypatch.setattr(engine_vectors, "_COMPARED_HERE", compared)
        with pytest.raises(IndexDamagedError, match="lacks the vector") as caught:
            pair.answers(pair.other, [SearchOptions(mode="dense", k=100, min_score=0)])
        assert "verify --repair" in caught.value.hint
    found = [(one.what, one.repair) for one in pair.examined().problems]
    again = "encode them again" if os.path.isdir(pair.other) else "the next index encodes them again"
    assert found == [
        ("3 passages have no vectors", again),
        ("1 vector is of no passage", "take them out"),
    ]
    report = pair.examined(repair=True)
    assert (report.problems, len(report.repaired)) == ((), 2)
    pair.index()
    pair.check()
    assert pair.ids() == ids.tolist()

    engine.drop()
    assert [one.what for one in pair.examined().problems] == [f"{len(ids)} passages have no vectors"]
    assert pair.examined(repair=True).problems == ()
    pair.index()
    pair.check()
    engine.close()


def test_rows_of_another_program_are_counted_and_taken_out(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = open_engine(pair.url)
    ids = pair.ids()
    rows = put_foreign(pair.url, np.repeat(engine.vectors(np.array(ids[:1], np.int64)), 30, axis=0))
    monkeypatch.setattr(engine_vectors, "_COMPARED_HERE", 0)
    dense = [SearchOptions(mode="dense", min_score=0)]
    assert pair.answers(pair.other, dense) == pair.answers(pair.own, dense)
    said = [f"{rows} vectors are of no passage"] * bool(rows)
    assert [one.what for one in pair.examined().problems] == said
    assert pair.examined(repair=True).problems == ()
    assert pair.examined().problems == () and pair.ids() == ids and engine.count() == len(ids)
    engine.close()


def test_a_question_without_a_known_word_reads_no_vector() -> None:
    vectors = engine_vectors.EngineVectors("qdrant://127.0.0.1:1/docs", "/notes.index")  # where nobody answers
    found = vectors.nearest(np.zeros(4, np.float32), 3, engine_vectors.KnownSought(Allowed(), np.arange(9)))
    assert found.ids.tolist() == [0, 1, 2] and not found.scores.any()


def test_a_collection_of_another_length_is_not_touched(pair: Pair) -> None:
    engine = open_engine(pair.url)
    engine.drop()
    engine.ensure(8)
    engine.upsert(np.array([7], np.int64), np.full((1, 8), 8**-0.5, np.float32), [{"path": "theirs"}])
    (problem,) = pair.examined(repair=True).problems
    assert problem.what.startswith("it holds vectors of 8 numbers, not of 256") and not problem.repair
    assert pair.ids() == [7]
    engine.close()


def test_vectors_of_another_length_are_told_by_a_search(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, ids = open_engine(pair.url), np.array(pair.ids(), np.int64)
    engine.drop()
    engine.ensure(8)
    engine.upsert(ids, np.full((len(ids), 8), 8**-0.5, np.float32), [{}] * len(ids))
    engine.close()
    monkeypatch.setattr(engine_vectors, "_COMPARED_HERE", 500)
    with pytest.raises(IndexDamagedError, match="numbers, not of 256"):
        pair.answers(pair.other, [SearchOptions(mode="dense", min_score=0)])
    with pytest.raises(IndexDamagedError, match="numbers, not of 256"):
        pair.index(vectors="")


def test_words_first_of_what_is_all_deleted_and_then_something_new(
    tmp_path: Path, new_url: Callable[[], str], new_index: Callable[[], str]
) -> None:
    folder, index, url = tmp_path / "folder", new_index(), new_url()
    write(folder, {"a.txt": "Boats are painted."})
    index_folders([str(folder)], index, IndexOptions(model="static", vectors=url, embed=False))
    write(folder, {"a.txt": ""})
    index_folders([str(folder)], index, IndexOptions(prune=True))
    write(folder, {"b.txt": "The harbour is closed in winter."})
    assert index_folders([str(folder)], index, IndexOptions()).chunks["encoded"] == 1
    with Searcher(index) as searcher:
        assert [hit.path for hit in searcher.search("harbour", SearchOptions(mode="dense")).hits] == ["b.txt"]
    assert verify(index, False, False, lambda message: None).problems == ()


def test_a_move_that_fails_leaves_the_collection_to_others(
    pair: Pair, new_url: Callable[[], str], new_index: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    target = new_url()
    engine = type(open_engine(target))

    def fail(*arguments: object) -> None:
        raise VectorEngineError("the disk of the database is full", "make room")

    with monkeypatch.context() as patched, pytest.raises(VectorEngineError, match="full"):
        patched.setattr(engine, "upsert", fail)
        pair.index(vectors=target)
    pair.check()
    other = new_index()
    index_folders([str(pair.folder)], other, IndexOptions(model="static", vectors=target))
    with pytest.raises(SemsearchError, match="holds vectors already"):
        pair.index(vectors=target)
    assert verify(other, False, False, lambda message: None).problems == ()
    pair.check()


def test_a_filter_of_many_ranges_is_not_applied_after_the_nearest(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of every other file, all are further from the question than those between them."""
    monkeypatch.setattr(engine_vectors, "_COMPARED_HERE", 0)
    engine = type(open_engine(pair.url))
    monkeypatch.setattr(engine, "capabilities", replace(engine.capabilities, max_k=20, max_ranges=4))
    read: list[int] = []
    original = engine.vectors
    monkeypatch.setattr(engine, "vectors", lambda self, ids: read.append(len(ids)) or original(self, ids))
    with Searcher(pair.other) as searcher:
        options = SearchOptions(mode="dense", k=3, min_score=0, filters=FILTERS["scattered"], fold=False)
        found = searcher.search(QUERIES[0], options).hits
    assert len(found) == 3 and sum(read) < COUNT
    monkeypatch.undo()
    pair.check(replace(options, k=20))


def test_a_rebuild_gets_away_from_a_database_that_is_lost(pair: Pair, new_url: Callable[[], str]) -> None:
    engine = open_engine(pair.url)
    engine.drop()
    engine.close()
    with pytest.raises(SemsearchError):
        pair.index(vectors="")
    shutil.rmtree(pair.own)
    assert pair.index(vectors=new_url(), rebuild=True).chunks["encoded"] > 0
    pair.check()
