"""One run of `index`, its lock held: walk, compare, read, commit the lexical leg; encode, commit the dense leg; merge.

Every commit leaves an index that answers. What a kill loses is what was not committed: at most some seconds of reading
or one batch of encoding, and the next run goes on from there.
"""

import contextlib
import json
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from semsearch import settings
from semsearch.chunking.tokenizers import tiktoken_named
from semsearch.embedding.cached_embedder import cached
from semsearch.embedding.embedder import Embedder
from semsearch.embedding.model_info import ModelInfo
from semsearch.embedding.open import check_reachable, check_same, open_named
from semsearch.embedding.resolve import ModelSource, resolve
from semsearch.errors import IndexDamagedError, SemsearchError, UsageError
from semsearch.first_look import FirstLook
from semsearch.indexing.changes import OUTSIDE, Changes, Comparison, KnownFiles, find_changes, refused, walk_rules
from semsearch.indexing.chunking_rules import chunking_of_new
from semsearch.indexing.dry_run import dry_run
from semsearch.indexing.encode import encode_pending
from semsearch.indexing.options import IndexOptions, Progress
from semsearch.lexical import postings
from semsearch.reading.pool import ReaderPool, core_count
from semsearch.reading.prepare import Prepared, ReadRules, Task
from semsearch.report import IndexReport, display_path
from semsearch.sources.document import storable
from semsearch.sources.ignore import compile_globs
from semsearch.sources.walk import File
from semsearch.storage.catalog import NONSENSE
from semsearch.storage.snapshot import as_damage
from semsearch.storage.writer import IndexWriter

_COMMIT_CHUNKS = 8192
_FIRST_COMMIT_SECONDS = 2.0


def index_folders(
    roots: Sequence[str],
    index: str | None = None,
    options: IndexOptions | None = None,
    progress: Progress | None = None,
    seen: FirstLook | None = None,
) -> IndexReport:
    """Brings the index up to date with `roots` (none: all folders it holds) and returns what was done.

    `seen` is a look at these folders by the recorded rules; it is gone on with unless the index changed meanwhile.
    Raises `SemsearchError`; unreadable files do not raise, they are listed in the report.
    """
    options, progress = options or IndexOptions(), progress or Progress()
    started = time.time()
    clock = time.perf_counter()
    folders = [_existing_folder(root) for root in roots]
    path = settings.index_for_writing(index, folders)
    if not folders and not os.path.exists(os.path.join(path, settings.CATALOG_FILE)):
        raise UsageError(f"no index at {path} and no folder named", "name the folder to index: semsearch index FOLDER")
    _check(options)
    if options.dry_run:
        return dry_run(path, folders, options)
    if options.max_seconds is not None:
        end = clock + options.max_seconds
        progress = replace(progress, stopping=lambda: time.perf_counter() >= end)
    with IndexWriter(path, options.wait, trust=options.rebuild) as writer, ReaderPool(core_count()) as readers:
        readers.warm_up()
        # What was seen holds for the recorded rules and for this state of the catalog.
        plain = replace(options, newest_first=False, max_seconds=None, wait=False) == IndexOptions()
        holds = seen is not None and plain and writer.catalog.unchanged(seen.stamp)
        run = _Run(writer, options, progress, seen if holds else None)
        with writer.commit():  # what is refused leaves the settings as they were, too
            try:
                run.settle()
                changes = run.compare(run.add_roots(folders))
            except NONSENSE as error:  # what is recorded there can be anything; the index may come from anywhere
                raise as_damage(path, error) from None
            run.guard(changes)
        run.apply(changes, readers)
        if options.rebuild and not run.report.left:
            writer.mended()  # every file was read again; what has no vector is known to have none
        readers.close()  # their memory is wanted for encoding
        run.report.seconds["read"] = time.perf_counter() - clock
        try:
            if options.embed:
                run.encode()
            writer.merge()
            writer.learn_codes_again()
        except BaseException:
            with contextlib.suppress(sqlite3.Error, OSError):  # the first error is the one to be told
                run.finish(changes, started, time.perf_counter() - clock)
            raise
        run.finish(changes, started, time.perf_counter() - clock)
        writer.checked()
        return run.report


def _check(options: IndexOptions) -> None:
    """Refuses, before anything is written, what the run would trip over."""
    if options.chunk_size is not None and options.chunk_size < 16:
        raise UsageError(f"--chunk-size {options.chunk_size} is too small", "use 16 tokens or more")
    if options.overlap is not None and options.overlap < 0:
        raise UsageError(f"--overlap {options.overlap} is negative", "use 0 or more")
    for globs in (options.include, options.exclude):
        compile_globs(globs or ())
    if options.model is not None:
        resolve(options.model, options.dim, options.trust)
    if options.tokenizer is not None:
        tiktoken_named(options.tokenizer)


def _existing_folder(root: str) -> str:
    if not root:
        raise UsageError("the name of a folder is empty", "say . for the folder you are in")
    path = os.path.abspath(os.path.expanduser(root))
    if not os.path.exists(path):
        raise UsageError(f"no such folder: {root}", "check the path")
    if not os.path.isdir(path):
        raise UsageError(f"not a folder: {root}", "name the folder that holds it, and --include for the file")
    try:
        os.scandir(path).close()
    except OSError as error:
        raise SemsearchError(f"cannot read the folder {root}: {error.strerror}", "check its permissions") from None
    return path


@dataclass(frozen=True)
class _Item:
    """One file that was read, ready to be committed."""

    root_id: int
    file: File
    old: sqlite3.Row | None
    prepared: Prepared

    def stamp(self) -> tuple[int, int, int]:
        """(size, mtime_ns, inode) when it was opened, or else when the walk saw it."""
        return self.prepared.stamp or (self.file.size, self.file.mtime_ns, self.file.inode)


class _GivenUpError(Exception):
    """A large file could not be read to its end; `args[0]` is what its reader said last."""


class _Run:
    """One run over one index, its lock held."""

    def __init__(self, writer: IndexWriter, options: IndexOptions, progress: Progress, seen: FirstLook | None) -> None:
        self.writer = writer
        self.catalog = writer.catalog
        self.options = options
        self.progress = progress
        self.report = IndexReport(writer.index)
        self.seen = seen.roots if seen else {}
        self.scanned_ns = seen.scanned_ns if seen else time.time_ns()
        self.source: ModelSource | None = None
        self.embedder: Embedder | None = None

    def settle(self) -> None:
        """Inside a commit: fixes model, chunking and walk rules, flags over what is recorded.

        Refuses what needs `--rebuild`.
        """
        options, catalog = self.options, self.catalog
        recorded = catalog.setting("chunking")
        name = options.model or catalog.setting("model_name") or settings.default_model()
        same_model = name == catalog.setting("model_name")
        self.dim = options.dim if options.dim is not None else catalog.setting("dim") if same_model else None
        self.model_name = name
        if options.dim is not None:
            self._source(name)  # refused before anything is written
        if recorded:
            asked = {"size": options.chunk_size, "overlap": options.overlap, "tokenizer": options.tokenizer}
            wanted = {**recorded, **{key: value for key, value in asked.items() if value is not None}}
            wanted["analysis"] = settings.ANALYSIS_VERSION
            different = [key for key in wanted if wanted[key] != recorded[key]]
            if not same_model:
                different.insert(0, "model")
            elif self.dim != catalog.setting("dim"):
                different.insert(0, "length of vectors")
            if different and not options.rebuild:
                raise SemsearchError(
                    f"the index {self.writer.index} was made with another {' and '.join(different)}",
                    "make it anew with: semsearch index --rebuild" + _flags(options, self.writer.index),
                    code="settings_mismatch",
                )
            self.chunking = chunking = wanted
        else:
            if options.embed:
                check_reachable(self._source(name))
            self.chunking = chunking = chunking_of_new(options, self._source(name))
        self.rules = walk_rules(catalog.setting("rules", {}), options)
        new_readers = bool(recorded) and catalog.setting("readers") != settings.READERS_VERSION
        self.generation = catalog.setting("generation", 1)
        fresh_model = options.rebuild and (self._model_differs(name) or self._vectors_are_lost())
        rules = self.rules.as_dict()
        unchanged = recorded == chunking and catalog.setting("rules") == json.loads(json.dumps(rules))
        if options.rebuild:
            self.generation += 1
        self.how = Comparison(
            self.rules,
            self.writer.index,
            self.generation,
            options.verify,
            options.retry,
            bool(options.passwords),
            new_readers,
        )
        if unchanged and not options.rebuild:
            return
        if options.rebuild and recorded:
            self.writer.drop_damaged_segments()
        catalog.set_setting("generation", self.generation)
        catalog.set_setting("chunking", chunking)
        catalog.set_setting("analysis", settings.ANALYSIS_VERSION)
        catalog.set_setting("rules", rules)
        catalog.set_setting("model_name", name)
        catalog.set_setting("dim", self.dim)
        if fresh_model:
            if catalog.setting("adapter"):
                self.progress.announce("what tune learnt goes with the vectors it was learnt for: run tune again")
            if options.embed:
                # The old vectors go only when the new model is known to work.
                self.embedder = self._remembering(None)
            self.writer.drop_segments("vec")
            catalog.set_setting("embedded_to", 0)
            catalog.set_setting("model", None)

    def _model_differs(self, name: str) -> bool:
        recorded = self.catalog.setting("model")
        if not recorded:
            return False
        source = self._source(name)
        same = recorded["name"] in (name, source.name) and self.dim == self.catalog.setting("dim")
        return not same or source.fingerprint != recorded["fingerprint"]

    def _vectors_are_lost(self) -> bool:
        """Whether only coarse or shortened vectors were kept, or nobody knows how: a rebuild makes them anew."""
        recorded = self.catalog.setting("model")
        if not recorded:
            return False
        try:
            form = self.writer.form(recorded["dim"])
            form.check()
        except IndexDamagedError:
            return True
        return not form.reversible

    def _source(self, name: str) -> ModelSource:
        if self.source is None:
            self.source = resolve(name, self.dim, self.options.trust)
        return self.source

    # -- comparing -----------------------------------------------------------------------------------------------

    def add_roots(self, folders: list[str]) -> list[tuple[int, str]]:
        """Inside a commit: (id, path) of the roots this run goes through; new ones are recorded."""
        known = {path: root_id for root_id, path, _ in self.catalog.roots()}
        for path in folders:
            if path not in known:
                known[path] = self.catalog.add_root(path)
        # A rebuild is of the whole index: what it drops may be of any folder.
        everything = not folders or self.options.rebuild
        return [(root_id, path) for path, root_id in known.items() if everything or path in folders]

    def compare(self, roots: list[tuple[int, str]]) -> Changes:
        self.roots = dict(roots)
        self.labels = {root_id: label for root_id, _, label in self.catalog.roots()}
        self.several = len(self.labels) > 1
        options = self.options
        self.lost = [root_id for root_id, path in self.roots.items() if not os.path.isdir(path)]
        for path in (self.roots[root_id] for root_id in self.lost):
            if not options.prune:
                raise SemsearchError(
                    f"the indexed folder {path} is gone; nothing was changed",
                    "bring it back; index another folder by its name: semsearch index FOLDER"
                    f"{_index_flag(self.writer.index)}; or drop it from the index with --prune",
                    code="root_gone",
                )
        known = {root_id: KnownFiles(self.catalog, root_id, self.generation) for root_id in self.roots}
        changes = find_changes(self.roots, known, self.how, options.files_from, self.seen)
        self.report.failed += [(path, OUTSIDE) for path in changes.outside]
        return changes

    def guard(self, changes: Changes) -> None:
        """Refuses a run that would drop what an unmounted disk would."""
        refusal = refused(self.catalog, changes)
        if refusal and not self.options.prune:
            raise SemsearchError(
                f"{refusal}; nothing was changed",
                "if that is meant, drop them with: semsearch index --prune" + _index_flag(self.writer.index),
                code="would_drop",
            )

    # -- the lexical leg -----------------------------------------------------------------------------------------

    def apply(self, changes: Changes, readers: ReaderPool) -> None:
        """Commits removals, renames and skips, then reads what is new or changed and commits it in parts."""
        self._commit_small_changes(changes)
        if not changes.read:
            return
        if self.options.newest_first:
            changes.read.sort(key=lambda found: -found[1].mtime_ns)
        self.progress.reading(len(changes.read))
        batch: list[_Item] = []
        chunks, last, patience = 0, time.perf_counter(), _FIRST_COMMIT_SECONDS
        tasks = (self._task(*found) for found in changes.read)
        results = (part for _, part in readers.run(tasks, self._read_rules()))
        for number, found in enumerate(changes.read):
            if number and self.progress.stopping():  # one at least, lest a short limit never gets anywhere
                self.report.left = len(changes.read) - number
                break
            prepared = next(results)
            if prepared.last:
                batch.append(_Item(*found, prepared))
                chunks += len(prepared.chunks)
            if not prepared.last or chunks >= _COMMIT_CHUNKS or time.perf_counter() - last > patience:
                # The first part is committed soon, so that the folder can be searched soon; then larger parts.
                self._commit_batch(batch)
                batch, chunks, last, patience = [], 0, time.perf_counter(), patience * 2
            if not prepared.last:
                self._commit_large(_Item(*found, prepared), results)
            self.progress.read(1)
        self._commit_batch(batch)

    def _task(self, root_id: int, file: File, old: sqlite3.Row | None) -> Task:
        reusable = old is not None and old["generation"] == self.generation and not self.how.tries_again(old)
        known = old["hash"] if old is not None and reusable else None
        return Task(os.path.join(self.roots[root_id], file.path), file.size, known)

    def _commit_small_changes(self, changes: Changes) -> None:
        lost = self.lost
        if not (changes.remove or changes.rename or changes.skip or lost):
            return
        with self.writer.commit() as connection:
            gone = [*changes.remove, *(old for _, _, old in changes.skip if old is not None)]
            self.writer.mark_dead([(row["first_chunk"], row["chunk_count"]) for row in gone])
            connection.executemany("DELETE FROM files WHERE id = ?", [(row["id"],) for row in gone])
            connection.executemany(
                "UPDATE files SET root_id = ?, path = ?, size = ?, mtime_ns = ?, inode = ?, scanned_ns = ?"
                " WHERE id = ?",
                [
                    (root_id, os.fsencode(file.path), file.size, file.mtime_ns, file.inode, self.scanned_ns, row["id"])
                    for root_id, file, row in changes.rename
                ],
            )
            for root_id, file, _ in changes.skip:
                self._insert_file(_Item(root_id, file, None, Prepared("skipped", file.skip)), 0, 0, again=True)
            connection.executemany("DELETE FROM roots WHERE id = ?", [(root_id,) for root_id in lost])
        self.report.files["removed"] = sum(row["status"] == "indexed" for row in gone)
        self.report.files["renamed"] = len(changes.rename)
        self.report.chunks["removed"] += sum(row["chunk_count"] for row in gone)

    def _read_rules(self) -> ReadRules:
        source = self._source(self.model_name)
        path, window = source.tokenizer_path(), source.window()
        if path is None or window is None:
            embedder = self._embedder()
            path, window = embedder.tokenizer.path, embedder.info.window
        return ReadRules(self.model_name, path, window, self.chunking, self.options.passwords)

    def _commit_batch(self, batch: list["_Item"]) -> None:
        """One commit: the files of `batch`, their chunks, their postings; their former chunks are deleted."""
        if not batch:
            return
        first = self.catalog.setting("next_chunk", 1)
        written = self._write_lexical(first, [item.prepared for item in batch])
        with self.writer.commit():
            replaced = self._delete_former(batch)
            next_id = first
            for item in batch:
                self._count(item)
                if item.prepared.status == "unchanged" and item.old is not None:
                    self._restamp(item, item.old["id"])
                elif not self._is_kept(item):
                    file_id = self._insert_file(item, next_id, len(item.prepared.chunks))
                    self._insert_chunks(item.prepared, file_id, next_id)
                    next_id += len(item.prepared.chunks)
            self.catalog.set_setting("next_chunk", next_id)
            if written:
                self.writer.add_segment("lex", *written)
        self.report.chunks["removed"] += replaced

    def _commit_large(self, item: "_Item", following: Iterator[Prepared]) -> None:
        """One commit for one file whose parts come one after the other; no more than a segment of it is held."""
        first = next_id = self.catalog.setting("next_chunk", 1)
        held = [item.prepared]
        try:
            with self.writer.commit() as connection:
                replaced = self._delete_former([item])
                file_id = self._insert_file(item, first, 0)
                while True:
                    complete = held[-1].last
                    if complete or sum(len(part.chunks) for part in held) >= _COMMIT_CHUNKS:
                        written = self._write_lexical(next_id, held)
                        if written:
                            self.writer.add_segment("lex", *written)
                        for part in held:
                            self._insert_chunks(part, file_id, next_id)
                            next_id += len(part.chunks)
                        held = []
                    if complete:
                        break
                    held.append(next(following))
                    if held[-1].status != "indexed":
                        raise _GivenUpError(held[-1])
                connection.execute("UPDATE files SET chunk_count = ? WHERE id = ?", (next_id - first, file_id))
                self.catalog.set_setting("next_chunk", next_id)
        except _GivenUpError as error:
            self._commit_batch([_Item(item.root_id, item.file, item.old, error.args[0])])
            return
        self._count(item)
        self.report.chunks["added"] += next_id - first - len(item.prepared.chunks)
        self.report.chunks["removed"] += replaced

    def _write_lexical(self, first: int, parts: Sequence[Prepared]) -> tuple[str, Any, Any] | None:
        """(name, chunk ids, files) of a segment written for the chunks of `parts`, numbered from `first`."""
        terms = [chunk_terms for part in parts for chunk_terms in part.terms]
        if not terms:
            return None
        languages = tuple(sorted({part.language for part in parts if part.chunks}))
        built = postings.build(range(first, first + len(terms)), terms, languages)
        name, files = self.writer.write_lexical(built)
        return name, built.ids, files

    def _delete_former(self, batch: Sequence["_Item"]) -> int:
        """Inside a commit: deletes what the index holds of the files that are replaced; returns how many chunks."""
        replaced = [
            item.old
            for item in batch
            if item.old is not None and item.prepared.status != "unchanged" and not self._is_kept(item)
        ]
        self.writer.mark_dead([(row["first_chunk"], row["chunk_count"]) for row in replaced])
        self.catalog.connection.executemany("DELETE FROM files WHERE id = ?", [(row["id"],) for row in replaced])
        return sum(row["chunk_count"] for row in replaced)

    def _is_kept(self, item: "_Item") -> bool:
        """Whether the file cannot be opened now and what is indexed of it stays: the trouble may pass."""
        return item.prepared.status == "unreadable" and item.old is not None and item.old["status"] == "indexed"

    def _restamp(self, item: "_Item", file_id: int) -> None:
        size, mtime_ns, inode = item.stamp()
        self.catalog.connection.execute(
            "UPDATE files SET size = ?, mtime_ns = ?, inode = ?, scanned_ns = ? WHERE id = ?",
            (size, mtime_ns, inode, self.scanned_ns, file_id),
        )

    def _insert_chunks(self, part: Prepared, file_id: int, first: int) -> None:
        self.catalog.connection.executemany(
            "INSERT INTO chunks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    first + number, file_id, chunk.hash(), storable(chunk.text),
                    json.dumps(chunk.heading), chunk.page, chunk.line_start, chunk.line_end, chunk.tokens,
                )
                for number, chunk in enumerate(part.chunks)
            ],
        )  # fmt: skip

    def _insert_file(self, item: "_Item", first_chunk: int, chunk_count: int, again: bool = False) -> int:
        """Inside a commit: the row of a file; `again`: it was not opened, so that nothing is known of its content."""
        prepared = item.prepared
        size, mtime_ns, inode = item.stamp()
        record = {
            "root_id": item.root_id,
            "path": os.fsencode(item.file.path),
            "status": "failed" if prepared.status == "unreadable" else prepared.status,
            "reason": storable(prepared.reason),
            "size": size,
            "mtime_ns": mtime_ns,
            "inode": inode,
            "scanned_ns": self.scanned_ns,
            # No run has this generation, so that the next one tries again.
            "generation": -1 if again or prepared.status == "unreadable" else self.generation,
            "hash": prepared.digest,
            "type": prepared.type,
            "title": prepared.title,
            "language": prepared.language,
            "metadata": prepared.metadata,
            "date": prepared.date,
            "first_chunk": first_chunk,
            "chunk_count": chunk_count,
        }
        cursor = self.catalog.connection.execute(
            f"INSERT INTO files ({', '.join(record)}) VALUES ({', '.join(':' + name for name in record)})", record
        )
        return int(cursor.lastrowid or 0)

    def _count(self, item: "_Item") -> None:
        files, status = self.report.files, item.prepared.status
        if status == "unchanged":
            files["unchanged"] += item.old is not None and item.old["status"] == "indexed"
        elif self._is_kept(item):
            shown = display_path(self.labels[item.root_id], os.fsencode(item.file.path), self.several)
            self.report.failed.append((shown, item.prepared.reason + "; what was indexed of it is kept"))
        elif status == "indexed":
            files["changed" if item.old is not None and item.old["status"] == "indexed" else "added"] += 1
            self.report.chunks["added"] += len(item.prepared.chunks)

    # -- the dense leg -------------------------------------------------------------------------------------------

    def encode(self) -> None:
        """Encodes what the dense leg has not gone through yet."""
        clock = time.perf_counter()
        if encode_pending(self.writer, self._embedder, self.report, self.progress):
            self.report.seconds["encode"] = time.perf_counter() - clock

    def _embedder(self) -> Embedder:
        if self.embedder is None:
            record = self.catalog.setting("model")
            self.embedder = self._remembering(ModelInfo.from_dict(record) if record else None)
        return self.embedder

    def _remembering(self, recorded: ModelInfo | None) -> Embedder:
        """The model, with the cache of passages before it; opened when it must say what it is, or encode."""
        source, by_user = self._source(self.model_name), self.options.model is not None

        def opened() -> Embedder:
            embedder = open_named(source, by_user, self.progress.announce, recorded)
            return check_same(embedder, recorded) if recorded else embedder

        if source.kind == "static":
            return opened()  # encodes faster than it is looked up
        if recorded is not None and recorded.fingerprint == source.fingerprint:
            return cached(recorded, opened, "passages")
        embedder = opened()
        return cached(embedder.info, lambda: embedder, "passages")

    # -- the report ----------------------------------------------------------------------------------------------

    def finish(self, changes: Changes, started: float, seconds: float) -> None:
        """Completes the report; records the run when it changed anything."""
        report, counts = self.report, self.catalog.counts()
        report.files["unchanged"] += changes.unchanged
        report.indexed = counts["indexed"]
        report.chunks["total"] = counts["chunks"]
        report.chunks["pending"] = counts["pending"]
        unfinished = report.left or (self.options.embed and counts["pending"])
        report.stopped = bool(unfinished and self.options.max_seconds is not None and self.progress.stopping())
        report.seconds["total"] = seconds
        for row in self.catalog.connection.execute(
            "SELECT root_id, path, status, reason FROM files WHERE status != 'indexed' ORDER BY root_id, path"
        ):
            shown = display_path(self.labels.get(row["root_id"], ""), row["path"], self.several)
            (report.skipped if row["status"] == "skipped" else report.failed).append((shown, row["reason"]))
        for root_id, path, reason in changes.failed:
            report.failed.append((display_path(self.labels[root_id], os.fsencode(path), self.several), reason))
        record = report.as_dict()
        record = {key: record[key] for key in ("files", "chunks", "seconds")}
        changed = any(report.files[name] for name in ("added", "changed", "renamed", "removed"))
        with self.writer.commit():
            if changed or report.chunks["encoded"] or report.chunks["reused"] or self.catalog.last_run() is None:
                self.catalog.add_run(started, seconds, record)
            whole = len(self.roots) == len(self.catalog.roots()) and not changes.failed
            if whole and self.options.files_from is None and not self.report.left:
                self.catalog.set_setting("readers", settings.READERS_VERSION)


def _index_flag(index: str) -> str:
    return f" --index {index}"


def _flags(options: IndexOptions, index: str) -> str:
    flags = [
        f" --{name.replace('_', '-')} {value}"
        for name in ("model", "dim", "tokenizer", "chunk_size", "overlap")
        if (value := getattr(options, name)) is not None
    ]
    return "".join(flags) + _index_flag(index)
