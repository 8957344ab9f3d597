"""`index` when nothing changed, answered in the time of the walk: cron asks every few minutes.

Understands the plain forms `index [DIR...] [-i PATH] [-q] [--json]`, holds the writer's lock while it looks, and
declines everything else: then the full command, with the same comparison, decides. Standard library only.
"""

import fcntl
import gc
import os
import sqlite3
import sys
import time

from semsearch import settings
from semsearch.errors import SemsearchError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from semsearch.report import IndexReport


def answer(arguments: list[str]) -> bool:
    """Prints what `index` prints when all is up to date, and returns True; else returns False, nothing printed."""
    started = time.perf_counter()
    gc.disable()  # tens of thousands of tuples, and none of them garbage: a tenth of the time
    try:
        return _answer(arguments, started)
    finally:
        gc.enable()


def _answer(arguments: list[str], started: float) -> bool:
    parsed = _parse(arguments)
    if parsed is None:
        return False
    roots, index, quiet, as_json = parsed
    roots = [os.path.abspath(root) for root in roots]
    path = settings.index_for_writing(index, roots)
    if not os.path.isfile(os.path.join(path, settings.CATALOG_FILE)) or os.path.exists(
        os.path.join(path, settings.CATALOG_FILE + "-wal")
    ):
        return False
    try:
        lock = os.open(os.path.join(path, "lock"), os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        report = _compare(path, roots)
        if report is None:
            return False
        os.utime(lock)  # when the last run was, for `status`
    except (OSError, SemsearchError, sqlite3.Error, UnicodeDecodeError):
        return False
    finally:
        os.close(lock)
    report.seconds["total"] = time.perf_counter() - started
    from semsearch.cli import render

    render.index_report(report, quiet=quiet, as_json=as_json)
    return True


def _parse(arguments: list[str]) -> tuple[list[str], str | None, bool, bool] | None:
    roots: list[str] = []
    index, quiet, as_json = None, False, False
    waiting = iter(arguments)
    for argument in waiting:
        if argument in ("-i", "--index"):
            index = next(waiting, None)
            if index is None:
                return None
        elif argument in ("-q", "--quiet"):
            quiet = True
        elif argument == "--json":
            as_json = True
        elif argument.startswith("-") or not argument:
            return None
        else:
            roots.append(argument)
    return roots, index, quiet, as_json


def _compare(path: str, folders: list[str]) -> "IndexReport | None":
    """The report of an up-to-date index; None when anything is new, changed, gone, pending or undecided."""
    from semsearch.report import IndexReport, display_path
    from semsearch.sources.walk import RACY_NS, WalkRules, walk
    from semsearch.storage.catalog import Catalog

    catalog, _ = Catalog.open_for_reading(path)
    try:
        versions = (catalog.setting("analysis"), catalog.setting("readers"))
        if versions != (settings.ANALYSIS_VERSION, settings.READERS_VERSION):
            return None
        roots = catalog.roots()
        known = {root for _, root, _ in roots}
        if not roots or not known.issuperset(folders):
            return None
        counts = catalog.counts()
        if counts["pending"]:
            return None
        rules = WalkRules(**catalog.recorded_rules())
        generation = catalog.setting("generation")
        report = IndexReport(path)
        errors: list[OSError] = []
        encoding = sys.getfilesystemencoding()
        for root_id, root, label in roots:
            left_out = catalog.left_out(root_id)
            if not folders or root in folders:
                stamps = catalog.stamps(root_id, generation, RACY_NS)
                seen = 0
                for file in walk(root, rules, path, lambda _, error: errors.append(error)):
                    name = file.path.encode(encoding, "surrogateescape")
                    if file.skip:
                        old = left_out.get(name)
                        if old is None or old["status"] != "skipped" or old["reason"] != file.skip:
                            return None
                    elif stamps.get(name) != (file.size, file.mtime_ns, file.inode):
                        return None
                    seen += 1
                count = catalog.count_files(root_id)
                if errors or seen != count:
                    return None
                report.files["unchanged"] += count - len(left_out)
            for row in left_out.values():
                listed = report.skipped if row["status"] == "skipped" else report.failed
                listed.append((display_path(label, row["path"], len(roots) > 1), row["reason"]))
        report.indexed = counts["indexed"]
        report.chunks["total"] = counts["chunks"]
        report.skipped.sort()
        report.failed.sort()
        return report
    finally:
        catalog.close()
