"""Accounts for every file below the indexed folders: what is in the index, and what is not, why, and by which rule.

What was read is in the index; what the rules leave out is found by walking, so that nothing has to be kept of it.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from semsearch import settings
from semsearch.sources.names import WHOLE
from semsearch.sources.walk import File, is_gone, is_unchanged, walk
from semsearch.sources.walk_rules import WalkRules
from semsearch.store.opening import read_index
from semsearch.store.protocol import Snapshot
from semsearch.store.records import FileRecord, IndexInfo, Root

SCHEMA = "semsearch.files/1"
NOT_INDEXED_YET = "not indexed yet: run semsearch index"
CHANGED = "changed since it was indexed"
_WHOLE = os.fsencode(WHOLE)
GONE = "no longer there, or left out by the rules: semsearch index removes it"


@dataclass(frozen=True)
class FileStatus:
    """One file, or one folder that is ignored or cannot be read (its path ends with `/`; that of an indexed folder
    is absolute).

    `status`: `indexed`; `pending` (indexed, not all of it encoded); `new` (not indexed yet); `skipped`, `failed` (see
    `reason`); `ignored` (by `rule`: ignore file, line and pattern, or the globs of a flag). `encoding` is what was
    assumed where it is not UTF-8. `file`: its absolute path, as the `file` of a `Hit`; "" where the disk was not looked
    at, and of an indexed folder itself.
    """

    path: str
    status: str
    reason: str = ""
    rule: str = ""
    type: str = ""
    language: str = ""
    encoding: str = ""
    chunks: int = 0
    size: int | None = None
    file: str = ""


def file_statuses(
    index: str | None, wanted: Callable[[str], bool] = lambda status: True, after: str = ""
) -> tuple[str, list[FileStatus]]:
    """(index folder, the status of every file whose status is `wanted`, by path); `after`: as in `open_store`.

    Raises `SemsearchError`.
    """
    path = settings.index_for_reading(index)
    info, records = read_index(path, _recorded, after)
    statuses = [
        _with_file(one, info, root, name)
        for root in info.roots
        for name, one in _of_root(info, root, records[root.id], path)
    ]
    return path, sorted((one for one in statuses if wanted(one.status)), key=lambda one: one.path)


def _with_file(status: FileStatus, info: IndexInfo, root: Root, name: bytes) -> FileStatus:
    return status if name == _WHOLE else replace(status, file=info.file_of(root.id, name))


def _of_root(
    info: IndexInfo, root: Root, records: dict[bytes, FileRecord], location: str
) -> list[tuple[bytes, FileStatus]]:
    """(name beneath `root`, its status) of each of its files."""
    statuses: list[tuple[bytes, FileStatus]] = []
    left = dict(records)

    def ignored(name: str, reason: str, rule: str) -> None:
        raw = os.fsencode(name)
        statuses.append((raw, FileStatus(info.shown_path(root.id, raw), "ignored", reason, rule)))

    unreadable: dict[bytes, str] = {}

    def failed(name: str, error: OSError) -> None:
        unreadable[os.fsencode(name)] = f"cannot be read: {error.strerror or error}"

    rules = info.rules or WalkRules()
    for file in () if not root.is_here or is_gone(root.path) else walk(root.path, rules, location, failed, ignored):
        name = os.fsencode(file.path)
        shown = info.shown_path(root.id, name)
        record = left.pop(name, None)
        statuses.append((name, _of_new(shown, file) if record is None else _of_known(shown, record, file)))
    for name, reason in unreadable.items():
        # What was indexed of it before is kept until it can be read again.
        kept = [one for one in left if one == name or (name.endswith(b"/") and one.startswith(name)) or name == _WHOLE]
        for one in kept:
            why_not = reason if one == name else f"its folder {reason}"
            statuses.append((one, _of_known(info.shown_path(root.id, one), left.pop(one), None, why_not)))
        if name not in kept:
            statuses.append((name, FileStatus(info.shown_path(root.id, name), "failed", reason)))
    gone = GONE if root.is_here else ""
    return statuses + [
        (name, _of_known(info.shown_path(root.id, name), record, None, gone)) for name, record in left.items()
    ]


def of_record(shown: str, record: FileRecord) -> FileStatus:
    """The status of the file shown as `shown` as the index has it, without a look at the disk."""
    return _of_known(shown, record, None)


def as_dict(index: str, statuses: list[FileStatus]) -> dict[str, Any]:
    """The `semsearch.files/1` object."""
    return {"schema": SCHEMA, "index": index, "files": [file_dict(one) for one in statuses]}


def file_dict(status: FileStatus) -> dict[str, Any]:
    """The entry of `files` in a `semsearch.files/1` object."""
    return {name: value for name, value in vars(status).items() if name != "file"}


def _recorded(snapshot: Snapshot) -> tuple[IndexInfo, dict[int, dict[bytes, FileRecord]]]:
    info = snapshot.info()
    return info, {root.id: {file.path: file for file in snapshot.files(root.id)} for root in info.roots}


def _of_new(shown: str, file: File) -> FileStatus:
    if file.skip:
        return FileStatus(shown, "skipped", file.skip, size=file.size)
    return FileStatus(shown, "new", NOT_INDEXED_YET, size=file.size)


def _of_known(shown: str, record: FileRecord, file: File | None, why_not: str = "") -> FileStatus:
    """The status of an indexed file; `why_not`: why there is no such `file` now."""
    status, reason = record.status, record.reason
    if status == "indexed" and record.pending:
        status = "pending"
    if file is None:
        reason = reason or why_not
    elif record.status == "indexed" and not is_unchanged(file, record, record.generation):
        stamp = (record.size, record.mtime_ns, record.inode)
        # The same stamp, but too young to be sure.
        reason = reason or ("" if stamp == (file.size, file.mtime_ns, file.inode) else CHANGED)
    encoding = str(record.metadata.get("encoding", ""))
    return FileStatus(
        shown, status, reason, "", record.type, record.language, encoding, record.chunk_count, record.size
    )
