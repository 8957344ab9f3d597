"""The pipeline of `index`: walk, compare, read, chunk, commit the lexical leg; encode, commit the dense leg; merge.

Every commit leaves an index that answers. What a kill loses is what was not committed: at most some seconds of reading
or one batch of encoding, and the next run goes on from there.
"""

import contextlib
import json
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from hashlib import blake2b
from typing import Any

import numpy as np

from semsearch import settings
from semsearch.chunking import splitter
from semsearch.chunking.splitter import Chunk, ChunkRules, prefix_of
from semsearch.chunking.tokenizers import SubwordTokenizer, Tokenizer, tiktoken_named
from semsearch.embedding import models
from semsearch.embedding.embedder import Embedder, ModelInfo, Vectors
from semsearch.embedding.models import ModelSource
from semsearch.errors import ReadError, SemsearchError, UsageError
from semsearch.lexical import analyzer, language, postings
from semsearch.report import IndexReport, display_path
from semsearch.sources import registry
from semsearch.sources.document import Document
from semsearch.sources.walk import File, WalkRules, is_unchanged, walk
from semsearch.storage.catalog import Catalog
from semsearch.storage.segments import DenseSegment
from semsearch.storage.writer import IndexWriter

DEFAULT_OVERLAP = 32
_COMMIT_CHUNKS = 8192
_GROUP_FILES = 32
_GROUP_BYTES = 4_000_000
_FIRST_COMMIT_SECONDS = 2.0
_ENCODE_BATCH = 1024
_ENCODE_STEP = 64


@dataclass(frozen=True)
class IndexOptions:
    """What the user asked for; None means: as recorded in the index, or the default for a new one."""

    model: str | None = None
    tokenizer: str | None = None
    chunk_size: int | None = None
    overlap: int | None = None
    include: tuple[str, ...] | None = None
    exclude: tuple[str, ...] | None = None
    hidden: bool | None = None
    no_ignore: bool | None = None
    follow: bool | None = None
    max_file_size: int | None = None
    embed: bool = True
    rebuild: bool = False
    prune: bool = False
    verify: bool = False
    wait: bool = False
    dry_run: bool = False


@dataclass
class Progress:
    """Who wants to know how far it is. Every function may be replaced; none returns anything."""

    announce: Callable[[str], None] = lambda message: None
    reading: Callable[[int], None] = lambda total: None
    read: Callable[[int], None] = lambda count: None
    encoding: Callable[[int], None] = lambda total: None
    encoded: Callable[[int], None] = lambda count: None


# (root id, file, its row in the catalog)
_Found = tuple[int, File, sqlite3.Row | None]


@dataclass
class _Changes:
    """What the walk found different from the catalog, by root."""

    read: list[_Found] = field(default_factory=list)
    skip: list[_Found] = field(default_factory=list)
    failed: list[tuple[int, str, str]] = field(default_factory=list)
    rename: list[tuple[int, File, sqlite3.Row]] = field(default_factory=list)
    remove: list[sqlite3.Row] = field(default_factory=list)
    unchanged: int = 0
    kept: list[sqlite3.Row] = field(default_factory=list)


@dataclass
class _Prepared:
    """One file that was read, ready to be committed."""

    root_id: int
    file: File
    old: sqlite3.Row | None
    digest: bytes
    # A status of the catalog, or `unchanged` (only the stamp is new), or `kept` (nothing is written).
    status: str
    reason: str = ""
    retry: bool = False
    type: str = ""
    title: str = ""
    language: str = ""
    metadata: str = "{}"
    chunks: list[Chunk] = field(default_factory=list)
    terms: list[list[str]] = field(default_factory=list)


def index_folders(
    roots: Sequence[str],
    index: str | None = None,
    options: IndexOptions | None = None,
    progress: Progress | None = None,
) -> IndexReport:
    """Brings the index up to date with `roots` (none: all folders it holds) and returns what was done.

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
        return _dry_run(path, folders, options)
    with IndexWriter(path, options.wait) as writer:
        run = _Run(writer, options, progress)
        run.report.index = path
        changes = run.compare(run.add_roots(folders))
        run.guard(changes)
        run.apply(changes)
        run.report.seconds["read"] = time.perf_counter() - clock
        try:
            if options.embed:
                run.encode()
            writer.merge()
        except BaseException:
            with contextlib.suppress(sqlite3.Error, OSError):  # the first error is the one to be told
                run.finish(changes, started, time.perf_counter() - clock)
            raise
        run.finish(changes, started, time.perf_counter() - clock)
        return run.report


def _check(options: IndexOptions) -> None:
    """Refuses, before anything is written, what the run would trip over."""
    if options.chunk_size is not None and options.chunk_size < 16:
        raise UsageError(f"--chunk-size {options.chunk_size} is too small", "use 16 tokens or more")
    if options.overlap is not None and options.overlap < 0:
        raise UsageError(f"--overlap {options.overlap} is negative", "use 0 or more")
    if options.model is not None:
        models.resolve(options.model)
    if options.tokenizer is not None:
        tiktoken_named(options.tokenizer)


def _existing_folder(root: str) -> str:
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


class _Run:
    """One run over one index, its lock held."""

    def __init__(self, writer: IndexWriter, options: IndexOptions, progress: Progress) -> None:
        self.writer = writer
        self.catalog = writer.catalog
        self.options = options
        self.progress = progress
        self.report = IndexReport(writer.index)
        self.scanned_ns = time.time_ns()
        self.source: ModelSource | None = None
        self._settle()

    def _settle(self) -> None:
        """Fixes model, chunking and walk rules: flags over what is recorded; refuses what needs `--rebuild`."""
        options, catalog = self.options, self.catalog
        recorded = catalog.setting("chunking")
        name = options.model or catalog.setting("model_name") or settings.default_model()
        chunking = {
            "size": options.chunk_size,
            "overlap": options.overlap,
            "tokenizer": options.tokenizer,
            "analysis": settings.ANALYSIS_VERSION,
        }
        if recorded:
            wanted = {key: recorded[key] if value is None else value for key, value in chunking.items()}
            different = [key for key in wanted if wanted[key] != recorded[key]]
            if name != catalog.setting("model_name"):
                different.insert(0, "model")
            if different and not options.rebuild:
                raise SemsearchError(
                    f"the index {self.writer.index} was made with another {' and '.join(different)}",
                    "make it anew with: semsearch index --rebuild" + _flags(options, self.writer.index),
                    code="settings_mismatch",
                )
            chunking = wanted
        self.chunking = chunking
        self.model_name = name
        self.rules = walk_rules(catalog.setting("rules", {}), options)
        self.generation = catalog.setting("generation", 1)
        fresh_model = options.rebuild and self._model_differs(name)
        rules = self.rules.as_dict()
        unchanged = recorded == chunking and catalog.setting("rules") == json.loads(json.dumps(rules))
        if unchanged and not options.rebuild:
            return
        with self.writer.commit():
            if options.rebuild and recorded:
                self.generation += 1
                self.writer.drop_damaged_segments()
            catalog.set_setting("generation", self.generation)
            catalog.set_setting("chunking", chunking)
            catalog.set_setting("analysis", settings.ANALYSIS_VERSION)
            catalog.set_setting("rules", rules)
            catalog.set_setting("model_name", name)
            if fresh_model:
                self.writer.drop_segments("vec")
                catalog.set_setting("embedded_to", 0)
                catalog.set_setting("model", None)

    def _model_differs(self, name: str) -> bool:
        recorded = self.catalog.setting("model")
        if not recorded:
            return False
        return bool(name != recorded["name"]) or self._source(name).fingerprint != recorded["fingerprint"]

    def _source(self, name: str) -> ModelSource:
        if self.source is None:
            self.source = models.resolve(name)
        return self.source

    # -- comparing -----------------------------------------------------------------------------------------------

    def add_roots(self, folders: list[str]) -> list[tuple[int, str]]:
        """(id, path) of the roots this run goes through; new ones are recorded."""
        known = {path: root_id for root_id, path, _ in self.catalog.roots()}
        for path in folders:
            if path not in known:
                with self.writer.commit():
                    known[path] = self.catalog.add_root(path)
        return [(root_id, path) for path, root_id in known.items() if not folders or path in folders]

    def compare(self, roots: list[tuple[int, str]]) -> _Changes:
        self.roots = dict(roots)
        self.labels = {root_id: label for root_id, _, label in self.catalog.roots()}
        self.several = len(self.labels) > 1
        changes = _Changes()
        for root_id, path in roots:
            if not os.path.isdir(path) and not self.options.prune:
                raise SemsearchError(
                    f"the indexed folder {path} is gone; nothing was changed",
                    "bring it back, or drop its files with: semsearch index --prune" + _index_flag(self.writer.index),
                    code="root_gone",
                )
            known = {row["path"]: row for row in self.catalog.files(root_id)}
            compare(changes, root_id, path, known, self.rules, self.writer.index, self.generation, self.options.verify)
        find_renames(changes, self.roots)
        return changes

    def guard(self, changes: _Changes) -> None:
        """Refuses a run that would drop more than half of the indexed files: an unmounted disk looks like that."""
        before = self.catalog.counts()["indexed"]
        dropped = sum(row["status"] == "indexed" for row in changes.remove)
        if dropped * 2 > before and not self.options.prune:
            raise SemsearchError(
                f"{dropped} of {before} indexed files are gone or now ignored; nothing was changed",
                "if that is meant, drop them with: semsearch index --prune" + _index_flag(self.writer.index),
                code="would_drop",
            )

    # -- the lexical leg -----------------------------------------------------------------------------------------

    def apply(self, changes: _Changes) -> None:
        """Commits removals, renames and skips, then reads what is new or changed and commits it in parts."""
        self._commit_small_changes(changes)
        if not changes.read:
            return
        # Unpacking the detector's model takes 0.4 s without the interpreter's lock: while the first files are read.
        self.detector = threading.Thread(target=language.load, daemon=True)
        self.detector.start()
        rules = self._chunk_rules()
        self.progress.reading(len(changes.read))
        batch: list[_Prepared] = []
        chunks, last, patience = 0, time.perf_counter(), _FIRST_COMMIT_SECONDS
        for group in _groups(changes.read):
            for prepared in self._prepare(group, rules):
                batch.append(prepared)
                chunks += len(prepared.chunks)
                self.progress.read(1)
                # The first part is committed soon, so that the folder can be searched soon; then ever larger parts.
                if chunks >= _COMMIT_CHUNKS or time.perf_counter() - last > patience:
                    self._commit_batch(batch)
                    batch, chunks, last, patience = [], 0, time.perf_counter(), patience * 2
        self._commit_batch(batch)

    def _commit_small_changes(self, changes: _Changes) -> None:
        if not (changes.remove or changes.rename or changes.skip):
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
                self._insert_file(_Prepared(root_id, file, None, b"", "skipped", file.skip), 0)
            for root_id in self.roots:
                if not os.path.isdir(self.roots[root_id]):
                    connection.execute("DELETE FROM roots WHERE id = ?", (root_id,))
        self.report.files["removed"] = sum(row["status"] == "indexed" for row in changes.remove)
        self.report.files["renamed"] = len(changes.rename)
        self.report.chunks["removed"] += sum(row["chunk_count"] for row in gone)

    def _chunk_rules(self) -> ChunkRules:
        source = self._source(self.model_name)
        path, window = source.tokenizer_path(), source.window()
        if path is not None and window is not None:
            ruler = SubwordTokenizer(self.model_name, path)
        else:
            embedder = self._embedder()
            ruler, window = embedder.tokenizer, embedder.info.window
        return chunk_rules(self.chunking, ruler, window)

    def _prepare(self, group: list[_Found], rules: ChunkRules) -> Iterator[_Prepared]:
        """Reads and chunks the files of `group`, whose texts are tokenised together."""
        read = [self._read(*found) for found in group]
        spans = iter(rules.tokenizer.spans_of([document.text for _, document in read if document is not None]))
        self.detector.join()  # the detector keeps state: never two threads in it
        for prepared, document in read:
            if document is None:
                yield prepared
                continue
            code = language.detect(document.text)
            chunks = splitter.split(document, rules, next(spans))
            yield replace(
                prepared,
                type=document.type,
                title=_storable(document.title),
                language=code,
                metadata=json.dumps(dict(document.metadata), ensure_ascii=True),
                chunks=chunks,
                terms=[analyzer.analyze(chunk.encoded(), code) for chunk in chunks],
            )

    def _read(self, root_id: int, file: File, old: sqlite3.Row | None) -> tuple[_Prepared, Document | None]:
        """Reads one file; what goes wrong becomes its status, never an exception."""
        digest, retry, document = b"", False, None
        try:
            data, file = read_file(self.roots[root_id], file)
            digest = blake2b(data, digest_size=16).digest()
            if old and old["hash"] == digest and old["generation"] == self.generation:
                status, reason = "unchanged", ""
            else:
                document = registry.read(file.path, data)
                status, reason = "indexed", ""
        except ReadError as error:
            status, reason = "skipped" if error.skip else "failed", error.message
        except OSError as error:
            gone = isinstance(error, FileNotFoundError)
            reason = "vanished while it was read" if gone else f"cannot be read: {error.strerror or error}"
            # What is indexed of it stays: the trouble may pass. Tried again at every run.
            status, retry = "kept" if old and old["status"] == "indexed" else "failed", True
        return _Prepared(root_id, file, old, digest, status, reason, retry), document

    def _commit_batch(self, batch: list[_Prepared]) -> None:
        """One commit: the files of `batch`, their chunks, their postings; their former chunks are deleted."""
        if not batch:
            return
        first = self.catalog.setting("next_chunk", 1)
        chunks = [chunk for prepared in batch for chunk in prepared.chunks]
        written = None
        if chunks:
            part = postings.build(
                range(first, first + len(chunks)),
                [terms for prepared in batch for terms in prepared.terms],
                tuple(sorted({prepared.language for prepared in batch if prepared.chunks})),
            )
            written = (part.ids, *self.writer.write_lexical(part))
        with self.writer.commit() as connection:
            replaced = [item.old for item in batch if item.old is not None and item.status not in ("unchanged", "kept")]
            self.writer.mark_dead([(row["first_chunk"], row["chunk_count"]) for row in replaced])
            connection.executemany("DELETE FROM files WHERE id = ?", [(row["id"],) for row in replaced])
            next_id = first
            for item in batch:
                if item.status == "kept":
                    continue
                if item.status == "unchanged" and item.old is not None:
                    connection.execute(
                        "UPDATE files SET size = ?, mtime_ns = ?, inode = ?, scanned_ns = ? WHERE id = ?",
                        (item.file.size, item.file.mtime_ns, item.file.inode, self.scanned_ns, item.old["id"]),
                    )
                    continue
                file_id = self._insert_file(item, next_id)
                connection.executemany(
                    "INSERT INTO chunks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    [
                        (
                            next_id + number, file_id, chunk.hash(), _storable(chunk.text),
                            json.dumps(chunk.heading), chunk.page, chunk.line_start, chunk.line_end, chunk.tokens,
                        )
                        for number, chunk in enumerate(item.chunks)
                    ],
                )  # fmt: skip
                next_id += len(item.chunks)
            self.catalog.set_setting("next_chunk", next_id)
            if written:
                self.writer.add_segment("lex", written[1], written[0], written[2])
        self._count(batch, replaced)

    def _insert_file(self, item: _Prepared, first_chunk: int) -> int:
        record = {
            "root_id": item.root_id,
            "path": os.fsencode(item.file.path),
            "status": item.status,
            "reason": item.reason,
            "size": item.file.size,
            "mtime_ns": item.file.mtime_ns,
            "inode": item.file.inode,
            "scanned_ns": self.scanned_ns,
            # No run has this generation, so that the next one tries again.
            "generation": -1 if item.retry else self.generation,
            "hash": item.digest,
            "type": item.type,
            "title": item.title,
            "language": item.language,
            "metadata": item.metadata,
            "first_chunk": first_chunk,
            "chunk_count": len(item.chunks),
        }
        cursor = self.catalog.connection.execute(
            f"INSERT INTO files ({', '.join(record)}) VALUES ({', '.join(':' + name for name in record)})", record
        )
        return int(cursor.lastrowid or 0)

    def _count(self, batch: list[_Prepared], replaced: list[sqlite3.Row]) -> None:
        files, chunks = self.report.files, self.report.chunks
        for item in batch:
            if item.status == "unchanged":
                files["unchanged"] += item.old is not None and item.old["status"] == "indexed"
            elif item.status == "kept":
                self.report.failed.append(
                    (
                        display_path(self.labels[item.root_id], os.fsencode(item.file.path), self.several),
                        item.reason + "; what was indexed of it is kept",
                    )
                )
            elif item.status == "indexed":
                files["changed" if item.old is not None and item.old["status"] == "indexed" else "added"] += 1
                chunks["added"] += len(item.chunks)
        chunks["removed"] += sum(row["chunk_count"] for row in replaced)

    # -- the dense leg -------------------------------------------------------------------------------------------

    def encode(self) -> None:
        """Encodes what the dense leg has not gone through yet, in id order, a commit every batch."""
        catalog = self.catalog
        done = catalog.setting("embedded_to", 0)
        pending = catalog.counts()["pending"]
        if pending:
            clock = time.perf_counter()
            embedder = self._embedder()
            self.progress.encoding(pending)
            while rows := catalog.connection.execute(
                "SELECT id, hash, heading, text FROM chunks WHERE id > ? AND file_id IS NOT NULL ORDER BY id LIMIT ?",
                (done, _ENCODE_BATCH),
            ).fetchall():
                done = self._encode_batch(embedder, rows, done)
            self.report.seconds["encode"] = time.perf_counter() - clock
        last = catalog.setting("next_chunk", 1) - 1
        dead = catalog.connection.execute("SELECT EXISTS (SELECT 1 FROM chunks WHERE file_id IS NULL)").fetchone()[0]
        if dead or done != last:
            with self.writer.commit() as connection:
                catalog.set_setting("embedded_to", last)
                # Kept until now for their vectors, which the new chunks may have reused.
                connection.execute("DELETE FROM chunks WHERE file_id IS NULL")

    def _embedder(self) -> Embedder:
        recorded = self.catalog.setting("model")
        embedder = models.open_model(self._source(self.model_name), self.progress.announce)
        if recorded:
            models.check_same(embedder, ModelInfo.from_dict(recorded))
        return embedder

    def _encode_batch(self, embedder: Embedder, rows: list[sqlite3.Row], done: int) -> int:
        """Vectors of `rows`, reused where an encoded chunk had the same text; returns the last id committed."""
        ids = np.array([row["id"] for row in rows], np.int64)
        vectors = np.empty((len(rows), embedder.info.dim), np.float32)
        known = self._known_vectors([row["hash"] for row in rows], done)
        finished = 0
        try:
            while finished < len(rows):
                step = rows[finished : finished + _ENCODE_STEP]
                new = {row["hash"]: row for row in step if row["hash"] not in known}
                texts = [
                    prefix_of(tuple(json.loads(row["heading"])), row["text"]) + row["text"] for row in new.values()
                ]
                known.update(zip(new, embedder.encode(texts), strict=True))
                for number, row in enumerate(step, finished):
                    vectors[number] = known[row["hash"]]
                finished += len(step)
                self.report.chunks["encoded"] += len(new)
                self.report.chunks["reused"] += len(step) - len(new)
                self.progress.encoded(len(step))
        finally:
            # An interrupt keeps what is encoded.
            if finished:
                name, files = self.writer.write_dense(ids[:finished], vectors[:finished])
                with self.writer.commit():
                    self.writer.add_segment("vec", name, ids[:finished], files)
                    self.catalog.set_setting("embedded_to", int(ids[finished - 1]))
                    self.catalog.set_setting("model", embedder.info.as_dict())
        return int(ids[-1])

    def _known_vectors(self, hashes: Iterable[bytes], done: int) -> dict[bytes, Vectors]:
        """The vectors of already encoded chunks, dead ones included, by the hash of their text."""
        wanted = list(dict.fromkeys(hashes))
        older: dict[int, bytes] = {}
        for start in range(0, len(wanted) if done else 0, 500):
            part = wanted[start : start + 500]
            marks = ",".join("?" * len(part))
            older.update(
                self.catalog.connection.execute(
                    f"SELECT MAX(id), hash FROM chunks WHERE hash IN ({marks}) AND id <= ? GROUP BY hash", (*part, done)
                ).fetchall()
            )
        if not older:
            return {}
        dim = self.catalog.setting("model")["dim"]
        ids = np.array(sorted(older), np.int64)
        known: dict[bytes, Vectors] = {}
        for row in self.catalog.segments("vec"):
            inside = ids[(ids >= row["first_id"]) & (ids <= row["last_id"])]
            if len(inside):
                segment = DenseSegment(self.writer.index, row["name"], row["rows"], dim, json.loads(row["files"]))
                at = np.searchsorted(segment.ids, inside)
                there = (at < len(segment.ids)) & (segment.ids[np.minimum(at, len(segment.ids) - 1)] == inside)
                found = segment.vectors.vectors(at[there])
                known.update((older[int(chunk)], vector) for chunk, vector in zip(inside[there], found, strict=True))
        return known

    # -- the report ----------------------------------------------------------------------------------------------

    def finish(self, changes: _Changes, started: float, seconds: float) -> None:
        """Completes the report; records the run when it changed anything."""
        report, counts = self.report, self.catalog.counts()
        report.files["unchanged"] += changes.unchanged
        report.indexed = counts["indexed"]
        report.chunks["total"] = counts["chunks"]
        report.chunks["pending"] = counts["pending"]
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
        with self.writer.commit():
            self.catalog.add_run(started, seconds, record)


# -- steps that need no open index -----------------------------------------------------------------------------------


def walk_rules(recorded: dict[str, Any], options: IndexOptions) -> WalkRules:
    """The recorded rules with the flags of this run over them."""
    names = set(WalkRules.__slots__)
    flags = {item.name: getattr(options, item.name) for item in fields(options) if item.name in names}
    chosen = {**recorded, **{name: value for name, value in flags.items() if value is not None}}
    return WalkRules(**chosen)


def chunk_rules(chunking: dict[str, Any], embedder: SubwordTokenizer, window: int) -> ChunkRules:
    """The ChunkRules of recorded or asked-for chunking, for a model's own tokenizer and window."""
    room = window - embedder.special_tokens()
    ruler: Tokenizer = tiktoken_named(chunking["tokenizer"]) if chunking["tokenizer"] else embedder
    size = chunking["size"] or room
    # The splitter takes at most a quarter of a chunk.
    overlap = DEFAULT_OVERLAP if chunking["overlap"] is None else chunking["overlap"]
    return ChunkRules(min(size, room) if ruler is embedder else size, overlap, ruler, room, embedder)


def compare(
    changes: _Changes,
    root_id: int,
    root: str,
    known: dict[bytes, sqlite3.Row],
    rules: WalkRules,
    index: str,
    generation: int,
    verify: bool,
) -> None:
    """Adds to `changes` how the files below `root` differ from `known`, by size, time and inode."""
    unlisted: list[bytes] = []

    def on_error(path: str, error: OSError) -> None:
        changes.failed.append((root_id, path, f"cannot be read: {error.strerror}"))
        unlisted.append(b"" if path == "." else os.fsencode(path))

    files = walk(root, rules, index, on_error) if os.path.isdir(root) else iter(())
    for file in files:
        old = known.pop(os.fsencode(file.path), None)
        if old is not None and not verify and is_unchanged(file, old, generation):
            changes.unchanged += old["status"] == "indexed"
        elif file.skip:
            changes.skip.append((root_id, file, old))
        else:
            changes.read.append((root_id, file, old))
    for path, row in known.items():
        # What lies in a folder that could not be listed is not gone.
        if any(path == folder or path.startswith(folder) for folder in unlisted):
            changes.kept.append(row)
        else:
            changes.remove.append(row)


def find_renames(changes: _Changes, roots: dict[int, str]) -> None:
    """Turns a removed file and a new one of equal content into a rename, which keeps chunks and vectors."""
    gone: dict[bytes, list[sqlite3.Row]] = {}
    sizes = set()
    for row in changes.remove:
        if row["status"] == "indexed":
            gone.setdefault(row["hash"], []).append(row)
            sizes.add(row["size"])
    if not gone:
        return
    remaining = []
    for root_id, file, old in changes.read:
        if old is None and file.size in sizes:
            try:
                data, _ = read_file(roots[root_id], file)
            except OSError:
                data = b""
            same = gone.get(blake2b(data, digest_size=16).digest(), [])
            # A new suffix may mean another reader.
            match = next((row for row in same if _suffix(row["path"]) == _suffix(os.fsencode(file.path))), None)
            if match is not None:
                same.remove(match)
                changes.remove.remove(match)
                changes.rename.append((root_id, file, match))
                continue
        remaining.append((root_id, file, old))
    changes.read = remaining


def read_file(root: str, file: File) -> tuple[bytes, File]:
    """The bytes of `file`, and its size and time as they were when it was opened."""
    with open(os.path.join(root, file.path), "rb") as opened:
        stat = os.fstat(opened.fileno())
        return opened.read(), File(file.path, stat.st_size, stat.st_mtime_ns, stat.st_ino)


def _groups(found: list[_Found]) -> Iterator[list[_Found]]:
    """`found` in parts of at most 32 files and about 4 MB."""
    group: list[_Found] = []
    size = 0
    for item in found:
        group.append(item)
        size += item[1].size
        if len(group) == _GROUP_FILES or size > _GROUP_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


def _dry_run(path: str, folders: list[str], options: IndexOptions) -> IndexReport:
    """What a run would do, by size, time and content; writes nothing, not even an index folder."""
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
    roots = {root: known_roots.get(root, -number) for number, root in enumerate(folders or known_roots, 1)}
    rules = walk_rules(catalog.setting("rules", {}) if catalog else {}, options)
    generation = -1 if options.rebuild or catalog is None else catalog.setting("generation", 1)
    changes = _Changes()
    for root, root_id in roots.items():
        known = {row["path"]: row for row in catalog.files(root_id)} if catalog else {}
        compare(changes, root_id, root, known, rules, path, generation, options.verify)
    find_renames(changes, {root_id: root for root, root_id in roots.items()})
    for _, _, old in changes.read:
        report.files["changed" if old is not None and old["status"] == "indexed" else "added"] += 1
    report.files["renamed"] = len(changes.rename)
    report.files["removed"] = sum(row["status"] == "indexed" for row in changes.remove)
    report.files["unchanged"] = changes.unchanged
    report.skipped = [(file.path, file.skip) for _, file, _ in changes.skip]
    report.failed = [(name, reason) for _, name, reason in changes.failed]
    if catalog:
        counts = catalog.counts()
        report.indexed = counts["indexed"]
        report.chunks["total"], report.chunks["pending"] = counts["chunks"], counts["pending"]
    return report


def _suffix(path: bytes) -> bytes:
    return os.path.splitext(path)[1].lower()


def _storable(text: str) -> str:
    """`text` without unpaired surrogates, which SQLite does not store."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _index_flag(index: str) -> str:
    return f" --index {index}"


def _flags(options: IndexOptions, index: str) -> str:
    flags = [
        f" --{name.replace('_', '-')} {value}"
        for name in ("model", "tokenizer", "chunk_size", "overlap")
        if (value := getattr(options, name)) is not None
    ]
    return "".join(flags) + _index_flag(index)
