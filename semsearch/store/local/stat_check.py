"""The stat check: how folders differ from an index by names and stamps alone, which is all that a run with nothing to
do needs to know.

Standard library only, and light: cron asks every few minutes. A run that finds something to do goes on from what was
seen here, as long as the catalog is still the one that was compared.
"""

import os
from functools import partial

from semsearch import settings
from semsearch.sources.differences import StatCheck, compare
from semsearch.sources.grammars import readers_version
from semsearch.sources.names import display_path
from semsearch.sources.walk import RACY_NS, WalkStoppedError, walk
from semsearch.sources.walk_rules import WalkRules
from semsearch.store.local.catalog import Catalog
from semsearch.store.local.checksum import check_catalog
from semsearch.store.local.token_vector_file import lacks_some

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def stat_check(path: str, folders: list[str], stopping: "Callable[[], bool] | None" = None) -> StatCheck | None:
    """Compares `folders` (none: all roots) with the index at `path`; None where a full run must decide, or say what is
    wrong, or where it is `stopping`. The caller holds the writer's lock. Raises `IndexDamagedError`.
    """
    check_catalog(path)
    catalog, stamp = Catalog.open_for_reading(path)
    try:
        readers = catalog.setting("readers")
        if catalog.setting("analysis") != settings.ANALYSIS_VERSION or not isinstance(readers, int):
            return None
        if readers < readers_version(readers):
            return None
        roots = catalog.roots()
        known = {root for _, root, _ in roots}
        counts = catalog.counts()
        if not roots or not known.issuperset(folders) or counts["pending"] or _owes(catalog):
            return None
        if lacks_some(catalog):  # token vectors
            return None
        if any(root.startswith("//") for root in known):  # of other machines (`rows.root_path`)
            return None
        try:
            rules = WalkRules.from_record(catalog.recorded_rules())
        except ValueError:
            return None
        generation = catalog.number("generation")
        check = StatCheck(path, stamp)
        report = check.report
        errors: list[OSError] = []
        for root_id, root, label in roots:
            left_out = catalog.left_out(root_id)
            if not folders or root in folders:
                if not os.path.isdir(root):
                    return None
                files = walk(root, rules, path, lambda _, error: errors.append(error), stopping=stopping)
                stamps = catalog.stamps(root_id, generation, RACY_NS)
                names, count = partial(catalog.file_names, root_id), catalog.count_files(root_id)
                check.roots[root_id] = compare(files, stamps, left_out, names, count)
                if errors:
                    return None
                report.files["unchanged"] += check.roots[root_id].unchanged
            for name, (status, reason) in left_out.items():
                listed = report.skipped if status == "skipped" else report.failed
                listed.append((display_path(label, name, len(roots) > 1), reason))
        report.indexed = counts["indexed"]
        report.chunks["total"] = counts["chunks"]
        report.skipped.sort()
        report.failed.sort()
        return check
    except WalkStoppedError:
        return None
    finally:
        catalog.close()


def _owes(catalog: Catalog) -> bool:
    """Whether passages have no sparse vectors yet, or a vector database has still to be told of something, since it did
    not answer an earlier run."""
    return bool(
        catalog.row(
            "SELECT 1 FROM settings WHERE key = 'sparse' AND value != 'null' AND EXISTS (SELECT 1 FROM chunks"
            " WHERE file_id IS NOT NULL AND id > COALESCE((SELECT json_extract(value, '$.to') FROM settings"
            " WHERE key = 'sparse_segments' AND json_valid(value)), 0)) UNION ALL"
            " SELECT 1 FROM settings WHERE key = 'vectors_to' AND value != 'null' UNION ALL"
            " SELECT 1 FROM settings WHERE key = 'vectors_at' AND value != 'null' AND (EXISTS (SELECT 1 FROM settings"
            " WHERE key = 'vectors_untold' AND value != 'null') OR EXISTS (SELECT 1 FROM chunks WHERE file_id IS NULL))"
        )
    )
