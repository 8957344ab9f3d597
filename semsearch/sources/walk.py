"""Lists the files below a folder, with their size and modification time. Opens no document.

The classes here are no dataclasses: a run of `index` that finds nothing changed imports this module, and importing
`dataclasses` takes as long as walking a few hundred files.
"""

import os
import stat
from operator import attrgetter

from semsearch.errors import ReadError
from semsearch.settings import CATALOG_FILE
from semsearch.sources import ignore
from semsearch.sources.beneath import LEAVES_FOLDER, NOT_FOLLOWED, Descent, real_beneath, status_beneath
from semsearch.sources.names import WHOLE
from semsearch.sources.stamps import stamp_of_status
from semsearch.sources.walk_rules import WalkRules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Protocol

    class KnownFile(Protocol):
        """What an index has recorded of a file: the fields of `store.records.FileRecord` that are needed here."""

        @property
        def status(self) -> str: ...
        @property
        def reason(self) -> str: ...
        @property
        def size(self) -> int: ...
        @property
        def mtime_ns(self) -> int: ...
        @property
        def inode(self) -> int: ...
        @property
        def scanned_ns(self) -> int: ...
        @property
        def generation(self) -> int: ...


# See `is_unchanged`, in nanoseconds.
RACY_NS = 2_000_000_000
_name = attrgetter("name")
_VERSION_CONTROL = frozenset({".git", ".hg", ".svn", ".jj"})


class WalkStoppedError(Exception):
    """The walk was to stop before its end."""


class File:
    """One file of a walk.

    `path`: relative to the root, with `/`. `size` in bytes, `mtime_ns` in nanoseconds since the epoch. `skip`: why the
    file is not read, empty when it is.
    """

    __slots__ = ("inode", "mtime_ns", "path", "size", "skip")

    def __init__(self, path: str, size: int, mtime_ns: int, inode: int, skip: str = "") -> None:
        self.path = path
        self.size = size
        self.mtime_ns = mtime_ns
        self.inode = inode
        self.skip = skip


def walk(
    root: str,
    rules: WalkRules,
    index: str,
    on_error: "Callable[[str, OSError], None]",
    on_ignored: "Callable[[str, str, str], None] | None" = None,
    stopping: "Callable[[], bool] | None" = None,
) -> "Iterator[File]":
    """Every file below `root` (absolute) in a fixed order; `index` is the index folder, which is left out.

    Symbolic links come as files that are skipped, or with `rules.follow` are followed while they stay below `root`.
    `on_error(path, error)` is called for each folder and file that cannot be listed; the walk goes on. That of `root`
    itself is `names.WHOLE`.
    `on_ignored(path, reason, rule)` is called for each file, and each folder as a whole (its path ends with `/`), that
    the rules leave out; `rule` names the ignore file and line, or the globs of a flag, or is empty. Raises
    `WalkStoppedError` in the middle when `stopping` says so, which is asked for each folder.
    """
    return _Walk(root, rules, index, on_error, on_ignored, stopping).files()


class _Walk:
    """One walk with its rules compiled. What happens to most files is in `files`, without further calls: it is fast."""

    def __init__(
        self,
        root: str,
        rules: WalkRules,
        index: str,
        on_error: "Callable[[str, OSError], None]",
        on_ignored: "Callable[[str, str, str], None] | None",
        stopping: "Callable[[], bool] | None",
    ) -> None:
        self._root = root
        self._inside = root.rstrip("/") + "/"
        self._real_root = os.path.realpath(root)
        self._rules = rules
        self._index = index[len(self._inside) :] if index.startswith(self._inside) else ""
        self._on_error = on_error
        self._on_ignored = on_ignored
        self._stopping = stopping
        self._include = ignore.compile_globs(rules.include) if rules.include else None
        self._exclude = ignore.compile_globs(rules.exclude) if rules.exclude else None

    def files(self) -> "Iterator[File]":
        """See `walk`."""
        try:
            descent = Descent(self._root)
        except OSError as error:
            self._on_error(WHOLE, error)
            return
        try:
            yield from self._files(descent)
        finally:
            descent.close()

    def _files(self, descent: Descent) -> "Iterator[File]":
        index, include, exclude = self._index, self._include, self._exclude
        hidden, max_file_size, follow = self._rules.hidden, self._rules.max_file_size, self._rules.follow
        try:
            top_levels = [] if self._rules.no_ignore else ignore.levels_above(self._root)
        except OSError as error:
            self._on_error(WHOLE, error)
            return
        # (path without links, path with its `/`, ignore rules, paths without links of the folders it is in)
        pending = [("", "", top_levels, frozenset({""}))]
        while pending:
            real, prefix, levels, ancestors = pending.pop()
            if self._stopping and self._stopping():
                raise WalkStoppedError
            descriptor, listed, names = self._list_folder(descent, real, prefix)
            if not self._rules.no_ignore and not names.isdisjoint(ignore.IGNORE_FILES):
                try:
                    level = ignore.read_level(self._inside + prefix.rstrip("/"), descriptor, names)
                    levels = ignore.deeper(levels, level) if level else levels
                except OSError as error:
                    self._on_error(prefix or WHOLE, error)
                    continue
            below = []
            for entry in listed:
                name = entry.name
                path = prefix + name
                if (name[0] == "." and not hidden) or name in _VERSION_CONTROL or path == index:
                    self._report_hidden(entry, path)
                    continue
                try:
                    is_dir = entry.is_dir(follow_symlinks=follow)
                    if (exclude or levels) and self._is_ignored(path, is_dir, levels):
                        continue
                    target, status = "", None
                    if entry.is_symlink():
                        reason, target, status = self._follow(f"{real}/{name}" if real else name, ancestors)
                        if status is None:
                            if include is None or include.match_file(path):
                                yield File(path, 0, 0, 0, reason)
                            continue
                        is_dir = stat.S_ISDIR(status.st_mode)
                    if is_dir:
                        inner = target or (f"{real}/{name}" if real else name)
                        below.append((inner, path + "/", levels, ancestors | {inner} if follow else ancestors))
                        continue
                    if include and not include.match_file(path):
                        self._report(path, "matches no --include", " ".join(self._rules.include))
                        continue
                    # Asked of the open folder, not by path, on which a link may stand now.
                    status = status or entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue  # deleted since the folder was listed
                except OSError as error:
                    self._on_error(path, error)
                    continue
                size, mtime_ns, inode = stamp_of_status(status)
                yield File(path, size, mtime_ns, inode, refuse_file(status, max_file_size))
            pending += reversed(below)

    def _list_folder(self, descent: Descent, real: str, prefix: str) -> "tuple[int, list[os.DirEntry[str]], set[str]]":
        """The descriptor of the folder `real`, its entries sorted by name, and their names; none if it cannot be listed
        or is another index."""
        try:
            descriptor = descent.open(real)
            with os.scandir(descriptor) as entries:
                listed = sorted(entries, key=_name)
        except OSError as error:
            self._on_error(prefix or WHOLE, error)
            return -1, [], set()
        names = {entry.name for entry in listed}
        if CATALOG_FILE in names and "CACHEDIR.TAG" in names and prefix:
            self._report(prefix, "another index", "")
            return -1, [], set()
        return descriptor, listed, names

    def _is_ignored(self, path: str, is_dir: bool, levels: "list[ignore.IgnoreLevel]") -> bool:
        """Whether `--exclude` or an ignore rule leaves `path` out."""
        if self._stopping and self._stopping():  # many rules may take long
            raise WalkStoppedError
        shown = path + "/" if is_dir else path
        if self._exclude and self._exclude.match_file(shown):
            self._report(shown, "matches --exclude", " ".join(self._rules.exclude))
            return True
        rule = ignore.ignored_by(levels, self._inside + path, is_dir) if levels else None
        if rule is not None:
            self._report(shown, "left out by an ignore rule", str(rule))
        return rule is not None

    def _report_hidden(self, entry: "os.DirEntry[str]", path: str) -> None:
        if self._on_ignored and path != self._index:
            if entry.name in _VERSION_CONTROL:
                reason = "version control"
            elif entry.name in ignore.IGNORE_FILES and entry.is_symlink():
                reason = "symbolic link: its rules are not read"
            else:
                reason = "hidden (--hidden takes it in)"
            self._report(path + "/" if entry.is_dir(follow_symlinks=False) else path, reason, "")

    def _report(self, path: str, reason: str, rule: str) -> None:
        if self._on_ignored:
            self._on_ignored(path, reason, rule)

    def _follow(self, link: str, ancestors: frozenset[str]) -> "tuple[str, str, os.stat_result | None]":
        """(why the symbolic link is not followed, where it leads, the status of that); without a status it is not.

        `link`: its path; `ancestors`: the folders it is in; all of them without links, relative to the root.
        """
        if not self._rules.follow:
            return NOT_FOLLOWED, "", None
        target = real_beneath(self._real_root, os.path.join(self._real_root, link))
        if target is None:
            return LEAVES_FOLDER, "", None
        if target in ancestors:
            return "symbolic link to a folder it is in", "", None
        try:
            return "", target, status_beneath(self._real_root, target)
        except FileNotFoundError:
            return "symbolic link to nothing", "", None
        except ReadError as error:
            return error.message, "", None


def is_gone(root: str) -> bool:
    """Whether there is no folder `root`. One that may not be looked at, or lies in such a one, is not gone."""
    try:
        return not stat.S_ISDIR(os.stat(root).st_mode)
    except PermissionError:
        return False
    except OSError:
        return True


def is_unchanged(file: File, old: "KnownFile", generation: int) -> bool:
    """Whether `file` is as the record `old` says, by its size, modification time and inode.

    A file that was modified less than `RACY_NS` before the walk that recorded it is read again: it may have changed
    once more within the resolution of its time stamp (git calls such entries "racily clean"). `generation` is that of
    the index now: files that were read with other settings are read again.
    """
    if file.skip:
        return old.status == "skipped" and old.reason == file.skip
    return (
        old.size == file.size
        and old.mtime_ns == file.mtime_ns
        and old.inode == file.inode
        and old.mtime_ns < old.scanned_ns - RACY_NS
        and old.generation == generation
    )


def refuse_file(status: os.stat_result, max_file_size: int) -> str:
    """Why a file with this `status` is not read; empty when it is. `max_file_size` in bytes."""
    if not stat.S_ISREG(status.st_mode):
        return "not a regular file"
    if status.st_size > max_file_size:
        size, limit = format_size(status.st_size), format_size(max_file_size)
        if size.replace(".0", "") == limit.replace(".0", ""):  # a few bytes too many
            size, limit = f"{status.st_size:,}", f"{max_file_size:,} bytes"
        return f"larger than --max-file-size ({size} > {limit})"
    return ""


def format_size(size: float) -> str:
    """`size` bytes as `21.3M`, in powers of 1024, as `--max-file-size` is written."""
    for unit in ("", "K", "M", "G"):
        if size < 1024:
            return f"{size:.0f}{unit}" if size == int(size) else f"{size:.1f}{unit}"
        size /= 1024
    return f"{size:.1f}T"
