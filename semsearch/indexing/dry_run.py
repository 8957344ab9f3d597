"""`index --dry-run`: what a run would do, by size, time and content; writes nothing, not even an index folder."""

import os
import time

from semsearch import settings
from semsearch.indexing.changes import OUTSIDE, Comparison, KnownFiles, find_changes, walk_rules
from semsearch.indexing.options import IndexOptions
from semsearch.report import IndexReport
from semsearch.storage.catalog import Catalog


def dry_run(path: str, folders: list[str], options: IndexOptions) -> IndexReport:
    """The report of a run of `options` over `folders` into the index at `path`, had it been made."""
    clock = time.perf_counter()
    if os.path.exists(os.path.join(path, settings.CATALOG_FILE)):
        report = Catalog.read(path, lambda catalog: _would_do(path, folders, options, catalog))
    else:
        report = _would_do(path, folders, options, None)
    report.seconds["total"] = time.perf_counter() - clock
    return report


def _would_do(path: str, folders: list[str], options: IndexOptions, catalog: Catalog | None) -> IndexReport:
    report = IndexReport(path)
    known_roots = {root: root_id for root_id, root, _ in catalog.roots()} if catalog else {}
    roots = {known_roots.get(root, -number): root for number, root in enumerate(folders or known_roots, 1)}
    how = Comparison(
        walk_rules(catalog.setting("rules", {}) if catalog else {}, options),
        path,
        -1 if options.rebuild or catalog is None else catalog.setting("generation", 1),
        options.verify,
        options.retry,
        bool(options.passwords),
        catalog is not None and catalog.setting("readers", 0) != settings.READERS_VERSION,
    )
    known = {root_id: KnownFiles(catalog, root_id, how.generation) for root_id in roots}
    changes = find_changes(roots, known, how, options.files_from, {})
    for _, _, old in changes.read:
        report.files["changed" if old is not None and old["status"] == "indexed" else "added"] += 1
    report.files["renamed"] = len(changes.rename)
    report.files["removed"] = sum(row["status"] == "indexed" for row in changes.remove)
    report.files["unchanged"] = changes.unchanged
    report.skipped = [(file.path, file.skip) for _, file, _ in changes.skip]
    report.failed = [(name, OUTSIDE) for name in changes.outside]
    report.failed += [(name, reason) for _, name, reason in changes.failed]
    if catalog:
        counts = catalog.counts()
        report.indexed = counts["indexed"]
        report.chunks["total"], report.chunks["pending"] = counts["chunks"], counts["pending"]
    return report
