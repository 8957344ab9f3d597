"""Compares the files of a folder with those of an index, by names and stamps alone (size, modification time, inode).

Imports nothing heavy, because an unchanged run of `index` uses it.
"""

import sys
import time

from semsearch.index_report import IndexReport

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from semsearch.sources.stamps import Stamp
    from semsearch.sources.walk import File


class RootDifference:
    """How the files below one root folder differ from the index.

    `different`: files that are new or may have changed; `gone`: the names of those that are no longer there;
    `unchanged`: how many indexed files are as they were.
    """

    __slots__ = ("different", "gone", "unchanged")

    def __init__(self, different: "list[File]", gone: "set[bytes]", unchanged: int) -> None:
        self.different = different
        self.gone = gone
        self.unchanged = unchanged


class StatCheck:
    """How the root folders of the index at `path` differ from it, found by walking them.

    `roots`: the differences by root id. `scanned_ns`: when the walk began, in nanoseconds since the epoch. The result
    is valid while the catalog has this `stamp`. `report`: that of a run in which nothing changed.
    """

    def __init__(self, path: str, stamp: "tuple[int, ...] | None") -> None:
        self.report = IndexReport(path)
        self.roots: dict[int, RootDifference] = {}
        self.scanned_ns = time.time_ns()
        self.stamp = stamp

    def nothing_changed(self) -> bool:
        """Whether no root folder differs from the index."""
        return not any(root.different or root.gone for root in self.roots.values())


def compare(
    files: "Iterable[File]",
    stamps: "dict[bytes, Stamp]",
    left_out: "dict[bytes, tuple[str, str]]",
    known: "Callable[[], set[bytes]]",
    count: int | None = None,
) -> RootDifference:
    """How `files`, those of a walk, differ from what an index has of their root folder. File names are bytes.

    `stamps`: name -> stamp of the files that need not be read if their stamp is the same (`Snapshot.stamps`).
    `left_out`: name -> (status, reason) of the files that are not indexed.
    `known`: returns the names of all files of the root; only called when needed, for it takes time. `count`: how many
    they are, if that is known without `known`.
    """
    encoding = sys.getfilesystemencoding()
    different = {}
    seen = set()
    for file in files:
        name = file.path.encode(encoding, "surrogateescape")
        seen.add(name)
        if file.skip:
            if left_out.get(name) != ("skipped", file.skip):
                different[name] = file
        elif stamps.get(name) != (file.size, file.mtime_ns, file.inode):
            different[name] = file
    gone: set[bytes] = set()
    if different or len(seen) != count:
        gone = known() - seen
    left_out_still = sum(name in seen and name not in different for name in left_out)
    return RootDifference(list(different.values()), gone, len(seen) - len(different) - left_out_still)
