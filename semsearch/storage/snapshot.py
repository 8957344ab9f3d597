"""What a reader sees: one committed state of the index, from first look to last."""

import json
import os
import sqlite3
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from semsearch.dense.adapter import Adapter
from semsearch.dense.form import VectorForm
from semsearch.embedding.embedder import Vectors
from semsearch.embedding.model_info import ModelInfo
from semsearch.errors import IndexDamagedError
from semsearch.lexical.postings import Postings
from semsearch.storage.catalog import NONSENSE, Catalog
from semsearch.storage.checksum import check_catalog
from semsearch.storage.segments import DenseSegment, check_content, open_lexical

_TRIES = 8
# The segments of a leg are read whole and compared with their checksums when they are opened, up to this many bytes:
# 1.4 ms a megabyte. Larger ones are by `verify`.
_COMPARED_BYTES = 8 * 1024 * 1024
Result = TypeVar("Result")


class Snapshot:
    """The index folder at one commit. Segments are opened when they are first asked for."""

    def __init__(self, index: str) -> None:
        self.index = index
        self.catalog, self._stamp = Catalog.open_for_reading(index)
        self._lexical: list[Postings] | None = None
        self._dense: list[DenseSegment] | None = None
        self._form: VectorForm | None = None
        self._checked = False
        self._adapter: Adapter | None = None
        self._adapter_known = False

    def close(self) -> None:
        self.catalog.close()

    def still_true(self) -> bool:
        """Whether all that was read so far is of one state."""
        return self.catalog.unchanged(self._stamp)

    def reusable(self) -> bool:
        """Whether a later question may use this snapshot while `still_true`; one taken while a writer works may not."""
        return self._stamp is not None

    def check(self) -> None:
        """Raises `IndexDamagedError` when the catalog is known not to be what was written; looks once."""
        if not self._checked:
            check_catalog(self.index, writing=self._stamp is None)
            self._checked = True

    def model(self) -> ModelInfo | None:
        """The model whose vectors the index holds; None before the first are encoded."""
        record = self.catalog.setting("model")
        return ModelInfo.from_dict(record) if record else None

    def lexical(self) -> list[Postings]:
        if self._lexical is None:
            self._compare_small("lex")
            self._lexical = [
                open_lexical(self.index, row["name"], row["rows"], json.loads(row["files"]))
                for row in self.catalog.segments("lex")
            ]
        return self._lexical

    def dense(self) -> list[DenseSegment]:
        if self._dense is None:
            self._compare_small("vec")
            form = self.form()
            self._dense = [
                DenseSegment(self.index, row["name"], row["rows"], form, json.loads(row["files"]))
                for row in self.catalog.segments("vec")
            ]
        return self._dense

    def _compare_small(self, kind: str) -> None:
        found = [(row["name"], json.loads(row["files"])) for row in self.catalog.segments(kind)]
        if sum(size for _, files in found for size, _ in files.values()) <= _COMPARED_BYTES:
            for name, files in found:
                check_content(self.index, name, files)

    def form(self) -> VectorForm:
        """In which form the vectors are kept."""
        if self._form is None:
            model = self.model()
            self._form = VectorForm.from_record(self.catalog.setting("vectors"), model.dim if model else 0)
        return self._form

    def adapted(self, vector: Vectors) -> Vectors:
        """A query's `vector` (dim,) as it is compared: moved by the adapter, where one was learnt for this index."""
        if not self._adapter_known:
            record = self.catalog.setting("adapter")
            self._adapter = Adapter.from_record(record, len(vector)) if record else None
            self._adapter_known = True
        return vector if self._adapter is None else self._adapter(vector)

    def alive(self, kind: str) -> list[NDArray[np.bool_] | None]:
        """For each segment of `kind` which rows are alive, (rows,) bool; None: all."""
        return [alive_rows(row) for row in self.catalog.segments(kind)]


def alive_rows(segment: sqlite3.Row) -> NDArray[np.bool_] | None:
    """The rows of a segment that are not deleted, (rows,) bool; None: all."""
    if segment["dead"] is None:
        return None
    bits = np.frombuffer(segment["dead"], np.uint8)
    if len(bits) != (segment["rows"] + 7) // 8:
        raise IndexDamagedError(f"the deletions of segment {segment['name']} do not fit its rows")
    alive: NDArray[np.bool_] = np.unpackbits(bits, count=segment["rows"], bitorder="little") == 0
    return alive


class Reader:
    """Asks questions of an index, each of one committed state. An index that did not change is not opened again."""

    def __init__(self, index: str) -> None:
        self.index = index
        self._snapshot: Snapshot | None = None

    def close(self) -> None:
        if self._snapshot is not None:
            self._snapshot.close()
            self._snapshot = None

    def read(self, question: Callable[[Snapshot], Result]) -> Result:
        """The answer of `question` to a snapshot; asked again when a writer changed files under it."""
        for attempt in range(_TRIES):
            last = attempt == _TRIES - 1
            snapshot = self._open()
            try:
                snapshot.check()
                answer = question(snapshot)
                if snapshot.still_true() or last:
                    if not snapshot.reusable():
                        check_catalog(self.index, writing=True)  # a repair may have begun, and been cut off, meanwhile
                    return answer
            except (OSError, sqlite3.DatabaseError, IndexDamagedError, *NONSENSE) as error:
                # A writer may have removed a segment, or changed the catalog, after this snapshot began.
                if last or not moved_on(snapshot):
                    raise as_damage(self.index, error) from None
            finally:
                if not snapshot.reusable():
                    self.close()
        raise AssertionError("unreachable")

    def _open(self) -> Snapshot:
        if self._snapshot is not None and not self._snapshot.still_true():
            self.close()
        if self._snapshot is None:
            self._snapshot = Snapshot(self.index)
        return self._snapshot


def moved_on(snapshot: Snapshot) -> bool:
    """Whether a writer has changed the index since `snapshot`: then what it misses proves nothing."""
    if not snapshot.still_true():
        return True
    newer = Snapshot(snapshot.index)
    try:
        return _state(newer.catalog) != _state(snapshot.catalog)
    except UnicodeDecodeError:  # SQLite quotes what is damaged
        return False
    except sqlite3.Error:
        return True
    finally:
        newer.close()


def _state(catalog: Catalog) -> list[Any]:
    return catalog.connection.execute("SELECT id, name FROM segments ORDER BY id").fetchall()


def as_damage(index: str, error: Exception) -> IndexDamagedError:
    """What is raised where reading the index at `index` led to `error`."""
    hint = f"repair it with: semsearch verify --repair --index {index}"
    if isinstance(error, IndexDamagedError):
        return IndexDamagedError(error.message, error.hint or hint)
    if isinstance(error, OSError) and error.filename:
        return IndexDamagedError(f"{error.filename}: {error.strerror}", hint)
    what = f"{type(error).__name__}: {error}" if isinstance(error, NONSENSE) else str(error)
    return IndexDamagedError(f"{os.path.join(index, 'catalog.db')} is damaged: {what}", hint)
