"""What differs between the folders and the catalog: by size, time and inode first, by content for renames."""

import os
import sqlite3
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from semsearch.errors import ReadError
from semsearch.first_look import RootLook, compare
from semsearch.indexing.options import IndexOptions
from semsearch.sources.opening import digest_of, open_regular
from semsearch.sources.walk import (
    LEAVES_FOLDER,
    NOT_FOLLOWED,
    RACY_NS,
    File,
    WalkRules,
    is_unchanged,
    refuse_file,
    walk,
)
from semsearch.storage.catalog import Catalog

# Rows that are looked up by name before all are read at once.
_ONE_BY_ONE = 200
OUTSIDE = "outside of the indexed folders"
# (root id, file, its row in the catalog)
Found = tuple[int, File, sqlite3.Row | None]


@dataclass
class Changes:
    """What is different, by what is to be done about it."""

    read: list[Found] = field(default_factory=list)
    skip: list[Found] = field(default_factory=list)
    failed: list[tuple[int, str, str]] = field(default_factory=list)
    rename: list[tuple[int, File, sqlite3.Row]] = field(default_factory=list)
    remove: list[sqlite3.Row] = field(default_factory=list)
    # Named by --files-from, but below no indexed folder.
    outside: list[str] = field(default_factory=list)
    unchanged: int = 0


@dataclass(frozen=True)
class Comparison:
    """How to compare: the walk's rules, and which catalog rows are read again although their file is unchanged."""

    rules: WalkRules
    index: str
    generation: int
    verify: bool = False
    retry: bool = False
    passwords: bool = False
    new_readers: bool = False

    def tries_again(self, old: sqlite3.Row) -> bool:
        """Whether a file that could not be read may now be readable, though it did not change."""
        if old["status"] == "failed":
            return self.retry or self.new_readers or (self.passwords and "password" in old["reason"])
        return self.new_readers and old["status"] == "skipped"

    def is_unchanged(self, file: File, old: sqlite3.Row) -> bool:
        if not is_unchanged(file, old, self.generation):
            return False
        return bool(file.skip) or not (self.verify or self.tries_again(old))


class KnownFiles:
    """What the catalog knows of the files of one root; whole rows only as they are asked for."""

    def __init__(self, catalog: Catalog | None = None, root_id: int = 0, generation: int = 0) -> None:
        """No catalog: nothing is known."""
        self._catalog = catalog
        self._root_id = root_id
        self._generation = generation
        self._rows: dict[bytes, sqlite3.Row] | None = None
        self._asked = 0

    def compare(self, files: Iterable[File], how: "Comparison") -> RootLook:
        """How the walked `files` differ, by stamps alone; what is to be read again counts as different."""
        if self._catalog is None:
            return compare(None, self._root_id, files, {}, {})
        left_out = self._catalog.left_out(self._root_id)
        stamps = {} if how.verify else self._catalog.stamps(self._root_id, self._generation, RACY_NS)
        for name, old in left_out.items():
            if how.tries_again(old):
                stamps.pop(name, None)
        return compare(self._catalog, self._root_id, files, stamps, left_out)

    def row(self, name: bytes) -> sqlite3.Row | None:
        """The row of the file `name`."""
        if self._catalog is None:
            return None
        self._asked += 1
        if self._rows is None and self._asked > _ONE_BY_ONE:
            self._rows = {row["path"]: row for row in self._catalog.files(self._root_id)}
        return self._catalog.file(self._root_id, name) if self._rows is None else self._rows.get(name)


def walk_rules(recorded: dict[str, Any], options: IndexOptions) -> WalkRules:
    """The recorded rules with the flags of this run over them."""
    names = set(WalkRules.__slots__)
    flags = {item.name: getattr(options, item.name) for item in fields(options) if item.name in names}
    chosen = {**recorded, **{name: value for name, value in flags.items() if value is not None}}
    return WalkRules(**chosen)


def find_changes(
    roots: dict[int, str],
    known: dict[int, KnownFiles],
    how: Comparison,
    files_from: Iterable[str] | None,
    seen: Mapping[int, RootLook],
) -> Changes:
    """How the files below `roots` (paths by id), or only those in `files_from`, differ from the catalog's `known`.

    `seen`: the roots that were looked at already.
    """
    changes = Changes()
    if files_from is not None:
        _compare_named(changes, files_from, roots, known, how)
    else:
        for root_id, root in roots.items():
            _compare_root(changes, root_id, root, known[root_id], how, seen.get(root_id))
    _find_renames(changes, roots, how.generation)
    return changes


def _compare_root(
    changes: Changes, root_id: int, root: str, known: KnownFiles, how: Comparison, seen: RootLook | None
) -> None:
    """Adds to `changes` how the files below `root` differ from what is `known`."""
    unlisted: list[bytes] = []

    def on_error(path: str, error: OSError) -> None:
        changes.failed.append((root_id, path, f"cannot be read: {error.strerror}"))
        unlisted.append(b"" if path == "." else os.fsencode(path.rstrip("/")))

    if seen is None:
        seen = known.compare(walk(root, how.rules, how.index, on_error) if os.path.isdir(root) else (), how)
    changes.unchanged += seen.unchanged
    for file in seen.different:
        _sort_in(changes, root_id, file, known.row(os.fsencode(file.path)), how)
    for path in sorted(seen.gone):
        # What lies in a folder that could not be listed is not gone.
        row = known.row(path)
        if row and not any(folder in (b"", path) or path.startswith(folder + b"/") for folder in unlisted):
            changes.remove.append(row)


def _compare_named(
    changes: Changes,
    paths: Iterable[str],
    roots: dict[int, str],
    known: dict[int, KnownFiles],
    how: Comparison,
) -> None:
    """`_compare_root` for the files named by `--files-from`, and no others.

    A named file is taken whatever the ignore rules say; one that is gone is removed from the index.
    """
    for path in dict.fromkeys(os.path.abspath(path) for path in paths):
        # One folder may be indexed inside another: the file is in both.
        below = [number for number, root in roots.items() if path.startswith(root.rstrip("/") + "/")]
        if not below:
            changes.outside.append(path)
        for root_id in below:
            _compare_one(changes, path, root_id, roots[root_id], known[root_id], how)


def _compare_one(changes: Changes, path: str, root_id: int, root: str, known: KnownFiles, how: Comparison) -> None:
    name = os.path.relpath(path, root)
    old = known.row(os.fsencode(name))
    try:
        found = os.stat(path, follow_symlinks=how.rules.follow)
    except (FileNotFoundError, NotADirectoryError):
        if old is not None:
            changes.remove.append(old)
        else:
            changes.failed.append((root_id, name, "no such file"))
        return
    except OSError as error:
        changes.failed.append((root_id, name, f"cannot be read: {error.strerror}"))
        return
    if stat.S_ISDIR(found.st_mode):
        if old is not None:
            changes.remove.append(old)
        changes.failed.append((root_id, name, "a folder, not a file"))
        return
    reason = _refuse_way(path, root, how.rules.follow) or refuse_file(found, how.rules.max_file_size)
    file = File(name, found.st_size, found.st_mtime_ns, found.st_ino, reason)
    _sort_in(changes, root_id, file, old, how)


def _refuse_way(path: str, root: str, follow: bool) -> str:
    """Why `path` is not taken for the symbolic links in it; "" when it is."""
    real, real_root = os.path.realpath(path), os.path.realpath(root)
    if follow:
        return "" if real.startswith(real_root.rstrip("/") + "/") else LEAVES_FOLDER
    straight = os.path.join(real_root, os.path.relpath(path, root))
    return "" if real == straight else NOT_FOLLOWED


def _sort_in(changes: Changes, root_id: int, file: File, old: sqlite3.Row | None, how: Comparison) -> None:
    if old is not None and how.is_unchanged(file, old):
        changes.unchanged += old["status"] == "indexed"
    elif file.skip:
        changes.skip.append((root_id, file, old))
    else:
        changes.read.append((root_id, file, old))


def refused(catalog: Catalog, changes: Changes) -> str:
    """Why a run must not drop what `changes` would: more than half of all files, or all of one folder, which is what an
    unmounted disk looks like; "" when it may."""
    skipped = [old for _, _, old in changes.skip if old is not None]
    gone = [row for row in (*changes.remove, *skipped) if row["status"] == "indexed"]
    before = catalog.counts()["indexed"]
    if len(gone) * 2 > before:
        return f"{len(gone)} of {before} indexed files are gone or now ignored"
    seen = {root_id for root_id, *_ in (*changes.read, *changes.rename)}  # new files: it is mounted
    for root_id, path, _ in catalog.roots():
        of_root = 0 if root_id in seen else sum(row["root_id"] == root_id for row in gone)
        if of_root and of_root == catalog.count_indexed(root_id):
            return f"all {of_root} indexed files of {path} are gone or now ignored"
    return ""


def _find_renames(changes: Changes, roots: dict[int, str], generation: int) -> None:
    """Turns a removed file and a new one of equal content into a rename, which keeps chunks and vectors.

    Not where the file is to be read anew anyway: its row is not of `generation` then.
    """
    gone: dict[bytes, list[sqlite3.Row]] = {}
    sizes = set()
    for row in changes.remove:
        if row["status"] == "indexed" and row["generation"] == generation:
            gone.setdefault(row["hash"], []).append(row)
            sizes.add(row["size"])
    if not gone:
        return
    remaining = []
    renamed = set()
    for root_id, file, old in changes.read:
        if old is None and file.size in sizes:
            same = gone.get(_digest(os.path.join(roots[root_id], file.path)), [])
            # A new suffix may mean another reader.
            match = next((row for row in same if _suffix(row["path"]) == _suffix(os.fsencode(file.path))), None)
            if match is not None:
                same.remove(match)
                renamed.add(match["id"])
                changes.rename.append((root_id, file, match))
                continue
        remaining.append((root_id, file, old))
    changes.read = remaining
    changes.remove = [row for row in changes.remove if row["id"] not in renamed]


def _digest(path: str) -> bytes:
    try:
        with open_regular(path) as file:
            return digest_of(file)
    except (OSError, ReadError):
        return b""


def _suffix(path: bytes) -> bytes:
    return os.path.splitext(path)[1].lower()
