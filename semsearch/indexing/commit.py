"""Commits what a run found: deletions and renames at once, files that were read in batches, a large file in one
piece.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from semsearch.index_report import IndexReport
from semsearch.indexing.changes import Changes
from semsearch.reading.analysis import FilePart
from semsearch.sources.stamps import Stamp
from semsearch.sources.walk import File
from semsearch.store.protocol import Transaction, Writer
from semsearch.store.records import FileRecord, IndexInfo, Root

# No run has these generations, so that the next one reads such a file again: always, or once more.
_READ_AGAIN = -1
_READ_ONCE_MORE = -2


@dataclass(frozen=True)
class ReadFile:
    """One file that was read, ready to be committed. `old`: what the index holds of it."""

    root_id: int
    file: File
    old: FileRecord | None
    prepared: FilePart

    @property
    def is_kept(self) -> bool:
        """Whether the file cannot be opened now and what is indexed of it stays: the trouble may pass."""
        return (
            self.prepared.status == "unreadable"
            and self.old is not None
            and self.old.status == "indexed"
            and not self.is_renamed
        )

    @property
    def is_given_up(self) -> bool:
        """Whether its reader was stopped in the run before, too, and the file is the same: it may always be so, and
        would cost every run its time limit."""
        return (
            self.prepared.status == "stopped"
            and self.old is not None
            and self.old.generation == _READ_ONCE_MORE
            and (self.old.size, self.old.mtime_ns) == (self.file.size, self.file.mtime_ns)
        )

    @property
    def is_renamed(self) -> bool:
        """Whether the index holds it under another name."""
        return self.old is not None and self.old.path != os.fsencode(self.file.path)

    def with_prospect(self) -> "ReadFile":
        """This file; where its reader was stopped, with a reason that says when it is tried again."""
        if self.prepared.status != "stopped":
            return self
        when = "twice in a row; --retry tries again" if self.is_given_up else "the next run tries again"
        return replace(self, prepared=replace(self.prepared, reason=f"{self.prepared.reason} ({when})"))

    @property
    def replaced(self) -> FileRecord | None:
        """What the index holds and is to hold no longer."""
        return None if self.prepared.status == "unchanged" or self.is_kept else self.old

    def stamp(self) -> Stamp:
        """(size, mtime_ns, inode) when it was opened, or else when the walk saw it."""
        return self.prepared.stamp or (self.file.size, self.file.mtime_ns, self.file.inode)


class _GivenUpError(Exception):
    """A large file could not be read to its end; `args[0]` is what its reader said last."""


class Committer:
    """Writes the changes of one run through `writer`, and counts them in `report`.

    `info`: what the index records in this run; `scanned_ns`: when its walk began.
    """

    def __init__(self, writer: Writer, info: IndexInfo, scanned_ns: int, report: IndexReport) -> None:
        self._writer = writer
        self._info = info
        self._scanned_ns = scanned_ns
        self._report = report

    def small_changes(self, changes: Changes, lost: Sequence[Root]) -> None:
        """Commits deletions, renames, files that are left out, and the roots that are gone; reads no file."""
        if not (changes.remove or changes.rename or changes.skip or lost):
            return
        gone = [*changes.remove, *(old for _, _, old in changes.skip if old is not None)]
        with self._writer.transaction() as transaction:
            self._report.chunks["removed"] += transaction.delete_files([old.id for old in gone])
            for root_id, file, old in changes.rename:
                stamp = (file.size, file.mtime_ns, file.inode)
                transaction.rename(old.id, root_id, os.fsencode(file.path), stamp, self._scanned_ns)
            for root_id, file, _ in changes.skip:
                left_out = ReadFile(root_id, file, None, FilePart("skipped", file.skip))
                transaction.put_file(self._record(left_out), ())
            if lost:
                left = tuple(root for root in self._info.roots if root not in lost)
                transaction.update(replace(self._info, roots=left))
        self._report.files["removed"] = sum(old.status == "indexed" for old in gone)
        self._report.files["renamed"] += len(changes.rename)

    def batch(self, files: Sequence[ReadFile]) -> None:
        """One commit: `files`, their chunks and terms; what was held of them is deleted."""
        if not files:
            return
        with self._writer.transaction() as transaction:
            removed = _delete_replaced(transaction, files)
            for item in files:
                self._count(item)
                if item.prepared.status == "unchanged" and item.old is not None:
                    old = item.old
                    transaction.rename(old.id, old.root_id, old.path, item.stamp(), self._scanned_ns)
                elif not item.is_kept:
                    told = item.with_prospect()
                    self._report.chunks["added"] += transaction.put_file(self._record(told), [told.prepared])
        self._report.chunks["removed"] += removed

    def large(self, item: ReadFile, following: Iterator[FilePart]) -> bool:
        """One commit for a file whose parts, the first in `item`, come one after the other.

        Returns whether it was read to its end, or until its reader gave up; if the run is over, nothing is committed.
        """
        try:
            with self._writer.transaction() as transaction:
                removed = _delete_replaced(transaction, [item])
                count = transaction.put_file(self._record(item), _parts(item.prepared, following))
        except _GivenUpError as error:
            if error.args[0].status == "left":
                return False
            self.batch([replace(item, prepared=error.args[0])])
            return True
        self._count(item)
        self._report.chunks["added"] += count
        self._report.chunks["removed"] += removed
        return True

    def _record(self, item: ReadFile) -> FileRecord:
        prepared = item.prepared
        size, mtime_ns, inode = item.stamp()
        status, generation = prepared.status, self._info.generation
        if status == "unreadable":
            status, generation = "failed", _READ_AGAIN
        elif status == "stopped":
            status = "failed"
            generation = generation if item.is_given_up else _READ_ONCE_MORE
        elif status == "skipped" and prepared.stamp is None:
            generation = _READ_AGAIN  # not opened, so that its stamp says nothing of why
        return FileRecord(
            root_id=item.root_id,
            path=os.fsencode(item.file.path),
            status=status,
            reason=prepared.reason,
            size=size,
            mtime_ns=mtime_ns,
            inode=inode,
            scanned_ns=self._scanned_ns,
            generation=generation,
            content_hash=prepared.digest,
            type=prepared.type,
            title=prepared.title,
            language=prepared.language,
            metadata=prepared.metadata,
            date=prepared.date,
        )

    def _count(self, item: ReadFile) -> None:
        files, status = self._report.files, item.prepared.status
        if status == "unchanged":
            files["unchanged"] += item.old is not None and item.old.status == "indexed"
        elif item.is_kept:
            shown = self._info.shown_path(item.root_id, os.fsencode(item.file.path))
            self._report.failed.append((shown, item.prepared.reason + "; what was indexed of it is kept"))
        elif status == "indexed":
            if item.is_renamed:
                files["renamed"] += 1
            else:
                files["changed" if item.old is not None and item.old.status == "indexed" else "added"] += 1


def _delete_replaced(transaction: Transaction, files: Sequence[ReadFile]) -> int:
    """Deletes what the index holds of `files` that are replaced; returns how many chunks."""
    return transaction.delete_files([item.replaced.id for item in files if item.replaced is not None])


def _parts(first: FilePart, following: Iterator[FilePart]) -> Iterator[FilePart]:
    """The parts of a large file. Raises `_GivenUpError` where its reader gives up."""
    yield first
    part = first
    while not part.last:
        part = next(following)
        if part.status != "indexed":
            raise _GivenUpError(part)
        yield part
