"""Which files there are below a folder. Lists and stats; never opens a document.

The classes here are plain, not dataclasses: this module is on the path of an `index` run that finds nothing
changed, and importing `dataclasses` alone takes as long as walking a few hundred files.
"""

import os
import stat
from operator import attrgetter

from semsearch.settings import CATALOG_FILE, DEFAULT_MAX_FILE_SIZE
from semsearch.sources import ignore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, Protocol

    class KnownFile(Protocol):
        """What an index knows of a file (`store.records.FileRecord`)."""

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


NOT_FOLLOWED = "symbolic link (--follow takes those that stay inside the folder)"
LEAVES_FOLDER = "symbolic link that leaves the folder"
RACY_NS = 2_000_000_000
_name = attrgetter("name")
_VERSION_CONTROL = frozenset({".git", ".hg", ".svn", ".jj"})


class WalkRules:
    """What the walk takes in. The fields are recorded in the index, so that a bare `index` repeats them."""

    __slots__ = ("exclude", "follow", "hidden", "include", "max_file_size", "no_ignore")

    def __init__(
        self,
        include: tuple[str, ...] = (),
        exclude: tuple[str, ...] = (),
        hidden: bool = False,
        no_ignore: bool = False,
        follow: bool = False,
        max_file_size: int = DEFAULT_MAX_FILE_SIZE,
    ) -> None:
        self.include = tuple(include)
        self.exclude = tuple(exclude)
        self.hidden = hidden
        self.no_ignore = no_ignore
        self.follow = follow
        self.max_file_size = max_file_size

    def as_dict(self) -> dict[str, object]:
        return {name: getattr(self, name) for name in self.__slots__}

    @staticmethod
    def from_record(record: "dict[str, Any]") -> "WalkRules":
        """The rules that `as_dict` told of, which may come from anywhere. Raises `ValueError`."""
        try:
            rules = WalkRules(**record)
        except TypeError as error:
            raise ValueError(f"no rules of a walk: {error}") from None
        globs = all(type(glob) is str for glob in (*rules.include, *rules.exclude))
        switches = all(type(value) is bool for value in (rules.hidden, rules.no_ignore, rules.follow))
        if not (globs and switches and type(rules.max_file_size) is int):
            raise ValueError("rules of a walk with values of other types")
        return rules

    def __eq__(self, other: object) -> bool:
        return isinstance(other, WalkRules) and self.as_dict() == other.as_dict()

    __hash__ = None  # type: ignore[assignment]  # its fields can be changed


class File:
    """One file the walk found: `path` relative to the root with `/`, or why it is left out (`skip`)."""

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
) -> "Iterator[File]":
    """Every file below `root` (absolute) in a fixed order; `index` is the index folder, which is left out.

    Symbolic links are skipped by name, or with `rules.follow` followed while they stay below `root`.
    `on_error(path, error)` hears of folders and files that cannot be listed; the walk goes on. `on_ignored(path,
    reason, rule)` hears of each file, and each folder as a whole (its path ends with `/`), that the rules leave out;
    `rule` names the ignore file and line, or is empty.
    """
    include = ignore.compile_globs(rules.include) if rules.include else None
    exclude = ignore.compile_globs(rules.exclude) if rules.exclude else None
    real_root = os.path.realpath(root)
    hidden, most, follow = rules.hidden, rules.max_file_size, rules.follow
    top_levels = [] if rules.no_ignore else ignore.levels_above(root)
    pending = [(root, "", top_levels, frozenset({real_root}))]
    while pending:
        folder, prefix, levels, ancestors = pending.pop()
        try:
            with os.scandir(folder) as entries:
                listed = sorted(entries, key=_name)
        except OSError as error:
            on_error(prefix or ".", error)
            continue
        names = {entry.name for entry in listed}
        if CATALOG_FILE in names and "CACHEDIR.TAG" in names and folder != root:
            if on_ignored:
                on_ignored(prefix, "another index", "")
            continue
        if not rules.no_ignore and not names.isdisjoint(ignore.IGNORE_FILES):
            level = ignore.read_level(folder, names)
            levels = [*levels, level] if level else levels
        below = []
        for entry in listed:
            name = entry.name
            path = prefix + name
            if (name[0] == "." and not hidden) or name in _VERSION_CONTROL or entry.path == index:
                if on_ignored and entry.path != index:
                    reason = "version control" if name in _VERSION_CONTROL else "hidden (--hidden takes it in)"
                    on_ignored(path + "/" if entry.is_dir(follow_symlinks=False) else path, reason, "")
                continue
            try:
                is_link = entry.is_symlink()
                is_dir = entry.is_dir(follow_symlinks=follow)
                if exclude and exclude.match_file(path + "/" if is_dir else path):
                    if on_ignored:
                        on_ignored(path + "/" if is_dir else path, "matches --exclude", " ".join(rules.exclude))
                    continue
                rule = ignore.ignored_by(levels, entry.path, is_dir) if levels else None
                if rule is not None:
                    if on_ignored:
                        on_ignored(path + "/" if is_dir else path, "left out by an ignore rule", str(rule))
                    continue
                if is_link:
                    reason = _refuse_link(entry.path, real_root, ancestors, rules.follow)
                    if reason:
                        if include is None or include.match_file(path):
                            yield File(path, 0, 0, 0, reason)
                        continue
                if is_dir:
                    seen = ancestors | {os.path.realpath(entry.path)} if rules.follow else ancestors
                    below.append((entry.path, path + "/", levels, seen))
                    continue
                if include and not include.match_file(path):
                    if on_ignored:
                        on_ignored(path, "matches no --include", " ".join(rules.include))
                    continue
                found = entry.stat(follow_symlinks=follow)
            except FileNotFoundError:
                continue  # gone since it was listed
            except OSError as error:
                on_error(path, error)
                continue
            yield File(path, found.st_size, found.st_mtime_ns, found.st_ino, refuse_file(found, most))
        pending += reversed(below)


def is_unchanged(file: File, old: "KnownFile", generation: int) -> bool:
    """Whether the record `old` still tells what `file` is, without opening the file.

    A stamp younger than the scan that saw it, less two seconds, proves nothing: the file may have changed again within
    the resolution of its time stamp (git's "racily clean" entries).
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


def _refuse_link(path: str, real_root: str, ancestors: frozenset[str], follow: bool) -> str:
    if not follow:
        return NOT_FOLLOWED
    target = os.path.realpath(path)
    if not (target == real_root or target.startswith(real_root + "/")):
        return LEAVES_FOLDER
    if not os.path.exists(target):
        return "symbolic link to nothing"
    if target in ancestors:
        return "symbolic link to a folder it is in"
    return ""


def refuse_file(found: os.stat_result, max_file_size: int) -> str:
    if not stat.S_ISREG(found.st_mode):
        return "not a regular file"
    if found.st_size > max_file_size:
        return f"larger than --max-file-size ({format_size(found.st_size)} > {format_size(max_file_size)})"
    return ""


def format_size(size: float) -> str:
    """`21.3M`, in powers of 1024, the way `--max-file-size` is written."""
    for unit in ("", "K", "M", "G"):
        if size < 1024:
            return f"{size:.0f}{unit}" if size == int(size) else f"{size:.1f}{unit}"
        size /= 1024
    return f"{size:.1f}T"


def display_path(label: str, path: bytes, several_roots: bool) -> str:
    """A file's path as it is shown and filtered: relative to its root, under the root's label when there are several.

    Bytes that are not UTF-8 are shown as backslash escapes.
    """
    shown = path.decode("utf-8", "backslashreplace")
    return f"{label}/{shown}" if several_roots else shown
