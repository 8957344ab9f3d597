"""How folders differ from an index by names and stamps alone: all that a run with nothing to do needs to know.

Standard library only, and light: cron asks every few minutes. A run that finds something to do goes on from what was
seen here, as long as the catalog is still the one that was compared.
"""

import os
import sys
import time

from semsearch import settings
from semsearch.report import IndexReport, display_path
from semsearch.sources.walk import RACY_NS, WalkRules, walk
from semsearch.storage.catalog import Catalog
from semsearch.storage.checksum import check_catalog

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from semsearch.sources.walk import File

    Stamp = tuple[int, int, int]


class RootLook:
    """What is below one root: files that may differ, names that are gone, and how many indexed files are unchanged."""

    __slots__ = ("different", "gone", "unchanged")

    def __init__(self, different: "list[File]", gone: "set[bytes]", unchanged: int) -> None:
        self.different = different
        self.gone = gone
        self.unchanged = unchanged


class FirstLook:
    """The looks at `roots`, by root id, begun at `scanned_ns`, and the `stamp` of the catalog they hold for.

    `report` is that of a run in which nothing changed.
    """

    def __init__(self, path: str, stamp: "tuple[int, ...] | None") -> None:
        self.report = IndexReport(path)
        self.roots: dict[int, RootLook] = {}
        self.scanned_ns = time.time_ns()
        self.stamp = stamp

    def nothing_changed(self) -> bool:
        return not any(look.different or look.gone for look in self.roots.values())


def look(path: str, folders: list[str]) -> FirstLook | None:
    """The look at `folders` (none: all roots) of the index at `path`; None where that alone decides nothing.

    The caller holds the writer's lock.
    """
    check_catalog(path)
    catalog, stamp = Catalog.open_for_reading(path)
    try:
        versions = (catalog.setting("analysis"), catalog.setting("readers"))
        if versions != (settings.ANALYSIS_VERSION, settings.READERS_VERSION):
            return None
        roots = catalog.roots()
        known = {root for _, root, _ in roots}
        counts = catalog.counts()
        if not roots or not known.issuperset(folders) or counts["pending"]:
            return None
        rules = WalkRules(**catalog.recorded_rules())
        generation = catalog.setting("generation")
        found = FirstLook(path, stamp)
        report = found.report
        errors: list[OSError] = []
        for root_id, root, label in roots:
            left_out = catalog.left_out(root_id)
            if not folders or root in folders:
                if not os.path.isdir(root):
                    return None
                files = walk(root, rules, path, lambda _, error: errors.append(error))
                stamps = catalog.stamps(root_id, generation, RACY_NS)
                found.roots[root_id] = compare(catalog, root_id, files, stamps, left_out)
                if errors:
                    return None
                report.files["unchanged"] += found.roots[root_id].unchanged
            for row in left_out.values():
                listed = report.skipped if row["status"] == "skipped" else report.failed
                listed.append((display_path(label, row["path"], len(roots) > 1), row["reason"]))
        report.indexed = counts["indexed"]
        report.chunks["total"] = counts["chunks"]
        report.skipped.sort()
        report.failed.sort()
        return found
    finally:
        catalog.close()


def compare(
    catalog: Catalog | None,
    root_id: int,
    files: "Iterable[File]",
    stamps: "dict[bytes, Stamp]",
    left_out: "dict[bytes, sqlite3.Row]",
) -> RootLook:
    """How the walked `files` of a root differ from what the catalog knows: `stamps` of what is unchanged if they are
    equal (`Catalog.stamps`), and the rows of what is not indexed (`Catalog.left_out`).
    """
    encoding = sys.getfilesystemencoding()
    different = {}
    seen = set()
    for file in files:
        name = file.path.encode(encoding, "surrogateescape")
        seen.add(name)
        if file.skip:
            old = left_out.get(name)
            if old is None or old["status"] != "skipped" or old["reason"] != file.skip:
                different[name] = file
        elif stamps.get(name) != (file.size, file.mtime_ns, file.inode):
            different[name] = file
    gone: set[bytes] = set()
    if catalog is not None and (different or len(seen) != catalog.count_files(root_id)):
        gone = catalog.file_names(root_id) - seen
    left_out_still = sum(name in seen and name not in different for name in left_out)
    return RootLook(list(different.values()), gone, len(seen) - len(different) - left_out_still)
