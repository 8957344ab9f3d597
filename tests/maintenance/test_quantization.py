"""`quantize`: what it measures is what searches then do, it can be undone, and nothing that stops it halfway shows."""

import dataclasses
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from semsearch.dense import vector_format
from semsearch.dense.codec import KINDS
from semsearch.errors import IndexDamagedError, SemsearchError, UsageError
from semsearch.indexing import IndexOptions, index_folders
from semsearch.maintenance.quantization import QuantizeOptions, QuantizeReport, measuring, quantize
from semsearch.retrieval.options import SearchOptions
from semsearch.retrieval.searcher import Searcher
from semsearch.store.local.dense_segment import DenseSegment
from semsearch.store.local.merging import rewrite_vectors
from semsearch.store.local.reader import OpenSnapshot
from semsearch.store.local.writer import IndexWriter
from tests.support.commands import Command
from tests.support.dense_hits import QUERIES, hits
from tests.support.folders import write
from tests.support.made_texts import texts


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of 700 passages beside their folder."""
    base = tmp_path_factory.mktemp("quantize")
    write(base / "folder", texts(700, 1))
    index_folders([str(base / "folder")], None, IndexOptions(model="static"))
    return base


@pytest.fixture
def index(original: Path, tmp_path: Path) -> Path:
    shutil.copytree(original, tmp_path / "copy")
    return tmp_path / "copy" / "folder" / ".semsearch"


def change(index: Path, kind: str | None = None, **options: object) -> QuantizeReport:
    return quantize(str(index), QuantizeOptions(kind, queries=50, **options))  # type: ignore[arg-type]


def content(index: Path) -> dict[str, bytes]:
    return {str(path.relative_to(index)): path.read_bytes() for path in (index / "segments").rglob("*.*")}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_finds_the_same_and_can_be_undone(index: Path, kind: str) -> None:
    before, stored = hits(index), content(index)
    report = change(index, kind, max_loss=0.02)
    assert report.passed
    assert report.after is not None and report.after.loss <= 0.02
    assert hits(index) == before
    snapshot = OpenSnapshot(str(index))
    assert snapshot.vector_format().kind == kind
    assert snapshot.vector_format().loss == pytest.approx(report.after.loss, abs=1e-6)
    snapshot.close()
    back = change(index, "float16")
    assert back.passed
    if kind != "float32":
        assert sorted(content(index).values()) == sorted(stored.values())
    assert hits(index) == before


def test_passages_that_are_equally_near_are_no_loss(tmp_path: Path) -> None:
    """The same words in another order have the same static vector but for rounding: any ten of them are the nearest."""
    words = ["the", "baker", "sells", "fresh", "bread", "near", "the", "old", "harbour", "every", "winter", "morning"]
    shuffled = np.random.default_rng(1)
    write(tmp_path / "folder", {f"{number}.txt": " ".join(shuffled.permutation(words)) + "." for number in range(60)})
    index_folders([str(tmp_path / "folder")], str(tmp_path / "index"), IndexOptions(model="static"))
    for row in change(tmp_path / "index", dry_run=True).table:
        assert (row.format.kind, row.loss, row.top1) == (row.format.kind, 0, 1)


def test_a_format_that_finds_other_passages_loses(index: Path) -> None:
    binary = next(row for row in change(index, dry_run=True, keep_original=False).table if row.format.kind == "binary")
    assert binary.loss > 0.1 and binary.top1 < 1


@pytest.mark.slow
def test_what_was_measured_is_what_a_later_run_measures(index: Path) -> None:
    """The table is made of formats in memory, `now` is read from the disk."""
    for kind, keep in (("binary", True), ("int4", False), ("pq", True)):
        report = change(index, kind, keep_original=keep, max_loss=0.9)
        assert report.after is not None
        again = change(index, dry_run=True)
        assert again.before.format.kind == kind
        if keep:
            assert again.before.recall == report.after.recall
            assert again.before.searched == report.after.searched
            change(index, "float16")
        else:
            assert again.before.recall == 1  # what is kept is the finest there is
            break


@pytest.mark.slow
@pytest.mark.parametrize("ann", ["exact", "ivf"])
def test_filters_and_deletions_work_with_cells_and_codes(
    index: Path, ann: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("semsearch.dense.cells.FEWEST_ROWS", 100)
    monkeypatch.setattr("semsearch.dense.cells.PROBED_SHARE", 2)
    report = change(index, "int8", ann=ann, max_loss=0.05)
    assert report.changed
    gone = {path for found in hits(index) for path, _ in found[:3]}
    for path in gone:
        (index.parent / path).unlink()
    index_folders([], str(index), IndexOptions())
    left = hits(index)
    assert all(len(found) == 10 for found in left)
    assert not gone & {path for found in left for path, _ in found}
    from semsearch.store.records import Filters

    with Searcher(str(index)) as searcher:
        few = searcher.search(
            QUERIES[0], SearchOptions(mode="dense", filters=Filters(paths=("1-4?.txt",)), min_score=0, fold=False)
        )
    assert len(few.hits) == 10
    assert all(hit.path.startswith("1-4") for hit in few.hits)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "keep"), [("int8", True), ("int8", False), ("binary", True), ("pq", True)])
def test_later_runs_keep_the_format_and_the_loss(index: Path, kind: str, keep: bool) -> None:
    report = change(index, kind, keep_original=keep, max_loss=0.05)
    assert report.changed
    folder = index.parent
    for seed in range(2, 11):  # enough small segments to be merged
        write(folder, texts(12, seed))
        index_folders([], str(index), IndexOptions())
    with IndexWriter(str(index)) as writer:
        segments = writer.segments("vec")
    assert len(segments) < 10
    for segment in segments:
        assert (f"{kind}.faiss" in segment.files) == keep
        assert "index.faiss" in segment.files
    fresh = index.parent.with_name("fresh")
    index_folders([str(folder)], str(fresh), IndexOptions(model="static"))
    exact, found = hits(fresh), hits(index)
    same = [len({p for p, _ in a} & {p for p, _ in b}) for a, b in zip(exact, found, strict=True)]
    assert np.mean(same) >= 9.5
    again = change(index, dry_run=True)
    assert again.before.loss <= 0.05


def test_dropped_originals_are_said_to_be_gone_and_rebuild_brings_them_back(index: Path) -> None:
    size = sum(len(data) for name, data in content(index).items() if "vec-" in name)
    report = change(index, "int8", keep_original=False, max_loss=0.05)
    assert report.changed
    assert sum(len(data) for name, data in content(index).items() if "vec-" in name) < 0.6 * size
    with pytest.raises(SemsearchError, match="finer ones were dropped") as raised:
        change(index, "float16")
    assert "--rebuild" in raised.value.hint
    done = index_folders([], str(index), IndexOptions(rebuild=True))
    assert done.chunks["encoded"] == 700
    assert OpenSnapshot(str(index)).vector_format().kind == "float16"


def test_dropping_needs_a_limit_that_allows_the_loss(index: Path) -> None:
    before = content(index)
    report = change(index, "binary", keep_original=False)
    assert not report.passed and not report.changed
    assert report.table[0].loss > 0.01
    assert content(index) == before
    assert change(index, "binary", keep_original=False, max_loss=0.95).changed


@pytest.mark.slow
def test_shorter_vectors(index: Path) -> None:
    report = change(index, "int8", dim=64, max_loss=0.2)
    assert report.after is not None and report.after.as_dict()["dim"] == 64
    assert report.after.searched < 700 * 70
    assert all(len(found) == 10 for found in hits(index))
    assert change(index, "float16", dim=128, keep_original=False, max_loss=0.9).changed
    snapshot = OpenSnapshot(str(index))
    assert snapshot.dense_segments()[0].vectors.vectors(np.arange(3)).shape == (3, 128)
    snapshot.close()
    assert all(len(found) == 10 for found in hits(index, "hybrid"))
    write(index.parent, texts(5, 77))
    assert index_folders([], str(index), IndexOptions()).chunks["encoded"] == 5
    assert change(index, "int8", keep_original=False, max_loss=0.5).changed
    with pytest.raises(SemsearchError, match="dropped"):
        change(index, "float16", dim=256)


def test_the_smallest_that_passes_is_chosen(index: Path) -> None:
    report = change(index, max_loss=0.5)
    assert report.after is not None
    smaller = [row for row in report.table if row.searched < report.after.searched]
    assert all(row.loss > 0.5 for row in smaller)
    with Searcher(str(index)) as searcher:
        assert searcher.search(QUERIES[0], SearchOptions(min_score=0)).hits


@pytest.mark.slow
def test_large_segments_are_scanned_by_bits_first(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vector_format, "CROSSOVER", 300)
    before = hits(index)
    index_folders([str(index.parent)], str(index.parent.with_name("large")), IndexOptions(model="static"))
    large = index.parent.with_name("large")
    assert any(name.endswith("binary.faiss") for name in content(large))
    assert hits(large) == before
    assert change(large, "float16", ann="exact").changed
    assert not any(name.endswith("binary.faiss") for name in content(large))
    assert hits(large) == before


def test_a_refused_or_failed_change_leaves_everything(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = content(index)
    assert not change(index, "binary", max_loss=0, keep_original=False).passed
    assert content(index) == before
    monkeypatch.setattr("shutil.disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9, 1000))  # type: ignore[attr-defined]
    with pytest.raises(SemsearchError, match="MB free") as raised:
        change(index, "int8")
    assert raised.value.code == "no_space"
    assert content(index) == before
    monkeypatch.undo()
    done: list[str] = []

    def stopped(self: IndexWriter, row: object, name: str, files: object) -> None:
        done.append(name)
        raise KeyboardInterrupt

    monkeypatch.setattr(IndexWriter, "replace_segment", stopped)
    with pytest.raises(KeyboardInterrupt):
        change(index, "int8")
    assert done
    monkeypatch.undo()
    assert content(index) == before
    assert hits(index)


@pytest.mark.slow
def test_killed_anywhere_the_old_format_serves(index: Path) -> None:
    before = hits(index)
    code = (
        "import os, sys, semsearch.store.local.segment_folder as segments\n"
        "import semsearch.maintenance.quantization as quantization\n"
        "def die(*arguments): os.kill(os.getpid(), 9)\n"
        "setattr(segments.os if sys.argv[2] == 'rename' else segments, sys.argv[2], die)\n"
        "quantization.quantize(sys.argv[1], quantization.QuantizeOptions('binary', queries=20))\n"
    )
    for step in ("rename", "sync_folder"):
        done = subprocess.run([sys.executable, "-c", code, str(index), step], capture_output=True, check=False)
        assert done.returncode == -9, done.stderr
        assert hits(index) == before
    assert change(index, "binary").changed
    left = {name.split("/")[1] for name in content(index) if "vec-" in name}
    with IndexWriter(str(index)) as writer:
        assert left == {one.name for one in writer.segments("vec")}


def test_a_search_that_has_the_old_format_open_goes_on(index: Path) -> None:
    with Searcher(str(index)) as searcher:
        options = SearchOptions(mode="dense", min_score=0)
        before = [hit.path for hit in searcher.search(QUERIES[0], options).hits]
        for kind in ("int8", "binary", "float16"):
            change(index, kind)
            assert [hit.path for hit in searcher.search(QUERIES[0], options).hits] == before


def test_a_record_that_does_not_fit_is_an_error(index: Path) -> None:
    change(index, "int8", keep_original=False, max_loss=0.5)
    for wrong in (
        {"store": "int9"},
        {"full_dim": 3},
        {"trained": {}},
        {"trained": {"int8": {"ranges": "AAAA"}}},
        {"loss": "x"},
    ):
        with IndexWriter(str(index)) as writer:
            record = writer.catalog.setting("vectors")
            with writer.commit():
                writer.catalog.set_setting("vectors", {**record, **wrong})
        with pytest.raises(IndexDamagedError):
            hits(index)
        with IndexWriter(str(index)) as writer, writer.commit():
            writer.catalog.set_setting("vectors", record)
    assert hits(index)


@pytest.mark.slow
def test_usage_errors(index: Path, tmp_path: Path) -> None:
    for options in (
        {"kind": "int7"},
        {"kind": "int8", "ann": "hnsw"},
        {"kind": "int8", "max_loss": 2.0},
        {"kind": "int8", "dim": 3},
        {"kind": "int8", "dim": 4000},
        {"kind": "int8", "ann": "ivf", "keep_original": False},
    ):
        with pytest.raises(UsageError):
            change(index, **options)  # type: ignore[arg-type]
    write(tmp_path / "few", {"a.txt": "The baker sells fresh bread at the market."})
    index_folders([str(tmp_path / "few")], str(tmp_path / "small"), IndexOptions(model="static"))
    with pytest.raises(SemsearchError, match="pq needs 624 vectors"):
        change(tmp_path / "small", "pq")
    assert change(tmp_path / "small", "int8").changed
    index_folders([str(tmp_path / "few")], str(tmp_path / "words"), IndexOptions(model="static", embed=False))
    with pytest.raises(SemsearchError, match="holds no vectors"):
        change(tmp_path / "words", "int8")


@pytest.mark.slow
def test_the_command(semsearch: Command, index: Path) -> None:
    dry = semsearch("quantize", "--dry-run", "-i", index, "--queries", "30", "--json")
    assert dry.code == 0, dry.err
    record = dry.json
    assert record["schema"] == "semsearch.quantize/1"
    assert [row["kind"] for row in record["table"]] == list(KINDS)
    assert record["changed"] is False and record["before"]["kind"] == "float16"
    done = semsearch("quantize", "int8", "--max-loss", "3%", "--ann", "exact", "--keep-original", "--wait", "-i", index)
    assert done.code == 0, done.err
    assert "float16 -> int8, exact + float16" in done.out and "of the ten nearest lost" in done.out
    assert semsearch("status", "-i", index, "--json").json["vectors"]["kind"] == "int8"
    assert "int8, float16 kept" in semsearch("status", "-i", index).out
    refused = semsearch("quantize", "binary", "--dim", "16", "--drop-original", "-i", index)
    assert refused.code == 1
    assert "nothing was changed" in refused.err
    assert semsearch("quantize", "int8", "--max-loss", "little", "-i", index).code == 2
    assert semsearch("quantize", "int8", "-i", index.parent / "nowhere").code == 2
    assert os.path.isdir(index)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["int8", "rabitq", "pq"])
def test_codes_of_the_kind_that_is_stored_learn_for_themselves(index: Path, kind: str) -> None:
    """Coarse vectors that were kept alone, and shorter codes of the same kind before them."""
    change(index, kind, keep_original=False, max_loss=0.99)
    report = change(index, None, dim=64)
    assert report.changed and report.after is not None and report.after.format.codes == kind
    assert all(hits(index))


def test_truncated_vectors_keep_what_they_learnt(index: Path) -> None:
    change(index, "int8", dim=64, keep_original=False, max_loss=0.99)
    before = hits(index)
    assert change(index, None, ann="exact").changed
    assert hits(index) == before
    report = change(index, "int4", keep_original=False, max_loss=0.99)
    with Searcher(str(index)) as searcher:
        assert searcher.search(QUERIES[0], SearchOptions(min_score=0)).hits
    # What was lost before counts, too.
    assert any("were lost before" in notice for notice in report.notices)


@pytest.mark.slow
@pytest.mark.parametrize("keep", [True, False])
def test_a_format_chosen_for_a_few_files_serves_for_many(tmp_path: Path, keep: bool) -> None:
    folder = tmp_path / "folder"
    write(folder, texts(3, 8))  # type: ignore[arg-type]
    index_folders([str(folder)], None, IndexOptions(model="static"))
    index = folder / ".semsearch"
    report = change(index, "int8", keep_original=keep, max_loss=0.99)
    assert keep or any("learnt from 3 vectors" in notice for notice in report.notices)
    write(folder, texts(700, 9))  # type: ignore[arg-type]
    index_folders([str(folder)], None, IndexOptions())
    few = hits(index)
    index_folders([], str(index), IndexOptions(rebuild=True))
    change(index, "float16")
    paths = sum(len({path for path, _ in a} & {path for path, _ in b}) for a, b in zip(few, hits(index), strict=True))
    assert paths >= (39 if keep else 32)


def test_a_format_that_loses_more_by_now_is_made_anew_when_asked_for_again(index: Path) -> None:
    change(index, "int8")
    with IndexWriter(str(index)) as writer:
        old = writer.vector_format(256)
        ranges = old.trained["codes"]["ranges"].copy()
        ranges[256:] /= 4  # learnt of other vectors
        worse = dataclasses.replace(old, trained={"codes": {"ranges": ranges}}, learnt_from=700)
        rewrite_vectors(writer, old, worse)
    report = change(index, "int8")
    assert report.changed and report.before.loss > 0.02 > report.table[0].loss
    assert not change(index, "int8").changed


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["[]", "ranges"])
def test_a_rebuild_heals_a_record_that_cannot_be_read(index: Path, damage: str) -> None:
    before = hits(index)
    change(index, "int8")
    with IndexWriter(str(index)) as writer, writer.commit():
        record = writer.catalog.setting("vectors")
        record["trained"]["codes"]["ranges"] = ""
        writer.catalog.set_setting("vectors", [] if damage == "[]" else record)
    with pytest.raises(IndexDamagedError):
        hits(index)
    index_folders([], str(index), IndexOptions(rebuild=True))
    assert hits(index) == before


def test_a_dry_run_while_another_run_changes_the_format_is_of_one_state(
    index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files that the dry run found are gone when it opens them: it looks again."""
    opened = []
    original = measuring.open_dense

    def open_after_a_change(*arguments: Any) -> DenseSegment:
        if not opened:
            opened.append(True)
            change(index, "int8")
        return original(*arguments)

    monkeypatch.setattr(measuring, "open_dense", open_after_a_change)
    report = change(index, "int8", dry_run=True)
    assert "the index is in this form already" in report.notices
