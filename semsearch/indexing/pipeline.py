"""One run of `index`, its lock held: walk, compare, read, commit the lexical leg; encode, commit the dense leg; merge.

Every commit leaves an index that answers. What a kill loses is what was not committed: at most some seconds of reading
or one batch of encoding, and the next run goes on from there.
"""

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from semsearch import settings
from semsearch.chunking.tokenizers import tiktoken_named
from semsearch.embedding.embedder import Embedder
from semsearch.embedding.resolve import resolve
from semsearch.errors import IndexDamagedError, LockedError, ParameterError, SemsearchError, UsageError, for_shell
from semsearch.extras import check_installed
from semsearch.index_report import IndexReport
from semsearch.indexing import named_folders
from semsearch.indexing.changes import OUTSIDE, Changes
from semsearch.indexing.commit import Committer, ReadFile
from semsearch.indexing.comparing import (
    ComparedFolders,
    compare_folders,
    comparison_of,
    refuse_lost_roots,
    refuse_mass_delete,
    refuse_no_folder,
)
from semsearch.indexing.dry_run import dry_run
from semsearch.indexing.encode import encode_pending
from semsearch.indexing.encode_sparse import encode_pending_sparse
from semsearch.indexing.model import RunModel, RunSparseModel
from semsearch.indexing.options import IndexOptions, Progress
from semsearch.indexing.resolved_settings import (
    ResolvedSettings,
    moved_vectors,
    moves_vectors,
    resolve_settings,
    run_model,
    with_roots,
)
from semsearch.indexing.token_vectors import check_token_model, keep_token_vectors
from semsearch.private_files import check_sharing
from semsearch.reading.analysis import ReadRules, Task
from semsearch.reading.pool import ReaderPool
from semsearch.sources.differences import StatCheck
from semsearch.sources.grammars import readers_version
from semsearch.sources.ignore import compile_globs
from semsearch.sources.names import shown_name
from semsearch.sources.ocr import OcrLimits
from semsearch.sources.walk import is_gone
from semsearch.store.opening import check_vectors, open_store, remember_vectors, require
from semsearch.store.protocol import Snapshot, Store, Writer
from semsearch.store.records import IndexInfo, RunRecord
from semsearch.subprocesses import core_count

# The first commit comes soon, so that the folder can be searched soon; later ones are larger.
_COMMIT_CHUNKS = 8192
_FIRST_COMMIT_SECONDS = 2.0
# A run whose time is over goes on so long with a walk, and with reading where it has read nothing, lest a short limit
# never gets anywhere.
_GRACE_SECONDS = 5.0


def index_folders(
    roots: Sequence[str | os.PathLike[str]],
    index: str | os.PathLike[str] | None = None,
    options: IndexOptions | None = None,
    progress: Progress | None = None,
    seen: StatCheck | None = None,
) -> IndexReport:
    """Brings the index up to date with `roots` (none: all folders it holds) and returns what was done.

    `index` None: `.semsearch` in the first root. `seen`: a stat check of these folders by the recorded rules, which is
    gone on with unless the index changed meanwhile. Raises `SemsearchError`; unreadable files do not raise, they are
    listed in the report.
    """
    options, progress = options or IndexOptions(), progress or Progress()
    clock = time.perf_counter()
    if isinstance(roots, (str, os.PathLike)):
        raise TypeError(f"roots is one path; write [{roots!r}]")
    folders = [_existing_folder(os.fspath(root)) for root in roots]
    location = settings.index_for_writing(None if index is None else os.fspath(index), folders)
    store = open_store(location)
    if not folders and not store.exists():
        settings.refuse_odd_catalog(location)
        raise UsageError(
            f"no index at {location} and no folder named", "name the folder to index: semsearch index FOLDER"
        )
    try:
        return _checked_run(store, folders, options, progress, clock, seen)
    finally:
        store.close()


def _checked_run(
    store: Store,
    folders: list[str],
    options: IndexOptions,
    progress: Progress,
    clock: float,
    seen: StatCheck | None,
) -> IndexReport:
    """The run, which began at `clock`; what it would trip over is refused first."""
    _check(options)
    if options.shared is not None:
        require(store, "share", "index --shared")
        check_sharing(options.shared)
    if options.vectors is not None:
        check_vectors(store, options.vectors)
    if options.token_vectors is not None:
        require(store, "token_vectors", "index --token-vectors")
        if options.token_vectors:
            check_token_model(options.token_vectors, progress.announce, prepare=not options.dry_run)
    if options.sparse is not None:
        require(store, "sparse", "index --sparse")
    held = _folders_of_run(store, folders, options)
    if options.dry_run:
        return dry_run(store, folders, options)
    if held is not None and folders:
        named_folders.remember(store.location, folders)
    if options.vectors:
        remember_vectors(options.vectors)
    if options.max_seconds is not None:
        end = clock + options.max_seconds
        progress = replace(progress, stopping=lambda: time.perf_counter() >= end)
    return _run(store, folders, held, options, progress, seen)


def _run(
    store: Store,
    folders: list[str],
    held: Sequence[str] | None,
    options: IndexOptions,
    progress: Progress,
    seen: StatCheck | None,
) -> IndexReport:
    started, clock = time.time(), time.perf_counter()
    # A document that takes longer than a limit must not keep all others out, run after run.
    count = core_count() if options.max_seconds is None else max(2, core_count())
    locked = None if _moves_vectors(store, options) else held
    with _open_writer(store, locked, options, progress) as writer, ReaderPool(count) as readers:
        for notice in writer.notices:
            progress.announce(notice)
        readers.warm_up()
        # What was seen holds for the recorded rules and for this state of the index.
        plain = replace(options, newest_first=False, max_seconds=None, wait=False) == IndexOptions()
        holds = seen is not None and plain and writer.is_current(seen.stamp)
        run = _begin(writer, store, folders, held, options, progress, seen if holds else None)
        run.read(readers)
        if options.rebuild and not (run.report.left or run.compared.changes.stopped):
            writer.rebuilt()  # every file was read again; what has no vector is known to have none
        readers.close()  # their memory is wanted for encoding
        run.report.seconds["read"] = time.perf_counter() - clock
        try:
            if options.embed:
                run.encode()
                run.keep_token_vectors()
            writer.maintain(progress.stopping)
        except BaseException:
            with contextlib.suppress(Exception):  # whatever it is: the first error is the one to be told
                run.finish(started, time.perf_counter() - clock)
            raise
        run.finish(started, time.perf_counter() - clock)
        if not options.encode_only:
            writer.compared()
        run.report.token = writer.token()
        return run.report


def _folders_of_run(store: Store, folders: Sequence[str], options: IndexOptions) -> Sequence[str] | None:
    """The folders that a run on `folders` works on; None: all that the index has, which is of one machine.

    Raises `SemsearchError` for folders that an index of several machines has, and nobody has named on this one.
    """
    if "machines" not in store.capabilities:
        return None
    if options.encode_only or (folders and not options.rebuild):
        return folders
    held: list[str] = []
    if store.exists():
        held = store.read(lambda snapshot: [root.path for root in snapshot.info().roots if root.is_here])
    if not folders:
        refuse_no_folder(held, store.location)
    named_folders.check(store.location, [one for one in held if one not in folders and not is_gone(one)])
    return list(dict.fromkeys([*held, *folders]))


def _moves_vectors(store: Store, options: IndexOptions) -> bool:
    """Whether the run takes the vectors of an index that others may write, too, elsewhere: it needs all of it for
    itself."""
    if options.vectors is None or "machines" not in store.capabilities or not store.exists():
        return False
    return store.read(lambda snapshot: moves_vectors(snapshot.info(), options))


def _open_writer(
    store: Store, locked: Sequence[str] | None, options: IndexOptions, progress: Progress
) -> AbstractContextManager[Writer]:
    """The writer for the folders `locked`, None: for all of the index. A run with `wait` waits no longer than its own
    time.

    Raises `LockedError`.
    """
    if options.max_seconds is None:
        return store.write(options.wait, options.rebuild, options.shared, locked, progress.announce)
    while True:
        try:
            return store.write(False, options.rebuild, options.shared, locked, progress.announce)
        except LockedError:
            if not options.wait or progress.stopping():
                raise
        time.sleep(0.2)


def _check(options: IndexOptions) -> None:
    """Refuses, before anything is written, what the run would trip over."""
    if options.chunk_size is not None and options.chunk_size < 16:
        raise ParameterError("chunk_size", f"{options.chunk_size} is too small", "use 16 tokens or more")
    if options.overlap is not None and options.overlap < 0:
        raise ParameterError("overlap", f"{options.overlap} is negative", "use 0 or more")
    for globs in (options.include, options.exclude):
        compile_globs(globs or ())
    if options.model is not None:
        resolve(options.model, options.dim, options.trust)
    if options.tokenizer is not None:
        tiktoken_named(options.tokenizer)
    if options.ocr:
        check_installed("OCR", "ocr", "rapidocr")


def _existing_folder(root: str) -> str:
    if not root:
        raise UsageError("the name of a folder is empty", "say . for the folder you are in")
    path = os.path.abspath(os.path.expanduser(root))
    path = path[1:] if path.startswith("//") else path  # which stands for a folder of another machine
    try:
        os.scandir(path).close()
    except (FileNotFoundError, NotADirectoryError):
        if not os.path.lexists(path):
            raise UsageError(f"no such folder: {root}", "check the path") from None
        folder = for_shell(os.path.dirname(path))
        raise UsageError(
            f"not a folder, but a file: {root}",
            f"index its folder: semsearch index {folder}; --files-from names single files of it",
        ) from None
    except OSError as error:
        raise SemsearchError(f"cannot read the folder {root}: {error.strerror}", "check its permissions") from None
    return path


def _begin(
    writer: Writer,
    store: Store,
    folders: list[str],
    held: Sequence[str] | None,
    options: IndexOptions,
    progress: Progress,
    seen: StatCheck | None,
) -> "_ComparedRun":
    """The run, its settings recorded and its folders compared; what is refused leaves the index as it was."""
    location = store.location
    scanned_ns = seen.scanned_ns if seen else time.time_ns()
    snapshot = writer.snapshot()
    model = run_model(snapshot.info(), options, progress)
    sparse = RunSparseModel(snapshot.info().sparse, options.sparse, options.trust, progress.announce)
    resolved = resolve_settings(snapshot, options, model, location)
    info = replace(with_roots(resolved.info, folders, store.host, writer.new_root_id), sparse=sparse.info)
    # A rebuild is of the whole index: what it drops may be of any folder.
    everything = not folders or options.rebuild
    roots = tuple(root for root in info.roots if root.is_here and (everything or root.path in folders))
    if held is not None:  # no others are locked
        roots = tuple(root for root in roots if root.path in held)
    if options.encode_only:
        roots = ()
    elif info.roots and not folders:
        refuse_no_folder([root.path for root in info.roots if root.is_here], location)
    if not options.prune:
        refuse_lost_roots(roots, location)
    assert info.rules is not None
    comparison = comparison_of(info.rules, info.generation, resolved.new_readers, options, location)
    compared = compare_folders(
        snapshot, roots, comparison, options, seen.roots if seen else {}, _Limit(progress.stopping).is_over
    )
    if not options.prune:
        refuse_mass_delete(snapshot, compared, location)
    report = IndexReport(location)
    report.moved = moved_vectors(snapshot, options)
    _record_settings(writer, resolved, info, model, options, progress)
    report.failed += [(shown_name(path), OUTSIDE) for path in compared.changes.outside]
    return _ComparedRun(writer, options, progress, model, sparse, info, compared, scanned_ns, report)


def _record_settings(
    writer: Writer,
    resolved: ResolvedSettings,
    info: IndexInfo,
    model: RunModel,
    options: IndexOptions,
    progress: Progress,
) -> None:
    if resolved.drop_vectors:
        if resolved.recorded.adapter is not None or resolved.recorded.fusion is not None:
            progress.announce("what tune learnt goes with the vectors it was learnt for: run tune again")
        if options.embed:
            model.embedder(None)  # the old vectors go only when the new model is known to work
    if resolved.recorded.sparse is not None and info.sparse is None:
        progress.announce(f"the sparse vectors by {resolved.recorded.sparse.name} are taken out")
    rebuilds = options.rebuild and resolved.recorded.chunking is not None
    if info == resolved.recorded and not rebuilds:
        return
    with writer.transaction() as transaction:
        if rebuilds:
            transaction.drop_damaged()
        if resolved.drop_vectors:
            transaction.drop_vectors()
        transaction.update(info)


@dataclass
class _ComparedRun:
    """A run whose folders were compared: what is left is to read, to encode and to report."""

    writer: Writer
    options: IndexOptions
    progress: Progress
    model: RunModel
    sparse: RunSparseModel
    info: IndexInfo
    compared: ComparedFolders
    scanned_ns: int
    report: IndexReport

    def read(self, readers: ReaderPool) -> None:
        """Commits removals, renames and skips, then reads what is new or changed and commits it in parts."""
        changes = self.compared.changes
        committer = Committer(self.writer, self.info, self.scanned_ns, self.report)
        committer.small_changes(changes, self.compared.lost)
        if not changes.read:
            return
        if self.options.newest_first:
            changes.read.sort(key=lambda change: -change[1].mtime_ns)
        self.progress.reading(len(changes.read))
        batch: list[ReadFile] = []
        chunks, last, patience = 0, time.perf_counter(), _FIRST_COMMIT_SECONDS
        limit = _Limit(self.progress.stopping)
        results = (
            part for _, part in readers.run(self._tasks(changes), self._read_rules(), limit.is_over_while_waiting)
        )
        for number, change in enumerate(changes.read):
            # What was read beside a file that was given up is kept.
            part = next(results, None) if limit.was_waiting or not limit.is_over() else None
            if part is None:
                self.report.left += len(changes.read) - number
                break
            item = ReadFile(*change, part)
            if part.status == "left":
                self.report.left += 1
                continue
            limit.has_read = True
            if item.prepared.last:
                batch.append(item)
                chunks += len(item.prepared.chunks)
            if not item.prepared.last or chunks >= _COMMIT_CHUNKS or time.perf_counter() - last > patience:
                committer.batch(batch)
                batch, chunks, last, patience = [], 0, time.perf_counter(), patience * 2
            if not item.prepared.last:
                self.report.left += not committer.large(item, results)
            self.progress.read(1)
        committer.batch(batch)

    def _tasks(self, changes: Changes) -> Iterator[Task]:
        comparison = self.compared.comparison
        paths = {root.id: root.path for root in self.compared.roots}
        for root_id, file, old in changes.read:
            known = self.compared.known_hash(file, old)
            yield Task(paths[root_id], file.path, file.size, known, comparison.rules.follow)

    def _read_rules(self) -> ReadRules:
        path, window = self.model.tokenizer(lambda: self.info.model)
        assert self.info.chunking is not None
        ocr = OcrLimits(*settings.ocr_limits()) if self.options.ocr else None
        return ReadRules(self.model.name, path, window, self.info.chunking, self.options.passwords, ocr)

    def encode(self) -> None:
        """Encodes the chunks that have no vector yet."""
        clock = time.perf_counter()

        def opened() -> Embedder:
            return self.model.passage_encoder(self.info.model, self.writer.snapshot().counts().pending)

        encode_pending(self.writer, opened, self.report, self.progress)
        self.report.device = self.model.release_gpu()  # what comes next may take hours
        encode_pending_sparse(self.writer, self.sparse.model, self.report, self.progress)
        self.writer.forget_deleted()
        if any(self.report.chunks[name] for name in ("encoded", "reused", "sparse")):
            self.report.seconds["encode"] = time.perf_counter() - clock

    def keep_token_vectors(self) -> None:
        """Makes the token vectors that are missing, where the index keeps them, or is to."""
        keep_token_vectors(self.writer, self.options.token_vectors, self.options.rebuild, self.report, self.progress)

    def finish(self, started: float, seconds: float) -> None:
        """Completes the report; records the run when it changed anything."""
        report, changes, snapshot = self.report, self.compared.changes, self.writer.snapshot()
        counts, info = snapshot.counts(), snapshot.info()
        report.files["unchanged"] += changes.unchanged
        report.indexed = counts.indexed
        report.chunks["total"] = counts.chunks
        report.chunks["pending"] = counts.pending
        waiting = counts.pending or report.chunks["sparse_pending"] or (report.token_vectors or {}).get("left", 0)
        unfinished = report.left or changes.stopped or (self.options.embed and waiting)
        report.stopped = bool(unfinished and self.options.max_seconds is not None and self.progress.stopping())
        report.seconds["total"] = seconds
        own = [root for root in info.roots if root.is_here]
        for root in own:
            for path, (status, reason) in sorted(snapshot.left_out(root.id).items()):
                listed = report.skipped if status == "skipped" else report.failed
                listed.append((self.info.shown_path(root.id, path), reason))
        for root_id, name, reason in changes.failed:
            report.failed.append((self.info.shown_path(root_id, os.fsencode(name)), reason))
        record = report.as_dict()
        run = RunRecord(started, seconds, {key: record[key] for key in ("files", "chunks", "seconds")})
        changed = any(report.files[name] for name in ("added", "changed", "renamed", "removed"))
        with self.writer.transaction() as transaction:
            made = any(report.chunks[name] for name in ("encoded", "reused", "sparse"))
            if changed or made or not _has_last_run(snapshot):
                transaction.record_run(run)
            whole = len(self.compared.roots) == len(own) and not changes.failed and not changes.stopped
            if whole and self.options.files_from is None and not self.report.left:
                transaction.update(replace(info, readers=max(info.readers, readers_version(info.readers))))


class _Limit:
    """When a part of the run ends: when the run is `stopping` and it got somewhere, or `_GRACE_SECONDS` later.

    `was_waiting`: it was over while a reader was waited for.
    """

    def __init__(self, stopping: Callable[[], bool]) -> None:
        self._stopping = stopping
        self._since: float | None = None
        self.has_read = False
        self.was_waiting = False

    def is_over(self) -> bool:
        if not self._stopping():
            return False
        self._since = self._since or time.perf_counter()
        return self.has_read or time.perf_counter() - self._since > _GRACE_SECONDS

    def is_over_while_waiting(self) -> bool:
        self.was_waiting = self.was_waiting or self.is_over()
        return self.was_waiting


def _has_last_run(snapshot: Snapshot) -> bool:
    """Whether a run is recorded; one that is damaged is recorded anew."""
    try:
        return snapshot.last_run() is not None
    except IndexDamagedError:
        return False
