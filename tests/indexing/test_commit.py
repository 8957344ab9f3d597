"""What was read is committed with its counts; a file that cannot be read to its end leaves nothing behind."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from semsearch.chunking.chunk import Chunk
from semsearch.index_report import IndexReport
from semsearch.indexing.changes import Changes
from semsearch.indexing.commit import Committer, ReadFile
from semsearch.reading.analysis import FilePart
from semsearch.sources.walk import File
from semsearch.store.protocol import Store, Writer
from semsearch.store.records import FileRecord


def part(text: str, last: bool = True, status: str = "indexed", reason: str = "") -> FilePart:
    chunks = [Chunk(text=text, heading=(), page=None, line_start=1, line_end=1, tokens=3)] if text else []
    return FilePart(
        status,
        reason,
        last,
        digest=b"d" * 16,
        type="text",
        language="en",
        chunks=chunks,
        terms=[text.split() for _ in chunks],
    )


def read(name: str, prepared: FilePart, old: FileRecord | None = None) -> ReadFile:
    return ReadFile(1, File(name, 10, 20, 30, ""), old, prepared)


@pytest.fixture
def writer(store: Store) -> Iterator[Writer]:
    with store.write() as opened:
        yield opened


@pytest.fixture
def report() -> IndexReport:
    return IndexReport("/i")


@pytest.fixture
def committer(writer: Writer, report: IndexReport) -> Committer:
    return Committer(writer, writer.snapshot().info(), 1, report)


def record(writer: Writer, name: str) -> FileRecord:
    found = writer.snapshot().file(1, name.encode())
    assert found is not None
    return found


def test_new_and_changed_files_are_counted(committer: Committer, writer: Writer, report: IndexReport) -> None:
    old = record(writer, "a.txt")
    committer.batch([read("new.txt", part("brand new")), read("a.txt", part("quite changed"), old)])
    assert (report.files["added"], report.files["changed"]) == (1, 1)
    assert report.chunks["added"] == 2 and report.chunks["removed"] == old.chunk_count
    assert record(writer, "a.txt").id != old.id and record(writer, "new.txt").chunk_count == 1
    committer.batch([])


def test_a_touched_file_gets_its_stamp_and_keeps_its_chunks(
    committer: Committer, writer: Writer, report: IndexReport
) -> None:
    old = record(writer, "a.txt")
    committer.batch([read("a.txt", FilePart("unchanged", digest=old.content_hash, stamp=(1, 2, 3)), old)])
    new = record(writer, "a.txt")
    assert (new.id, new.size, new.mtime_ns, new.inode) == (old.id, 1, 2, 3)
    assert report.files["unchanged"] == 1 and report.chunks["added"] == report.chunks["removed"] == 0


def test_what_cannot_be_opened_now_is_kept_and_told(committer: Committer, writer: Writer, report: IndexReport) -> None:
    old = record(writer, "a.txt")
    unreadable = FilePart("unreadable", "cannot be read: Input/output error")
    committer.batch([read("a.txt", unreadable, old), read("new.txt", unreadable)])
    assert record(writer, "a.txt") == old
    assert report.failed == [("a.txt", "cannot be read: Input/output error; what was indexed of it is kept")]
    assert (record(writer, "new.txt").status, record(writer, "new.txt").generation) == ("failed", -1)


def test_a_large_file_is_one_commit(committer: Committer, writer: Writer, report: IndexReport) -> None:
    parts = [part(f"part {number}", last=number == 4) for number in range(5)]
    committer.large(read("big.log", parts[0]), iter(parts[1:]))
    assert record(writer, "big.log").chunk_count == 5 == report.chunks["added"] and report.files["added"] == 1
    texts = [one.text for one in writer.snapshot().passages_of(record(writer, "big.log").id)]
    assert texts == [f"part {number}" for number in range(5)]


def test_a_large_file_that_breaks_off_leaves_no_part(committer: Committer, writer: Writer, report: IndexReport) -> None:
    before = writer.snapshot().counts()
    parts = [part("part 0", last=False), part("part 1", last=False), part("", status="failed", reason="damaged")]
    committer.large(read("big.log", parts[0]), iter(parts[1:]))
    failed = record(writer, "big.log")
    assert (failed.status, failed.reason, failed.chunk_count) == ("failed", "damaged", 0)
    assert writer.snapshot().counts().chunks == before.chunks
    assert (report.chunks["added"], report.chunks["removed"]) == (0, 0)
    assert report.files["added"] == 0


def test_small_changes_are_one_commit_that_reads_nothing(
    committer: Committer, writer: Writer, report: IndexReport, folder: Path
) -> None:
    committer.small_changes(Changes(), ())
    a, b = record(writer, "a.txt"), record(writer, "b.txt")
    changes = Changes(
        remove=[a],
        rename=[(1, File("ferry.txt", 1, 2, 3, ""), b)],
        skip=[(1, File("big.bin", 9, 9, 9, "larger than 1 kB"), None)],
    )
    committer.small_changes(changes, ())
    assert writer.snapshot().file(1, b"a.txt") is None
    assert record(writer, "ferry.txt").id == b.id
    assert (record(writer, "big.bin").status, record(writer, "big.bin").reason) == ("skipped", "larger than 1 kB")
    assert (report.files["removed"], report.files["renamed"]) == (1, 1)
    assert report.chunks["removed"] == a.chunk_count


def test_a_folder_that_is_gone_goes_with_its_files(committer: Committer, writer: Writer) -> None:
    roots = writer.snapshot().info().roots
    committer.small_changes(Changes(remove=list(writer.snapshot().files())), roots)
    assert writer.snapshot().info().roots == () and list(writer.snapshot().files()) == []
