"""What differs between the folders and the index: by size, time and inode first, by content for renames."""

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from semsearch.errors import ReadError
from semsearch.plurals import agreeing, count_of
from semsearch.sources.beneath import NOT_FOLLOWED, status_beneath
from semsearch.sources.differences import RootDifference, compare
from semsearch.sources.grammars import GRAMMARS, SYMBOLS
from semsearch.sources.names import WHOLE
from semsearch.sources.regular_file import digest_of, open_regular
from semsearch.sources.stamps import stamp_of_status
from semsearch.sources.walk import RACY_NS, File, WalkStoppedError, is_gone, is_unchanged, refuse_file, walk
from semsearch.sources.walk_rules import WalkRules
from semsearch.store.protocol import Snapshot
from semsearch.store.records import FileRecord, Root

# Files that are looked up by name before all are read at once.
_ONE_BY_ONE = 200
OUTSIDE = "outside of the indexed folders"
# (root id, file, what the index knows of it)
Change = tuple[int, File, FileRecord | None]


@dataclass
class Changes:
    """What is different, by what is to be done about it."""

    read: list[Change] = field(default_factory=list)
    skip: list[Change] = field(default_factory=list)
    failed: list[tuple[int, str, str]] = field(default_factory=list)
    rename: list[tuple[int, File, FileRecord]] = field(default_factory=list)
    remove: list[FileRecord] = field(default_factory=list)
    # Named by --files-from, but below no indexed folder.
    outside: list[str] = field(default_factory=list)
    unchanged: int = 0
    # The run is over, and not all was looked at.
    stopped: bool = False


@dataclass(frozen=True)
class FileComparison:
    """How files are compared with what the index knows of them.

    `rules`: which files the walk takes in; `location`: the index, which is left out of the walk; `generation`: files of
    another one are read again. `verify`: compare by content, not by stamps. `retry`: read what failed before again;
    `passwords`: there are some to try on encrypted documents; `new_readers`: readers have learnt to read more; `ocr`:
    what needs OCR is read by it. `new_grammars`: code that was read without its grammar is read again.
    """

    rules: WalkRules
    location: str
    generation: int
    verify: bool = False
    retry: bool = False
    passwords: bool = False
    new_readers: bool = False
    ocr: bool = False
    new_grammars: bool = False

    def tries_again(self, status: str, reason: str) -> bool:
        """Whether a file that could not be read may now be readable, though it did not change."""
        if status == "failed":
            return self.retry or self.new_readers or (self.passwords and "password" in reason)
        return status == "skipped" and (self.new_readers or (self.ocr and "needs OCR" in reason))

    def reads_again(self, old: FileRecord) -> bool:
        """Whether the file of this record may now be read, or be read better, though it did not change."""
        lacks_symbols = self.new_grammars and old.type in GRAMMARS and SYMBOLS not in old.metadata
        return (lacks_symbols and old.status == "indexed") or self.tries_again(old.status, old.reason)

    def is_unchanged(self, file: File, old: FileRecord) -> bool:
        if not is_unchanged(file, old, self.generation):
            return False
        return bool(file.skip) or not (self.verify or self.reads_again(old))


class KnownFiles:
    """What the index knows of the files of one root; whole records only as they are asked for.

    `snapshot` None: nothing is known.
    """

    def __init__(self, snapshot: Snapshot | None = None, root_id: int = 0) -> None:
        self._snapshot = snapshot
        self._root_id = root_id
        self._records: dict[bytes, FileRecord] | None = None
        self._asked = 0

    def differences(self, files: Iterable[File], comparison: FileComparison) -> RootDifference:
        """How the walked `files` differ, by stamps alone; what is to be read again counts as different."""
        if self._snapshot is None:
            return compare(files, {}, {}, set)
        snapshot, root_id = self._snapshot, self._root_id
        left_out = snapshot.left_out(root_id)
        stamps = {} if comparison.verify else snapshot.stamps(root_id, comparison.generation, RACY_NS)
        for name, (status, reason) in left_out.items():
            if comparison.tries_again(status, reason):
                stamps.pop(name, None)
        if comparison.new_grammars:
            for record in snapshot.files(root_id):
                if comparison.reads_again(record):
                    stamps.pop(record.path, None)
        return compare(files, stamps, left_out, lambda: snapshot.paths(root_id))

    def record(self, name: bytes) -> FileRecord | None:
        """What is known of the file `name`."""
        if self._snapshot is None:
            return None
        self._asked += 1
        if self._records is None and self._asked > _ONE_BY_ONE:
            self._records = {file.path: file for file in self._snapshot.files(self._root_id)}
        return self._snapshot.file(self._root_id, name) if self._records is None else self._records.get(name)

    def name_of(self, shown: str) -> str | None:
        """The name of the file that results show as `shown`, in its own bytes (`os.fsdecode`); None: not known."""
        if self._snapshot is None:
            return None
        info = self._snapshot.info()
        label = f"{info.root(self._root_id).label}/" if len(info.roots) > 1 else ""
        name = shown.removeprefix(label)
        return name if shown.startswith(label) and self.record(os.fsencode(name)) is not None else None


def find_changes(
    roots: dict[int, str],
    known: dict[int, KnownFiles],
    comparison: FileComparison,
    files_from: Iterable[str] | None,
    seen: Mapping[int, RootDifference],
    stopping: Callable[[], bool] = lambda: False,
) -> Changes:
    """How the files below `roots` (paths by id), or only those in `files_from`, differ from what is `known` of each
    root.

    `seen`: how roots differ that were compared already. Where `stopping` says so, no more files are looked at.
    """
    changes = Changes()
    if files_from is not None:
        _compare_named(changes, files_from, roots, known, comparison, stopping)
    else:
        for root_id, root in roots.items():
            _compare_root(changes, root_id, root, known[root_id], comparison, seen.get(root_id), stopping)
    _find_renames(changes, roots, comparison, stopping)
    return changes


def _compare_root(
    changes: Changes,
    root_id: int,
    root: str,
    known: KnownFiles,
    comparison: FileComparison,
    seen: RootDifference | None,
    stopping: Callable[[], bool],
) -> None:
    """Adds to `changes` how the files below `root` differ from what is `known`."""
    unlisted: list[bytes] = []

    def on_error(path: str, error: OSError) -> None:
        changes.failed.append((root_id, path, f"cannot be read: {error.strerror}"))
        unlisted.append(b"" if path == WHOLE else os.fsencode(path.rstrip("/")))

    def walked() -> Iterator[File]:
        try:
            yield from walk(root, comparison.rules, comparison.location, on_error, stopping=stopping)
        except WalkStoppedError:
            changes.stopped = True
            unlisted.append(b"")

    if seen is None:
        seen = known.differences(() if is_gone(root) else walked(), comparison)
    changes.unchanged += seen.unchanged
    for file in seen.different:
        _sort_in(changes, root_id, file, known.record(os.fsencode(file.path)), comparison)
    for path in sorted(seen.gone):
        # What lies in a folder that could not be listed is not gone.
        old = known.record(path)
        if old and not any(folder in (b"", path) or path.startswith(folder + b"/") for folder in unlisted):
            changes.remove.append(old)


def _compare_named(
    changes: Changes,
    paths: Iterable[str],
    roots: dict[int, str],
    known: dict[int, KnownFiles],
    comparison: FileComparison,
    stopping: Callable[[], bool],
) -> None:
    """`_compare_root` for the files named by `--files-from`, and no others.

    A named file is taken whatever the ignore rules say; one that is gone is removed from the index.
    """
    named: dict[tuple[int, str], None] = {}
    for path in dict.fromkeys(paths):
        found = _named(path, roots, known)
        named |= dict.fromkeys(found)
        if not found:
            changes.outside.append(os.path.abspath(path))
    for root_id, name in named:
        if stopping():
            changes.stopped = True
            break
        _compare_one(changes, name, root_id, roots[root_id], known[root_id], comparison)


def _named(path: str, roots: dict[int, str], known: dict[int, KnownFiles]) -> list[tuple[int, str]]:
    """(root id, name) of each file that `path` may mean: a path from the working folder, or else one as results show
    it, which `search -l` printed in another folder. One folder may be indexed inside another: the file is in both."""
    absolute = os.path.abspath(path)
    below = [
        (number, absolute[len(inside) :])
        for number, root in roots.items()
        if absolute.startswith(inside := root.rstrip("/") + "/")
    ]
    if os.path.isabs(path) or (below and os.path.lexists(absolute)):
        return below
    if any(known[number].record(os.fsencode(name)) is not None for number, name in below):
        return below
    shown = ((number, known[number].name_of(os.path.normpath(path))) for number in roots)
    return [(number, name) for number, name in shown if name is not None] or below


def _compare_one(
    changes: Changes, name: str, root_id: int, root: str, known: KnownFiles, comparison: FileComparison
) -> None:
    old = known.record(os.fsencode(name))
    try:
        status = status_beneath(root, name, comparison.rules.follow)
    except ReadError as error:  # a link on the way to it
        _sort_in(changes, root_id, File(name, 0, 0, 0, error.message), old, comparison)
        return
    except (FileNotFoundError, NotADirectoryError):
        if old is not None:
            changes.remove.append(old)
        else:
            changes.failed.append((root_id, name, "no such file"))
        return
    except OSError as error:
        changes.failed.append((root_id, name, f"cannot be read: {error.strerror}"))
        return
    if stat.S_ISDIR(status.st_mode):
        if old is not None:
            changes.remove.append(old)
        changes.failed.append((root_id, name, "a folder, not a file"))
        return
    is_link = stat.S_ISLNK(status.st_mode)
    reason = NOT_FOLLOWED if is_link else refuse_file(status, comparison.rules.max_file_size)
    _sort_in(changes, root_id, File(name, *stamp_of_status(status), reason), old, comparison)


def _sort_in(changes: Changes, root_id: int, file: File, old: FileRecord | None, comparison: FileComparison) -> None:
    if old is not None and comparison.is_unchanged(file, old):
        changes.unchanged += old.status == "indexed"
    elif file.skip:
        changes.skip.append((root_id, file, old))
    else:
        changes.read.append((root_id, file, old))


def mass_delete(total: int, roots: Iterable[Root], indexed: Mapping[int, int], changes: Changes) -> str:
    """Why a run must not drop what `changes` would: more than half of the `total` indexed files of the folders that it
    looks after, or all of one of these `roots`, which is what an unmounted disk looks like; "" when it may. `indexed`:
    root id -> its indexed files, of roots that lose any."""
    skipped = [old for _, _, old in changes.skip if old is not None]
    gone = [old for old in (*changes.remove, *skipped) if old.status == "indexed"]
    if len(gone) * 2 > total:
        return (
            f"{len(gone)} of {count_of(total, 'indexed file')} {agreeing(len(gone), 'is', 'are')} gone or now ignored"
        )
    seen = {root_id for root_id, *_ in (*changes.read, *changes.rename)}  # new files: it is mounted
    for root in roots:
        of_root = 0 if root.id in seen else sum(old.root_id == root.id for old in gone)
        if of_root and of_root == indexed[root.id]:
            files = agreeing(of_root, "the only indexed file", f"all {of_root:,} indexed files")
            return f"{files} of {root.path} {agreeing(of_root, 'is', 'are')} gone or now ignored"
    return ""


def _find_renames(
    changes: Changes, roots: dict[int, str], comparison: FileComparison, stopping: Callable[[], bool]
) -> None:
    """Turns a removed file and a new one of equal content into a rename, which keeps chunks and vectors.

    A file that has another name now, not only another folder, is read again as the file it was: its name is among its
    words, but its vectors serve. Not where the file is to be read anew anyway: its record is of another generation.
    """
    gone: dict[bytes, list[FileRecord]] = {}
    sizes = set()
    for removed in changes.remove:
        if removed.status == "indexed" and removed.generation == comparison.generation:
            gone.setdefault(removed.content_hash, []).append(removed)
            sizes.add(removed.size)
    if not gone:
        return
    remaining: list[Change] = []
    renamed: set[int] = set()
    for root_id, file, old in changes.read:
        if old is None and file.size in sizes and not stopping():
            same = gone.get(content_hash(roots[root_id], file.path, comparison.rules.follow), [])
            # A new suffix may mean another reader.
            match = next((one for one in same if _suffix(one.path) == _suffix(os.fsencode(file.path))), None)
            if match is not None:
                same.remove(match)
                renamed.add(match.id)
                if os.path.basename(match.path) == os.path.basename(os.fsencode(file.path)):
                    changes.rename.append((root_id, file, match))
                else:
                    remaining.append((root_id, file, match))
                continue
        remaining.append((root_id, file, old))
    changes.read = remaining
    changes.remove = [one for one in changes.remove if one.id not in renamed]


def content_hash(root: str, path: str, follow: bool) -> bytes:
    """The content hash of the file at `path` beneath the folder `root`; empty where it cannot be read."""
    try:
        with open_regular(root, path, follow) as file:
            return digest_of(file)
    except (OSError, ReadError):
        return b""


def _suffix(path: bytes) -> bytes:
    return os.path.splitext(path)[1].lower()
