"""How the files of a folder differ from what an index knows of them, by names and stamps alone. Light: the stat check
imports it.
"""

import sys
import time

from semsearch.index_report import IndexReport

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from semsearch.sources.walk import File

    Stamp = tuple[int, int, int]


class RootDifference:
    """What is below one root: files that may differ, names that are gone, and how many indexed files are unchanged."""

    __slots__ = ("different", "gone", "unchanged")

    def __init__(self, different: "list[File]", gone: "set[bytes]", unchanged: int) -> None:
        self.different = different
        self.gone = gone
        self.unchanged = unchanged


class StatCheck:
    """How the folders differ, by root id, at a walk that began at `scanned_ns` (nanoseconds since the epoch).

    Holds while the catalog has this `stamp`. `report` is that of a run in which nothing changed.
    """

    def __init__(self, path: str, stamp: "tuple[int, ...] | None") -> None:
        self.report = IndexReport(path)
        self.roots: dict[int, RootDifference] = {}
        self.scanned_ns = time.time_ns()
        self.stamp = stamp

    def nothing_changed(self) -> bool:
        return not any(root.different or root.gone for root in self.roots.values())


def compare(
    files: "Iterable[File]",
    stamps: "dict[bytes, Stamp]",
    left_out: "dict[bytes, tuple[str, str]]",
    known: "Callable[[], set[bytes]]",
    count: int | None = None,
) -> RootDifference:
    """How the walked `files` of a root differ from what an index holds.

    `stamps`: those of files that are unchanged if their stamps are (`Snapshot.stamps`); `left_out`: (status, reason) of
    what is not indexed; `known`: gives the names of all files of the root, of which there are `count`, where that is
    known without asking for the names.
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
