"""`index --dry-run`: what a run would do and would have to encode; writes nothing, not even an index folder."""

import os
import time
from itertools import count

from semsearch.embedding.model_table import price_of
from semsearch.embedding.resolve import resolve
from semsearch.index_report import Estimate, IndexReport
from semsearch.indexing.changes import OUTSIDE, Change, content_hash
from semsearch.indexing.comparing import (
    ComparedFolders,
    compare_folders,
    comparison_of,
    new_readers,
    refuse_no_folder,
    why_refused,
)
from semsearch.indexing.model import RunModel
from semsearch.indexing.options import IndexOptions, Progress
from semsearch.indexing.resolved_settings import asked_chunking, moved_vectors, run_model, walk_rules, with_roots
from semsearch.reading.analysis import ReadRules, Task
from semsearch.reading.pool import ReaderPool
from semsearch.sources.names import shown_name
from semsearch.store.protocol import Snapshot, Store
from semsearch.store.records import IndexInfo
from semsearch.subprocesses import core_count


def dry_run(store: Store, folders: list[str], options: IndexOptions) -> IndexReport:
    """The report of a run of `options` over `folders` (absolute paths) into `store`, had it been made."""
    clock = time.perf_counter()
    if store.exists():
        report = store.read(lambda snapshot: _would_do(store, folders, options, snapshot))
    else:
        report = _would_do(store, folders, options, None)
    report.seconds["total"] = time.perf_counter() - clock
    return report


def _would_do(store: Store, folders: list[str], options: IndexOptions, snapshot: Snapshot | None) -> IndexReport:
    location = store.location
    report = IndexReport(location)
    report.dry_run = True
    recorded = IndexInfo() if snapshot is None else snapshot.info()
    new_ids = count(max((root.id for root in recorded.roots), default=0) + 1)
    info = with_roots(recorded, folders, store.host, lambda: next(new_ids))
    comparison = comparison_of(
        walk_rules(recorded.rules, options),
        -1 if options.rebuild or snapshot is None else recorded.generation,
        new_readers(None if snapshot is None else recorded.readers),
        options,
        location,
    )
    roots = tuple(root for root in info.roots if root.is_here and (not folders or root.path in folders))
    if recorded.roots and not folders:
        refuse_no_folder([root.path for root in roots], location)
    compared = compare_folders(snapshot, roots, comparison, options, {})
    changes = compared.changes
    _set_aside_equal(compared)
    for _, file, old in changes.read:
        if old is not None and old.path != os.fsencode(file.path):
            report.files["renamed"] += 1
        else:
            report.files["changed" if old is not None and old.status == "indexed" else "added"] += 1
    report.files["renamed"] += len(changes.rename)
    report.files["removed"] = sum(old.status == "indexed" for old in changes.remove)
    report.files["unchanged"] = changes.unchanged
    report.skipped = [
        (info.shown_path(root_id, os.fsencode(file.path)), file.skip) for root_id, file, _ in changes.skip
    ]
    report.failed = [(shown_name(name), OUTSIDE) for name in changes.outside]
    report.failed += [(info.shown_path(root_id, os.fsencode(name)), reason) for root_id, name, reason in changes.failed]
    if changes.read or (snapshot is not None and snapshot.counts().pending):
        report.estimate = _estimate(compared, snapshot, options, recorded)
    if snapshot is not None:
        counts = snapshot.counts()
        gone = compared.lost
        why = f"the indexed folder {gone[0].path} is gone" if gone else why_refused(snapshot, compared)
        report.refused = "" if options.prune else why
        report.indexed = counts.indexed
        report.moved = moved_vectors(snapshot, options)
        report.chunks["total"], report.chunks["pending"] = counts.chunks, counts.pending
    return report


def _set_aside_equal(compared: ComparedFolders) -> None:
    """Takes the files out of those to read whose content is the one that is indexed, though their stamp does not
    say so: it is too young to be sure, or another."""
    paths = {root.id: root.path for root in compared.roots}
    changes, follow = compared.changes, compared.comparison.rules.follow
    left: list[Change] = []
    for root_id, file, old in changes.read:
        known = compared.known_hash(file, old)
        if old is not None and known and content_hash(paths[root_id], file.path, follow) == known:
            changes.unchanged += old.status == "indexed"
        else:
            left.append((root_id, file, old))
    changes.read = left


def _estimate(
    compared: ComparedFolders, snapshot: Snapshot | None, options: IndexOptions, recorded: IndexInfo
) -> Estimate | None:
    """What there would be to encode: the files are read and cut as a run would; None where only a run can tell."""
    model = run_model(recorded, options, Progress())
    source = resolve(model.name, options.dim, options.trust)
    path, window = source.tokenizer_path(), source.window()
    if path is None or window is None:
        return None
    chunking = asked_chunking(recorded.chunking, options, source)
    rules = ReadRules(model.name, path, window, chunking, options.passwords)  # what OCR would find is not estimated
    chunks, tokens = (0, 0)
    if snapshot is not None and not options.rebuild:
        chunks, tokens = snapshot.counts().pending, snapshot.pending_tokens()
    hashes = _new_hashes(compared, rules)
    if snapshot is not None and _keeps_vectors(model, recorded, options):
        for digest in snapshot.encoded_hashes(list(hashes)):
            del hashes[digest]
    chunks, tokens = chunks + len(hashes), tokens + sum(hashes.values())
    return Estimate(source.name, chunks, tokens, price_of(source.card, tokens))


def _keeps_vectors(model: RunModel, recorded: IndexInfo, options: IndexOptions) -> bool:
    return model.name == recorded.model_name and options.dim in (None, recorded.dim)


def _new_hashes(compared: ComparedFolders, rules: ReadRules) -> dict[bytes, int]:
    """Text hash -> tokens of each passage of the files that would be read; equal passages once."""
    paths = {root.id: root.path for root in compared.roots}
    hashes: dict[bytes, int] = {}
    with ReaderPool(core_count()) as readers:
        tasks = (
            Task(
                paths[root_id],
                file.path,
                file.size,
                compared.known_hash(file, old),
                compared.comparison.rules.follow,
            )
            for root_id, file, old in compared.changes.read
        )
        for _, part in readers.run(tasks, rules):
            for chunk in part.chunks:
                hashes.setdefault(chunk.hash(), chunk.tokens)
    return hashes
