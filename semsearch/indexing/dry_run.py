"""`index --dry-run`: what a run would do and would have to encode; writes nothing, not even an index folder."""

import os
import time

from semsearch import settings
from semsearch.embedding.model_table import price_of
from semsearch.embedding.resolve import resolve
from semsearch.indexing.changes import OUTSIDE, Changes, Comparison, KnownFiles, find_changes, refused, walk_rules
from semsearch.indexing.chunking_rules import chunking_of_new
from semsearch.indexing.options import IndexOptions
from semsearch.reading.pool import ReaderPool, core_count
from semsearch.reading.prepare import ReadRules, Task
from semsearch.report import Estimate, IndexReport
from semsearch.storage.catalog import Catalog


def dry_run(path: str, folders: list[str], options: IndexOptions) -> IndexReport:
    """The report of a run of `options` over `folders` into the index at `path`, had it been made."""
    clock = time.perf_counter()
    if os.path.isfile(os.path.join(path, settings.CATALOG_FILE)):
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
    if changes.read or (catalog is not None and catalog.counts()["pending"]):
        report.estimate = _estimate(roots, changes, catalog, options)
    if catalog:
        gone = [root for root in roots.values() if not os.path.isdir(root)]
        why = f"the indexed folder {gone[0]} is gone" if gone else refused(catalog, changes)
        report.refused = "" if options.prune else why
        counts = catalog.counts()
        report.indexed = counts["indexed"]
        report.chunks["total"], report.chunks["pending"] = counts["chunks"], counts["pending"]
    return report


def _estimate(
    roots: dict[int, str], changes: Changes, catalog: Catalog | None, options: IndexOptions
) -> Estimate | None:
    """What there would be to encode: the files are read and cut as a run would; None where only a run can tell."""
    recorded = catalog.setting("model_name") if catalog else None
    name = options.model or recorded or settings.default_model()
    source = resolve(name, options.dim, options.trust)
    path, window = source.tokenizer_path(), source.window()
    if path is None or window is None:
        return None
    chunking = (catalog.setting("chunking") if catalog else None) or chunking_of_new(options, source)
    flags = {"size": options.chunk_size, "overlap": options.overlap, "tokenizer": options.tokenizer}
    chunking = {**chunking, **{key: value for key, value in flags.items() if value is not None}}
    rules = ReadRules(name, path, window, chunking, options.passwords)
    keeps_vectors = catalog is not None and name == recorded and options.dim in (None, catalog.setting("dim"))
    seen: set[bytes] = set()
    chunks, tokens = (0, 0) if catalog is None or options.rebuild else catalog.pending_tokens()
    with ReaderPool(core_count()) as readers:
        tasks = (
            Task(
                os.path.join(roots[root_id], file.path), file.size, old["hash"] if old and not options.rebuild else None
            )
            for root_id, file, old in changes.read
        )
        for _, part in readers.run(tasks, rules):
            for chunk in part.chunks:
                known = chunk.hash() in seen or (
                    keeps_vectors and catalog is not None and catalog.has_text(chunk.hash())
                )
                seen.add(chunk.hash())
                chunks += not known
                tokens += 0 if known else chunk.tokens
    return Estimate(source.name, chunks, tokens, price_of(source.card, tokens))
