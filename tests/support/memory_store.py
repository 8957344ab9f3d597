"""`MemoryStore`: the store protocol in dicts and lists, as simple as it can be told. The conformance suite compares
every engine with it, so nothing here is shared with an engine but the filters and the records.
"""

import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from semsearch.chunking.chunk import Chunk
from semsearch.embedding.embedder import Vectors
from semsearch.embedding.model_info import ModelInfo
from semsearch.errors import IndexDamagedError, IndexNotFoundError, LockedError
from semsearch.lexical.term_key import WRITTEN
from semsearch.sources.stamps import Stamp
from semsearch.store.protocol import AnalysedParts, Snapshot, Store, Transaction, Writer
from semsearch.store.records import DocumentProperties, FileRecord, IndexInfo, Passage, RunRecord, joined_reasons
from tests.support.memory_snapshot import MemorySnapshot

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class MemoryChunk:
    """A chunk with how often each term occurs in it.

    `file_id` None: its file was deleted; `document`: its own document, of a file that holds several; `is_first`: it is
    the first of its document.
    """

    chunk: Chunk
    file_id: int | None
    terms: Mapping[str, int]
    language: str
    document: DocumentProperties | None = None
    is_first: bool = False

    @property
    def length(self) -> int:
        """Terms of the chunk, repeated ones counted each time, without words as they are written."""
        return sum(count for key, count in self.terms.items() if not key.startswith(WRITTEN))


@dataclass
class MemoryState:
    """All of one index. `encoded_to`: the last chunk that was given a vector in its turn."""

    info: IndexInfo = field(default_factory=IndexInfo)
    files: dict[int, FileRecord] = field(default_factory=dict)
    chunks: dict[int, MemoryChunk] = field(default_factory=dict)
    vectors: dict[int, NDArray[np.float32]] = field(default_factory=dict)
    runs: list[RunRecord] = field(default_factory=list)
    encoded_to: int = 0
    last_chunk: int = 0
    last_file: int = 0
    last_root: int = 0

    def copy(self) -> "MemoryState":
        """An independent copy: records are frozen, so only the dicts and lists are copied."""
        return replace(
            self,
            files=dict(self.files),
            chunks=dict(self.chunks),
            vectors=dict(self.vectors),
            runs=list(self.runs),
        )

    def alive(self) -> dict[int, MemoryChunk]:
        """The chunks of files that are not deleted, by rising id."""
        return {number: chunk for number, chunk in sorted(self.chunks.items()) if chunk.file_id is not None}

    def pending(self) -> list[int]:
        """The ids of the chunks without a vector, rising."""
        return [number for number in self.alive() if number > self.encoded_to]


class MemoryStore:
    """An index in the memory of this process. Several threads may read and write it through the same object."""

    capabilities: frozenset[str] = frozenset()
    host = ""

    def __init__(self, location: str = "memory", state: MemoryState | None = None) -> None:
        self.location = location
        self.state = state
        self._lock = threading.Lock()

    def exists(self) -> bool:
        return self.state is not None

    def read(self, question: Callable[[Snapshot], Answer]) -> Answer:
        if self.state is None:
            raise IndexNotFoundError(f"no index at {self.location}")
        return question(MemorySnapshot(self.state))

    def write(
        self,
        wait: bool = False,
        rebuild: bool = False,
        shared: str | None = None,
        folders: Sequence[str] | None = None,
        announce: Callable[[str], None] = lambda message: None,
    ) -> "MemoryWriter":
        if not self._lock.acquire(blocking=wait):
            raise LockedError(f"another run is writing {self.location}")
        if self.state is None:
            self.state = MemoryState()
        return MemoryWriter(self, self._lock.release)

    def clone(self, target: str) -> "MemoryStore":
        return MemoryStore(target, None if self.state is None else self.state.copy())

    def close(self) -> None:
        pass


class MemoryWriter:
    """The one writer. A transaction changes a copy of the state, which takes the place of the state at its end."""

    notices = ()

    def __init__(self, store: MemoryStore, release: Callable[[], None]) -> None:
        self._store = store
        self._release = release
        self._changing: MemoryState | None = None

    def __enter__(self) -> "MemoryWriter":
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

    def close(self) -> None:
        self._release()

    @property
    def _state(self) -> MemoryState:
        state = self._changing or self._store.state
        assert state is not None
        return state

    def snapshot(self) -> MemorySnapshot:
        return MemorySnapshot(self._state.copy())

    @contextmanager
    def transaction(self) -> Iterator["MemoryTransaction"]:
        self._changing = self._state.copy()
        try:
            yield MemoryTransaction(self._changing)
            self._store.state = self._changing
        finally:
            self._changing = None

    def new_root_id(self) -> int:
        self._state.last_root = max(self._state.last_root, *(root.id for root in self._state.info.roots), 0) + 1
        return self._state.last_root

    def claim(self, limit: int) -> list[Passage]:
        return self.snapshot().pending(limit)

    def token_vectors(self) -> None:
        return None

    def token(self) -> str:
        return ""

    def known_vectors(self, hashes: Collection[bytes]) -> Mapping[bytes, NDArray[np.float32]]:
        state = self._state
        return {
            state.chunks[number].chunk.hash(): vector
            for number, vector in sorted(state.vectors.items())
            if state.chunks[number].chunk.hash() in set(hashes)
        }

    def maintain(self, stopping: Callable[[], bool] = lambda: False) -> None:
        pass  # small changes leave nothing to merge

    def forget_deleted(self) -> None:
        if self._state.pending():
            return
        with self.transaction() as transaction:
            transaction.forget_deleted()

    def is_current(self, stamp: Any) -> bool:
        return False  # there is no stat check that could have made a stamp

    def sparse_leg(self) -> None:
        return None

    def compared(self) -> None:
        pass

    def rebuilt(self) -> None:
        pass


class MemoryTransaction:
    """Changes of `state`, a copy that nobody else sees."""

    def __init__(self, state: MemoryState) -> None:
        self._state = state

    def update(self, info: IndexInfo) -> None:
        self._state.info = info

    def put_file(self, file: FileRecord, parts: AnalysedParts, first_chunk: int | None = None) -> int:
        state = self._state
        if first_chunk is not None:
            state.last_chunk = first_chunk - 1
        state.last_file += 1
        count = 0
        reasons = [file.reason]
        document, begins = None, True
        for part in parts:
            reasons.append(part.reason)
            if part.document is not None:
                document, begins = part.document, True
            for chunk, terms in zip(part.chunks, part.terms, strict=True):
                self._put_chunk(MemoryChunk(chunk, state.last_file, Counter(terms), part.language, document, begins))
                count, begins = count + 1, False
        state.files[state.last_file] = replace(
            file, id=state.last_file, chunk_count=count, pending=0, reason=joined_reasons(reasons)
        )
        return count

    def _put_chunk(self, chunk: MemoryChunk) -> int:
        self._state.last_chunk += 1
        self._state.chunks[self._state.last_chunk] = chunk
        return self._state.last_chunk

    def delete_files(self, ids: Sequence[int]) -> int:
        for number in ids:
            if number not in self._state.files:
                raise IndexDamagedError(f"file {number} is not there")
            del self._state.files[number]
        gone = [number for number, chunk in self._state.chunks.items() if chunk.file_id in set(ids)]
        self._mark_deleted(gone)
        return len(gone)

    def _mark_deleted(self, ids: Sequence[int]) -> None:
        for number in ids:
            self._state.chunks[number] = replace(self._state.chunks[number], file_id=None)

    def forget_deleted(self) -> None:
        """Drops the chunks that were kept for their vectors alone."""
        state = self._state
        state.chunks = state.alive()
        state.vectors = {number: vector for number, vector in state.vectors.items() if number in state.chunks}
        state.encoded_to = state.last_chunk

    def give_up_to(self, chunk_id: int) -> None:
        self._state.last_chunk = max(self._state.last_chunk, chunk_id)

    def rename(self, file_id: int, root_id: int, path: bytes, stamp: Stamp, scanned_ns: int) -> None:
        size, mtime_ns, inode = stamp
        file = self._state.files[file_id]
        self._state.files[file_id] = replace(
            file, root_id=root_id, path=path, size=size, mtime_ns=mtime_ns, inode=inode, scanned_ns=scanned_ns
        )

    def put_vectors(self, ids: NDArray[np.int64], vectors: Vectors, model: ModelInfo) -> None:
        self._state.vectors.update(zip(ids.tolist(), np.array(vectors, np.float32), strict=True))
        self._state.encoded_to = max(self._state.encoded_to, int(ids[-1]))
        self._state.info = replace(self._state.info, model=model)

    def drop_vectors(self) -> None:
        state = self._state
        state.vectors, state.encoded_to = {}, 0
        state.info = replace(state.info, model=None, adapter=None, fusion=None)

    def drop_damaged(self) -> None:
        pass  # memory is not damaged

    def replace_passages(self, changed: Sequence[tuple[int, Chunk, list[str]]]) -> list[int]:
        new = []
        for number, chunk, terms in changed:
            old = self._state.chunks.get(number)
            if old is None or old.file_id is None:
                raise IndexDamagedError(f"chunk {number} is not there")
            new.append(self._put_chunk(replace(old, chunk=chunk, terms=Counter(terms), document=None, is_first=False)))
        self._mark_deleted([number for number, _, _ in changed])
        return new

    def record_run(self, run: RunRecord) -> None:
        self._state.runs.append(run)


def _is_a_store(store: MemoryStore, writer: MemoryWriter, transaction: MemoryTransaction) -> None:
    """For the type checker alone: what stands here satisfies the protocol."""
    _store: Store = store
    _writer: Writer = writer
    _transaction: Transaction = transaction
