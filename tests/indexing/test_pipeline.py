"""Round trips of whole runs: an index that was edited answers as one that was built anew."""

import gzip
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from semsearch.errors import LockedError, SemsearchError, UsageError
from semsearch.index_report import IndexReport
from semsearch.indexing import IndexOptions, Progress, index_folders, pipeline
from semsearch.retrieval.options import SearchOptions
from semsearch.retrieval.searcher import Searcher
from semsearch.store.local import rows
from semsearch.store.local.catalog import Catalog
from semsearch.store.local.reader import OpenSnapshot
from semsearch.store.local.writer import IndexWriter
from semsearch.store.opening import open_store
from tests.support.folders import NOTES, write
from tests.support.found import Found

FAST = IndexOptions(model="static")


def run(folder: Path, index: Path, **options: object) -> IndexReport:
    model = {} if (index / "catalog.db").exists() and not options.get("rebuild") else {"model": "static"}
    return index_folders([str(folder)], str(index), IndexOptions(**{**model, **options}))  # type: ignore[arg-type]


def answers(index: Path, queries: list[str] | None = None) -> Found:
    """What searches return, without ids: path, line, text, score, cosine."""
    found = Found()
    with Searcher(str(index)) as searcher:
        for query in queries or ["prune roses", "sourdough oven temperature", "start the pump", "ferry harbour"]:
            for mode in ("hybrid", "lexical", "dense"):
                result = searcher.search(query, SearchOptions(mode=mode, fold=False, min_score=0))
                found.append([(hit.path, hit.line_start, hit.text, hit.score, hit.dense or 0.0) for hit in result.hits])
    return found


def same_as_new(folder: Path, index: Path) -> None:
    fresh = index.with_name("fresh")
    run(folder, fresh)
    assert answers(index) == answers(fresh)
    shutil.rmtree(fresh)
    healthy(index)


def healthy(index: Path) -> None:
    """Every chunk of the catalog stands alive exactly once in each leg."""
    snapshot = OpenSnapshot(str(index))
    chunks = [
        row[0]
        for row in snapshot.catalog.connection.execute("SELECT id FROM chunks WHERE file_id IS NOT NULL ORDER BY id")
    ]
    in_files = [
        number
        for row in snapshot.catalog.connection.execute(
            "SELECT first_chunk, chunk_count FROM files ORDER BY first_chunk"
        )
        for number in range(row[0], row[0] + row[1])
    ]
    assert chunks == in_files
    for kind, ids in (
        ("lex", [part.ids for part in snapshot.postings()]),
        ("vec", [part.ids for part in snapshot.dense_segments()]),
    ):
        kept = [one.alive() for one in rows.segments(snapshot.catalog, kind)]
        alive = [part if keep is None else part[keep] for part, keep in zip(ids, kept, strict=True)]
        found = np.concatenate(alive).tolist() if alive else []
        assert found == sorted(found)
        assert found == chunks, kind
    snapshot.close()


@pytest.fixture
def index(notes: Path, tmp_path: Path) -> Path:
    path = tmp_path / "index"
    run(notes, path)
    return path


def test_a_new_index_holds_everything(notes: Path, tmp_path: Path) -> None:
    report = run(notes, tmp_path / "index")
    assert report.files == {"added": 5, "changed": 0, "renamed": 0, "removed": 0, "unchanged": 0}
    assert report.chunks["total"] == report.chunks["encoded"] == report.chunks["added"] > 0
    assert report.chunks["pending"] == 0
    assert (report.skipped, report.failed) == ([], [])
    healthy(tmp_path / "index")
    with Searcher(str(tmp_path / "index")) as searcher:
        hit = searcher.search("when to prune roses").hits[0]
    assert (hit.path, hit.type, hit.title) == ("garden.md", "markdown", "Garden notes")
    assert hit.heading == ("Garden notes", "Roses")
    assert hit.metadata["tags"] == ["plants", "soil"]


def test_nothing_changed_reads_and_writes_nothing(notes: Path, index: Path) -> None:
    before = sorted(os.listdir(index / "segments"))
    report = run(notes, index)
    assert report.files["unchanged"] == 5
    assert sum(report.files.values()) == 5
    assert report.chunks["encoded"] == report.chunks["added"] == 0
    assert sorted(os.listdir(index / "segments")) == before


def test_change_encodes_only_what_is_new(notes: Path, index: Path) -> None:
    long = "\n\n".join(
        f"## Part {number}\n\n" + f"Topic {number} is described here in many words. " * 20 for number in range(6)
    )
    write(notes, {"long.md": long})
    assert run(notes, index).chunks["encoded"] > 5
    write(notes, {"long.md": long.replace("Topic 3", "Subject 3")})
    report = run(notes, index)
    assert report.files["changed"] == 1
    assert 0 < report.chunks["encoded"] <= 2
    assert report.chunks["reused"] >= 4
    same_as_new(notes, index)


@pytest.mark.slow
def test_rename_and_copy_encode_nothing(notes: Path, index: Path) -> None:
    (notes / "kitchen").rename(notes / "cellar")
    shutil.copy2(notes / "garden.md", notes / "copy.md")
    report = run(notes, index)
    assert (report.files["renamed"], report.files["added"], report.files["removed"]) == (2, 1, 0)
    assert report.chunks["encoded"] == 0
    same_as_new(notes, index)


@pytest.mark.slow
def test_swapped_names(notes: Path, index: Path) -> None:
    (notes / "kitchen/bread.txt").rename(notes / "x")
    (notes / "kitchen/soup.txt").rename(notes / "kitchen/bread.txt")
    (notes / "x").rename(notes / "kitchen/soup.txt")
    assert run(notes, index).chunks["encoded"] == 0
    same_as_new(notes, index)


def test_delete_and_everything_at_once(notes: Path, index: Path) -> None:
    (notes / "travel.html").unlink()
    (notes / "kitchen/soup.txt").rename(notes / "soup.txt")
    write(notes, {"garden.md": NOTES["garden.md"] + "\n## Herbs\n\nCut the basil often.\n", "new.txt": "A new note.\n"})
    report = run(notes, index)
    assert report.files == {"added": 1, "changed": 1, "renamed": 1, "removed": 1, "unchanged": 2}
    same_as_new(notes, index)
    assert not any("travel.html" in str(found) for found in answers(index))


def test_a_touched_file_is_not_a_changed_file(notes: Path, index: Path) -> None:
    os.utime(notes / "garden.md", (1, 1))
    report = run(notes, index)
    assert report.files["changed"] == 0
    assert report.chunks["added"] == 0


def test_an_edit_within_the_resolution_of_the_time_stamp_is_seen(notes: Path, tmp_path: Path) -> None:
    path = notes / "kitchen/soup.txt"
    path.write_text("old text about leeks\n")
    stamp = path.stat()
    run(notes, tmp_path / "index")
    with open(path, "r+") as file:
        file.write("new text about beets\n")
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert run(notes, tmp_path / "index").files["changed"] == 1


@pytest.mark.slow
def test_verify_sees_what_hides_behind_an_old_stamp(notes: Path, index: Path) -> None:
    path = notes / "kitchen/soup.txt"
    stamp = path.stat()
    with open(path, "r+") as file:
        file.write("Simmer the beet")
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert run(notes, index).files["changed"] == 0
    assert run(notes, index, verify=True).files["changed"] == 1
    same_as_new(notes, index)


@pytest.mark.slow
def test_many_runs_merge_and_forget_what_is_dead(notes: Path, index: Path) -> None:
    for number in range(20):
        write(notes, {"counter.txt": f"run number {number} writes this\n", f"n{number}.txt": f"note {number}\n"})
        run(notes, index)
    catalog, _ = Catalog.open_for_reading(str(index))
    segments = {kind: rows.segments(catalog, kind) for kind in ("lex", "vec")}
    assert all(len(found) < 16 for found in segments.values())
    assert catalog.connection.execute("SELECT COUNT(*) FROM chunks WHERE file_id IS NULL").fetchone()[0] == 0
    names = {one.name for found in segments.values() for one in found}
    catalog.close()
    run(notes, index)
    assert set(os.listdir(index / "segments")) == names
    same_as_new(notes, index)


@pytest.mark.slow
def test_words_first_meaning_later(notes: Path, tmp_path: Path) -> None:
    index = tmp_path / "index"
    report = run(notes, index, embed=False)
    assert report.chunks["pending"] == report.chunks["total"]
    with Searcher(str(index)) as searcher:
        result = searcher.search("leek soup")
        assert (result.mode, result.hits[0].path) == ("lexical", "kitchen/soup.txt")
        assert result.coverage.pending == result.coverage.chunks
        assert "not encoded yet" in result.notices[0]
        with pytest.raises(SemsearchError, match="holds no vectors yet"):
            searcher.search("leek soup", SearchOptions(mode="dense"))
    assert run(notes, index).chunks["encoded"] == report.chunks["total"]
    same_as_new(notes, index)


def interrupted_after(count: int) -> Progress:
    """A Progress that presses Ctrl-C after `count` encoded chunks."""
    seen = 0

    def encoded(step: int) -> None:
        nonlocal seen
        seen += step
        if seen >= count:
            raise KeyboardInterrupt

    return Progress(encoded=encoded)


@pytest.mark.slow
def test_an_interrupted_run_keeps_what_it_encoded_and_is_resumed(tmp_path: Path) -> None:
    folder, index = tmp_path / "many", tmp_path / "index"
    write(folder, {f"{number}.txt": f"Document {number} speaks of matter {number * 7}.\n" for number in range(200)})
    with pytest.raises(KeyboardInterrupt):
        index_folders([str(folder)], str(index), FAST, interrupted_after(100))
    with Searcher(str(index)) as searcher:
        result = searcher.search("matter 1393")
        assert result.hits[0].path == "199.txt"
        assert 0 < result.coverage.pending < 200
        done = 200 - result.coverage.pending
    report = run(folder, index)
    assert report.chunks["encoded"] == 200 - done
    same_as_new(folder, index)


@pytest.mark.slow
@pytest.mark.parametrize("point", ["lexical", "dense", "commit"])
def test_a_run_that_dies_leaves_the_last_commit(
    notes: Path, index: Path, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = answers(index)
    write(notes, {"garden.md": "# Other\n\nAll of it is new.\n", "added.txt": "An added file.\n"})

    def die(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        if point == "lexical":
            patch.setattr("semsearch.store.local.segment_folder.os.rename", die)
        elif point == "dense":
            patch.setattr(IndexWriter, "write_dense", die)
        else:
            patch.setattr(IndexWriter, "add_segment", die)
        with pytest.raises(OSError, match="No space"):
            run(notes, index)
    if point != "dense":
        assert answers(index) == before
    run(notes, index)
    same_as_new(notes, index)


@pytest.mark.slow
def test_settings_are_kept_and_another_model_needs_a_rebuild(notes: Path, tmp_path: Path) -> None:
    index = tmp_path / "index"
    run(notes, index, exclude=("kitchen/",), chunk_size=40)
    report = run(notes, index)
    assert report.indexed == 3
    for change in ({"model": "all-MiniLM-L6-v2"}, {"chunk_size": 50}):
        with pytest.raises(SemsearchError) as caught:
            run(notes, index, **change)
        assert caught.value.code == "settings_mismatch"
        assert "make it anew with: semsearch index --rebuild --" in caught.value.hint
        assert caught.value.hint.startswith("leave out --model") == ("model" in change)
    report = index_folders([], str(index), IndexOptions(rebuild=True, model="all-MiniLM-L6-v2"))
    assert report.chunks["encoded"] == report.chunks["total"] > 0
    healthy(index)
    with Searcher(str(index)) as searcher:
        assert searcher.search("baking").coverage.files == 3


@pytest.mark.slow
def test_a_rebuild_that_was_interrupted_is_finished_by_the_next_run(notes: Path, index: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        index_folders([str(notes)], str(index), IndexOptions(rebuild=True, chunk_size=30), interrupted_after(1))
    run(notes, index)
    run(notes, index.with_name("other"), chunk_size=30)
    assert answers(index) == answers(index.with_name("other"))
    healthy(index)


def test_most_files_gone_is_refused(notes: Path, index: Path) -> None:
    shutil.rmtree(notes / "kitchen")
    (notes / "garden.md").unlink()
    with pytest.raises(SemsearchError, match="3 of 5 indexed files are gone") as caught:
        run(notes, index)
    assert "--prune" in caught.value.hint
    notes.rename(notes.with_name("away"))
    with pytest.raises(SemsearchError, match="is gone; nothing was changed"):
        index_folders([], str(index))
    healthy(index)
    index_folders([], str(index), IndexOptions(prune=True))
    catalog, _ = Catalog.open_for_reading(str(index))
    assert catalog.counts()["chunks"] == 0
    assert catalog.roots() == []
    catalog.close()


def test_several_folders_in_one_index(notes: Path, index: Path, tmp_path: Path) -> None:
    write(tmp_path / "more" / "notes", {"garden.md": "Orchids like mist.\n"})
    run(tmp_path / "more" / "notes", index)
    with Searcher(str(index)) as searcher:
        assert searcher.search("orchids mist").hits[0].path == "notes-2/garden.md"
        assert searcher.search("prune roses").hits[0].path == "notes/garden.md"
    assert index_folders([], str(index)).files["unchanged"] == 6
    healthy(index)


def test_an_index_inside_its_folder_can_be_moved_with_it(notes: Path, tmp_path: Path) -> None:
    run(notes, notes / ".semsearch")
    notes.rename(tmp_path / "moved")
    index = tmp_path / "moved" / ".semsearch"
    assert index_folders([], str(index)).files["unchanged"] == 5
    assert (index / ".gitignore").read_text() == "*\n"
    assert (index / "CACHEDIR.TAG").read_text().startswith("Signature: 8a477f597d28d172789f06886806bc55")


def run_while(folder: Path, index: Path, happens: Callable[[], None]) -> IndexReport:
    """A run in which something happens after the walk and before the first file is opened."""
    model = None if (index / "catalog.db").exists() else "static"
    return index_folders(
        [str(folder)], str(index), IndexOptions(model=model), Progress(reading=lambda total: happens())
    )


@pytest.mark.slow
def test_files_that_cannot_be_read_are_named_and_tried_again(notes: Path, tmp_path: Path) -> None:
    write(
        notes,
        {
            "nul.txt": b"\0" * 3000,
            "picture.png": b"\x89PNG\r\n\x1a\n\0\0",
            "broken.pdf": b"%PDF-1.5 and nothing more",
            "empty.md": b"",
            "latin.txt": "Grüße aus der Küche: süße Brötchen für alle Gäste, täglich frisch gebacken. ".encode("cp1252")
            * 9,
        },
    )
    bread, soup, pump = notes / "kitchen/bread.txt", notes / "kitchen/soup.txt", notes / "code/pump.py"
    contents = {path: path.read_bytes() for path in (bread, soup, pump)}

    def happens() -> None:
        for path in contents:
            path.unlink()
        bread.symlink_to(bread)
        os.mkfifo(pump)

    report = run_while(notes, tmp_path / "index", happens)
    assert dict(report.skipped) == {
        "nul.txt": "filled with NUL bytes",
        "picture.png": "an image (needs OCR)",
        "empty.md": "empty file",
        "code/pump.py": "not a regular file",
        "kitchen/bread.txt": "symbolic link (--follow takes those that stay inside the folder)",
    }
    failed = dict(report.failed)
    assert set(failed) == {"broken.pdf", "kitchen/soup.txt"}
    assert failed["kitchen/soup.txt"] == "vanished while it was read"
    assert failed["broken.pdf"].startswith("damaged PDF file: ")
    with Searcher(str(tmp_path / "index")) as searcher:
        assert searcher.search("süße Brötchen", SearchOptions(mode="lexical")).hits[0].path == "latin.txt"
    for path, content in contents.items():
        path.unlink(missing_ok=True)
        path.write_bytes(content)
    report = run(notes, tmp_path / "index")
    assert set(dict(report.failed)) == {"broken.pdf"}
    same_as_new(notes, tmp_path / "index")


def test_an_indexed_file_that_cannot_be_read_now_keeps_its_place(notes: Path, index: Path) -> None:
    soup = notes / "kitchen/soup.txt"
    os.utime(soup, (5, 5))

    report = run_while(notes, index, soup.unlink)
    reason = "vanished while it was read; what was indexed of it is kept"
    assert report.failed == [("kitchen/soup.txt", reason)]
    with Searcher(str(index)) as searcher:
        assert searcher.search("leek soup").hits[0].path == "kitchen/soup.txt"


def test_two_writers(notes: Path, index: Path) -> None:
    with IndexWriter(str(index)), pytest.raises(LockedError, match=rf"process {os.getpid()}\)"):
        run(notes, index)


@pytest.fixture
def odd_names() -> Iterator[list[bytes]]:
    yield [b"new\nline.txt", b"caf\xe9.txt", b"[id].tsx", " wide 東京.txt".encode(), b"-dash.txt"]


def test_odd_file_names(tmp_path: Path, odd_names: list[bytes]) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    for number, name in enumerate(odd_names):
        with open(os.path.join(os.fsencode(folder), name), "w") as file:
            file.write(f"content number {number} of the odd names\n")
    report = run(folder, tmp_path / "index")
    assert report.files["added"] == len(odd_names)
    with Searcher(str(tmp_path / "index")) as searcher:
        paths = {hit.path for hit in searcher.search("odd names content").hits}
    assert "caf\\xe9.txt" in paths
    assert run(folder, tmp_path / "index").files["added"] == 0


@pytest.mark.slow
def test_dry_run_tells_and_writes_nothing(notes: Path, tmp_path: Path, index: Path) -> None:
    report = run(notes, tmp_path / "none", dry_run=True)
    assert report.files["added"] == 5
    assert not (tmp_path / "none").exists()
    (notes / "travel.html").unlink()
    write(notes, {"new.txt": "x", "garden.md": "changed\n"})
    before = (index / "catalog.db").stat().st_mtime_ns
    report = run(notes, index, dry_run=True)
    assert report.files == {"added": 1, "changed": 1, "renamed": 0, "removed": 1, "unchanged": 3}
    assert (index / "catalog.db").stat().st_mtime_ns == before


def test_folders_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such folder"):
        index_folders([str(tmp_path / "none")], str(tmp_path / "index"))
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="not a folder, but a file"):
        index_folders([str(tmp_path / "file")], str(tmp_path / "index"))
    with pytest.raises(UsageError, match="no index at"):
        index_folders([], str(tmp_path / "index"))
    assert not (tmp_path / "index").exists()


def test_what_is_refused_leaves_the_settings_as_they_were(notes: Path, index: Path) -> None:
    before = answers(index)
    with pytest.raises(SemsearchError, match="nothing was changed"):
        run(notes, index, exclude=("*",))
    with pytest.raises(SemsearchError, match="nothing was changed"):
        run(notes, index, max_file_size=1)
    notes.rename(notes.with_name("elsewhere"))
    with pytest.raises(SemsearchError, match="nothing was changed"):
        index_folders([], str(index), IndexOptions(rebuild=True, model="all-MiniLM-L6-v2"))
    assert answers(index) == before
    notes.with_name("elsewhere").rename(notes)
    assert run(notes, index).files["unchanged"] == 5


@pytest.mark.slow
def test_a_larger_size_limit_takes_in_what_was_too_large(notes: Path, index: Path) -> None:
    write(notes, {"big.txt": "zebra " * 500})
    assert dict(run(notes, index, max_file_size=1000).skipped)["big.txt"].startswith("larger than")
    assert run(notes, index, max_file_size=10_000).files["added"] == 1
    same_as_new(notes, index)


@pytest.mark.slow
def test_a_rebuild_heals_damage_of_the_same_size(notes: Path, index: Path) -> None:
    before = answers(index)
    for path in [*index.glob("segments/vec-*/index.faiss"), *index.glob("segments/lex-*/bm25.bin")]:
        data = bytearray(path.read_bytes())
        data[-200:] = bytes(200)
        path.write_bytes(data)
    run(notes, index, rebuild=True)
    assert answers(index) == before
    healthy(index)


@pytest.mark.slow
def test_a_rebuild_reads_a_renamed_file_anew(notes: Path, index: Path) -> None:
    write(notes, {"long.md": "\n\n".join(f"Paragraph {number} about the harbor." for number in range(60))})
    run(notes, index)
    (notes / "long.md").rename(notes / "moved.md")
    report = run(notes, index, rebuild=True, chunk_size=32)
    assert report.chunks["added"] > 20
    assert report.chunks["pending"] == 0
    healthy(index)


@pytest.mark.slow
def test_a_rebuild_goes_through_all_folders(notes: Path, index: Path, tmp_path: Path) -> None:
    write(tmp_path / "more", {"zephyr.txt": "a zephyr blows\n"})
    run(tmp_path / "more", index)
    for path in index.glob("segments/lex-*/bm25.bin"):
        path.unlink()
    run(notes, index, rebuild=True)
    with Searcher(str(index)) as searcher:
        assert searcher.search("zephyr", SearchOptions(mode="lexical")).hits[0].path == "more/zephyr.txt"
    healthy(index)


def test_an_empty_folder_that_is_gone_can_be_pruned(notes: Path, index: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    run(tmp_path / "empty", index)
    (tmp_path / "empty").rmdir()
    index_folders([], str(index), IndexOptions(prune=True))
    assert index_folders([], str(index)).files["unchanged"] == 5


def test_a_folder_with_other_things_in_it_is_no_index(notes: Path, tmp_path: Path) -> None:
    write(tmp_path / "project", {"segments/mine/data": "precious", "lock": "mine"})
    with pytest.raises(SemsearchError, match="other things in it"):
        run(notes, tmp_path / "project")
    assert (tmp_path / "project/segments/mine/data").read_text() == "precious"
    assert sorted(path.name for path in (tmp_path / "project").iterdir()) == ["lock", "segments"]


def test_the_log_is_folded_in_while_a_reader_is_there(notes: Path, index: Path) -> None:
    write(notes, {"new.txt": "something new\n"})
    reader, _ = Catalog.open_for_reading(str(index))
    writer = IndexWriter(str(index))
    snapshot, _ = Catalog.open_for_reading(str(index))
    snapshot.close()
    writer.close()
    run(notes, index)
    reader.close()
    run(notes, index)
    log = index / "catalog.db-wal"
    assert not log.exists() or log.stat().st_size == 0


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE settings SET value = '5' WHERE key = 'model'",
        "UPDATE segments SET files = '[]'",
        "UPDATE files SET metadata = 'x'",
        "UPDATE chunks SET heading = '5'",
        "PRAGMA foreign_keys = OFF; DELETE FROM roots",
    ],
)
def test_a_catalog_with_nonsense_in_it_is_a_damaged_index(notes: Path, index: Path, statement: str) -> None:
    catalog = Catalog.open_for_writing(str(index))
    catalog.connection.executescript(statement)
    catalog.close()
    with Searcher(str(index)) as searcher, pytest.raises(SemsearchError) as caught:
        searcher.search("prune roses")
    assert caught.value.hint


def test_a_few_vectors_do_not_push_words_aside(notes: Path, tmp_path: Path) -> None:
    """While encoding goes on, the dense leg weighs as much as the share of chunks it knows."""
    index = tmp_path / "index"
    write(notes, {f"other/{number}.txt": f"Nothing to see in note {number}.\n" for number in range(60)})
    run(notes, index, embed=False, include=("other/0*",))
    run(notes, index, include=("other/0*",))
    run(notes, index, embed=False, include=("*",))
    with Searcher(str(index)) as searcher:
        best = searcher.search("how is the sourdough baked", SearchOptions(explain=True)).hits[0]
    assert best.path == "kitchen/bread.txt"
    assert best.explanation is not None and (best.explanation.alpha or 0) < 0.05


def test_a_run_out_of_time_gives_up_the_file_it_waits_for_and_keeps_the_rest(tmp_path: Path) -> None:
    folder, index = tmp_path / "folder", tmp_path / "index"
    write(folder, {f"n{number}.txt": f"note {number}" for number in range(5)})
    with gzip.open(folder / "a.txt.gz", "wb", 1) as file:
        for _ in range(200):
            file.write(b"words of many lines\n" * 100_000)
    began = time.monotonic()
    report = run(folder, index, max_seconds=2.0)
    assert time.monotonic() - began < 30, "it takes minutes to be read"
    assert report.stopped and report.left == 1 and report.files["added"] == 5
    assert not report.failed and not report.skipped
    (folder / "a.txt.gz").write_bytes(gzip.compress(b"a short text"))
    assert run(folder, index).files["added"] == 1
    healthy(index)


def test_what_a_walk_did_not_come_to_is_not_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "_GRACE_SECONDS", 0.0)
    folder, index = tmp_path / "folder", tmp_path / "index"
    write(folder, {f"sub{number}/n.txt": f"note {number}" for number in range(8)})
    run(folder, index)
    write(folder, {"sub0/new.txt": "new"})
    report = index_folders([str(folder)], str(index), IndexOptions(max_seconds=1e-9))
    assert report.stopped and not report.files["removed"] and report.indexed == 8
    assert run(folder, index).files["added"] == 1


def test_a_run_waits_for_another_one_no_longer_than_its_own_time(tmp_path: Path) -> None:
    write(tmp_path / "folder", {"a.txt": "note"})
    run(tmp_path / "folder", tmp_path / "index")
    with open_store(str(tmp_path / "index")).write(), pytest.raises(LockedError):
        run(tmp_path / "folder", tmp_path / "index", wait=True, max_seconds=0.5)
