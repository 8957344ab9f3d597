"""Changes of an index folder, as `protocol.Writer` and `protocol.Transaction`."""

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from semsearch.embedding.embedder import Vectors
from semsearch.embedding.model_info import ModelInfo
from semsearch.embedding.sparse_info import SparseInfo
from semsearch.lexical import postings
from semsearch.lexical.bm25 import locate
from semsearch.sources.document import storable
from semsearch.sources.lines import LineStarts
from semsearch.sources.stamps import Stamp
from semsearch.store.local import merging, rows
from semsearch.store.local.damage import about_index, catalog_damaged, name_index
from semsearch.store.local.moving_vectors import finish_move, plan_move
from semsearch.store.local.snapshot import LocalSnapshot, encoded_chunks
from semsearch.store.local.sparse_writer import LocalSparseWriter
from semsearch.store.local.token_vectors import LocalTokenVectors
from semsearch.store.local.writer import IndexWriter
from semsearch.store.protocol import AnalysedPart, AnalysedParts
from semsearch.store.recorded_info import as_values
from semsearch.store.records import (
    DocumentPart,
    DocumentProperties,
    FileRecord,
    IndexInfo,
    Passage,
    RunRecord,
    joined_reasons,
)
from semsearch.vector_engines.opening import is_same_place, tells_text

if TYPE_CHECKING:
    from semsearch.chunking.chunk import Chunk

# Chunks of one lexical segment, at the most; a file that is larger is written in several.
_SEGMENT_CHUNKS = 8192
# Passages that a vector database is told of again in one exchange.
_TOLD_AT_ONCE = 1024


class LocalWriter:
    """`protocol.Writer` over the writer of an index folder."""

    def __init__(self, index: IndexWriter) -> None:
        self._index = index
        self.notices: Sequence[str] = index.notices
        self._last_root = 0

    def __enter__(self) -> "LocalWriter":
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        name_index(error, self._index.index)
        with about_index(self._index.index):
            self.close()

    def close(self) -> None:
        self._index.close()

    def resume(self) -> None:
        """Goes on with what a run that was killed had begun. Raises `SemsearchError`, and is closed then."""
        try:
            finish_move(self._index)
        except BaseException:
            self.close()
            raise

    def snapshot(self) -> LocalSnapshot:
        return LocalSnapshot(self._index.catalog)

    @contextmanager
    def transaction(self) -> Iterator["LocalTransaction"]:
        with self._index.commit():
            transaction = LocalTransaction(self._index)
            yield transaction
            transaction.finish()
        finish_move(self._index)

    def new_root_id(self) -> int:
        self._last_root = max(self._last_root, *(root[0] for root in self._index.catalog.roots()), 0) + 1
        return self._last_root

    def claim(self, limit: int) -> list[Passage]:
        passages = self.snapshot().pending(limit)
        if passages and (engine := self._index.engine_vectors()) is not None:
            # In a commit before anything is put there; and whoever pays for vectors is told before that where to put
            # them is not to be had.
            with self._index.commit():
                self._index.begin_engine(engine)
            engine.engine.exists()
        return passages

    def token_vectors(self) -> LocalTokenVectors:
        return LocalTokenVectors(self._index.catalog)

    def token(self) -> str:
        return ""

    def known_vectors(self, hashes: Collection[bytes]) -> Mapping[bytes, NDArray[np.float32]]:
        catalog = self._index.catalog
        older = dict(encoded_chunks(catalog, hashes, catalog.number("embedded_to")))
        if not older:
            return {}
        ids = np.array(sorted(older), np.int64)
        if (engine := self._index.engine_vectors()) is not None:
            rows = zip(ids.tolist(), engine.vectors(ids, self._index.model_dim()), strict=True)
            return {older[chunk]: vector for chunk, vector in rows if not np.isnan(vector).any()}
        vector_format = self._index.vector_format(self._index.model_dim())
        known: dict[bytes, NDArray[np.float32]] = {}
        for one in self._index.segments("vec"):
            inside = ids[(ids >= one.first_id) & (ids <= one.last_id)]
            if len(inside):
                segment = self._index.dense_segment(one, vector_format)
                there, at = locate(inside, segment.ids)
                vectors = segment.vectors.vectors(at)
                known.update((older[int(chunk)], vector) for chunk, vector in zip(inside[there], vectors, strict=True))
        return known

    def sparse_leg(self) -> LocalSparseWriter | None:
        model = self.snapshot().info().sparse
        return None if model is None else LocalSparseWriter(self._index, model.step)

    def maintain(self, stopping: Callable[[], bool] = lambda: False) -> None:
        if (engine := self._index.engine_vectors()) is not None and engine.has_grown and not stopping():
            engine.engine.maintain()
        merging.merge(self._index, stopping)
        if not stopping():
            merging.learn_codes_again(self._index)
        if not stopping() and (leg := self.sparse_leg()) is not None:
            leg.maintain(stopping)

    def forget_deleted(self) -> None:
        self._tell_again()
        catalog = self._index.catalog
        if catalog.counts()["pending"]:
            return
        last = catalog.number("next_chunk", 1) - 1
        dead = [row[0] for row in catalog.rows("SELECT id FROM chunks WHERE file_id IS NULL ORDER BY id")]
        if dead and (engine := self._index.engine_vectors()) is not None:
            engine.delete(np.array(dead, np.int64))
        if dead or catalog.number("embedded_to") != last:
            with self._index.commit() as connection:
                catalog.set_setting("embedded_to", last)
                connection.execute("DELETE FROM chunks WHERE file_id IS NULL")

    def _tell_again(self) -> None:
        """Tells a vector database anew of the passages of files that are elsewhere now."""
        untold = self._index.catalog.listed("vectors_untold")
        engine = self._index.engine_vectors() if untold else None
        if engine is None:
            return
        snapshot = self.snapshot()
        batch: list[Passage] = []
        for file_id in dict.fromkeys(untold):
            batch += [one for one in snapshot.passages_of(file_id) if one.id <= snapshot.embedded_to()]
            if len(batch) >= _TOLD_AT_ONCE:
                engine.tell_again(batch, snapshot.info())
                batch = []
        engine.tell_again(batch, snapshot.info())
        with self._index.commit():
            self._index.catalog.set_setting("vectors_untold", None)

    def is_current(self, stamp: Any) -> bool:
        return self._index.catalog.unchanged(stamp)

    def compared(self) -> None:
        self._index.compared()

    def rebuilt(self) -> None:
        self._index.clear_suspicion()


class LocalTransaction:
    """Changes inside one commit of `index`. Chunks are given ids as they come; their postings are written in segments
    of several files, the last one by `flush`."""

    def __init__(self, index: IndexWriter) -> None:
        self._index = index
        self._catalog = index.catalog
        self._terms: list[list[str]] = []
        self._languages: set[str] = set()
        # The chunks whose postings are not written yet.
        self._unwritten: list[int] = []
        self._next_chunk = self._catalog.number("next_chunk", 1)
        # Files of which a vector database is to tell something else.
        self._untold: list[int] = []

    def update(self, info: IndexInfo) -> None:
        catalog = self._catalog
        values = as_values(info)
        recorded = catalog.settings(values)
        del values["vectors_at"]
        at, before = info.vectors_at, recorded.get("vectors_at")
        if at != before:
            if at is not None and isinstance(before, str) and is_same_place(at, before):
                self._spell_again(before, at)
            else:  # they are moved after this commit, which `finish_move` records
                plan_move(self._index, at)
        shown = LocalSnapshot(catalog).info()
        self._untold += [
            row[0]
            for root in info.roots
            if any(one.id == root.id and one.label != root.label for one in shown.roots)
            or (shown.roots and (len(shown.roots) > 1) != (len(info.roots) > 1))
            for row in catalog.rows("SELECT id FROM files WHERE root_id = ? AND chunk_count > 0", (root.id,))
        ]
        if _differ(shown.sparse, info.sparse):
            self._index.drop_sparse()
        for key, value in values.items():
            if json.loads(json.dumps(value)) != recorded.get(key):
                catalog.set_setting(key, value)
        known = {root[0] for root in catalog.roots()}
        gone = known - {root.id for root in info.roots}
        catalog.connection.executemany("DELETE FROM roots WHERE id = ?", [(root_id,) for root_id in gone])
        for root in info.roots:
            if root.id not in known:
                catalog.insert_root(root.id, rows.root_path(root), root.label)

    def _spell_again(self, before: str, at: str) -> None:
        """Records that the collection at `before` is called `at` from now on: by another user, a name of the server, or
        with other options of ours."""
        filled = self._catalog.listed("vectors_filled")
        self._catalog.set_setting("vectors_at", at)
        self._catalog.set_setting("vectors_filled", [at if one == before else one for one in filled])
        if tells_text(at) != tells_text(before):
            self._untold += [row[0] for row in self._catalog.rows("SELECT id FROM files WHERE chunk_count > 0")]

    def put_file(self, file: FileRecord, parts: AnalysedParts, first_chunk: int | None = None) -> int:
        first = self._next_chunk = self._next_chunk if first_chunk is None else first_chunk
        file_id = self._insert_file(file, first)
        reasons = [file.reason]
        document, begin = None, first  # what the chunks from `begin` on are of
        for part in parts:
            reasons.append(part.reason)
            if len(self._terms) >= _SEGMENT_CHUNKS:
                self.flush()
            if part.document is not None:
                self._insert_part(document, file_id, begin)
                document, begin = part.document, self._next_chunk
            self._insert_chunks(part, file_id)
        self._insert_part(document, file_id, begin)
        count = self._next_chunk - first
        self._catalog.connection.execute(
            "UPDATE files SET chunk_count = ?, reason = ? WHERE id = ?",
            (count, storable(joined_reasons(reasons)), file_id),
        )
        return count

    def _insert_file(self, file: FileRecord, first_chunk: int) -> int:
        values = {
            "root_id": file.root_id,
            "path": file.path,
            "status": file.status,
            "reason": storable(file.reason),
            "size": file.size,
            "mtime_ns": file.mtime_ns,
            "inode": file.inode,
            "scanned_ns": file.scanned_ns,
            "generation": file.generation,
            "hash": file.content_hash,
            "type": file.type,
            "title": file.title,
            "language": file.language,
            "metadata": storable(json.dumps(file.metadata, ensure_ascii=True)),
            "date": file.date,
            "first_chunk": first_chunk if file.status == "indexed" else 0,
        }
        cursor = self._catalog.connection.execute(
            f"INSERT INTO files ({', '.join(values)}) VALUES ({', '.join(':' + name for name in values)})", values
        )
        return int(cursor.lastrowid or 0)

    def _insert_part(self, document: DocumentProperties | None, file_id: int, first_chunk: int) -> None:
        """Says that the chunks from `first_chunk` on are those of `document`, where there are any."""
        if document is None or first_chunk == self._next_chunk:
            return
        self._catalog.connection.execute(
            "INSERT INTO parts (file_id, first_chunk, chunk_count, title, metadata, date, language)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                file_id, first_chunk, self._next_chunk - first_chunk, storable(document.title),
                storable(json.dumps(document.metadata, ensure_ascii=True)), document.date, document.language,
            ),
        )  # fmt: skip

    def _insert_chunks(self, part: AnalysedPart, file_id: int) -> None:
        if not part.chunks:
            return
        self._catalog.connection.executemany(
            "INSERT INTO chunks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    number, file_id, chunk.hash(), storable(chunk.text), json.dumps(chunk.heading), chunk.page,
                    chunk.line_start, chunk.line_end, chunk.tokens, _joined(chunk.line_breaks),
                )
                for number, chunk in enumerate(part.chunks, self._next_chunk)
            ],
        )  # fmt: skip
        self._unwritten += range(self._next_chunk, self._next_chunk + len(part.chunks))
        self._next_chunk += len(part.chunks)
        self._terms += part.terms
        self._languages.add(part.language)

    def flush(self) -> None:
        """Writes the postings of the chunks that have none yet; also the last thing of the commit."""
        if not self._terms:
            return
        built = postings.build(self._unwritten, self._terms, tuple(sorted(self._languages)))
        name, files = self._index.write_lexical(built)
        self._index.add_segment("lex", name, built.ids, files)
        self._catalog.set_setting("next_chunk", self._next_chunk)
        self._terms, self._languages, self._unwritten = [], set(), []

    def delete_files(self, ids: Sequence[int]) -> int:
        spans = []
        for number in ids:
            row = self._catalog.row("SELECT first_chunk, chunk_count FROM files WHERE id = ?", (number,))
            if row is None:
                raise catalog_damaged(self._index.index, f"file {number} is not there")
            first, end = rows.decoded(self._index.index, partial(rows.span, row), "the chunks of a file")
            spans.append((first, end - first))
        self.flush()  # what was put in this transaction can be deleted, too
        self._index.mark_dead(spans)
        for table, column in (("parts", "file_id"), ("files", "id")):
            self._catalog.connection.executemany(f"DELETE FROM {table} WHERE {column} = ?", [(one,) for one in ids])
        return sum(count for _, count in spans)

    def give_up_to(self, chunk_id: int) -> None:
        self.flush()
        self._next_chunk = max(self._next_chunk, chunk_id + 1)
        self._catalog.set_setting("next_chunk", self._next_chunk)

    def rename(self, file_id: int, root_id: int, path: bytes, stamp: Stamp, scanned_ns: int) -> None:
        old = self._catalog.row("SELECT root_id, path, mtime_ns FROM files WHERE id = ?", (file_id,))
        if old is not None and tuple(old) != (root_id, path, stamp[1]):
            self._untold.append(file_id)
        self._catalog.connection.execute(
            "UPDATE files SET root_id = ?, path = ?, size = ?, mtime_ns = ?, inode = ?, scanned_ns = ? WHERE id = ?",
            (root_id, path, *stamp, scanned_ns, file_id),
        )

    def finish(self) -> None:
        """The last thing of the commit."""
        self.flush()
        if self._untold and self._index.engine_vectors() is not None:
            before = self._catalog.listed("vectors_untold")
            self._catalog.set_setting("vectors_untold", [*before, *self._untold])

    def put_vectors(self, ids: NDArray[np.int64], vectors: Vectors, model: ModelInfo) -> None:
        if (engine := self._index.engine_vectors()) is None:
            name, files = self._index.write_dense(ids, vectors, model.dim)
            self._index.add_segment("vec", name, ids, files)
        else:
            # Chunks without a vector that were deleted move `embedded_to` on, too.
            if not self._catalog.number("embedded_to") or self._catalog.setting("model") is None:
                # Whatever is there this index put there: before a rebuild, or in a run that was cut off.
                self._index.begin_engine(engine)
                engine.begin_again(model.dim)
            snapshot = LocalSnapshot(self._catalog)
            engine.put(snapshot.passages(ids.tolist()), vectors, snapshot.info())
        # Chunks that lost their vectors are encoded again, too: they move nothing on.
        embedded_to = max(self._catalog.number("embedded_to"), int(ids[-1]))
        self._catalog.set_setting("embedded_to", embedded_to)
        self._catalog.set_setting("model", model.as_dict())

    def drop_vectors(self) -> None:
        self._index.drop_vectors()

    def drop_damaged(self) -> None:
        self._index.drop_damaged_segments()

    def replace_passages(self, changed: "Sequence[tuple[int, Chunk, list[str]]]") -> list[int]:
        new = []
        replaced = LocalSnapshot(self._catalog).passages([number for number, _, _ in changed])
        for old, (_, chunk, terms) in zip(replaced, changed, strict=True):
            new.append(self._next_chunk)
            self._insert_chunks(DocumentPart([chunk], [terms], old.file.language), old.file.id)
        self.flush()
        self._index.mark_dead([(number, 1) for number, _, _ in changed])
        return new

    def record_run(self, run: RunRecord) -> None:
        self._catalog.add_run(run.started, run.seconds, dict(run.report))


def _differ(one: SparseInfo | None, other: SparseInfo | None) -> bool:
    """Whether sparse vectors of one model may not stand beside those of the other."""
    if one is None or other is None:
        return one is not other
    return one.step != other.step or not one.same_vectors(other)


def _joined(breaks: LineStarts) -> str | None:
    """`breaks` as the table `chunks` holds them."""
    return json.dumps([number for pair in breaks for number in pair]) if breaks else None
