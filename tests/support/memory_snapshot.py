"""One state of a `MemoryStore`, as `protocol.Snapshot`: textbook loops where an engine has indexes."""

import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from random import Random
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from semsearch.dense.query_adapter import Adapter
from semsearch.embedding.embedder import Vectors
from semsearch.embedding.late_interaction import TokenModel
from semsearch.errors import IndexDamagedError
from semsearch.lexical.postings import Postings, build
from semsearch.lexical.query_word import Word
from semsearch.lexical.term_key import parted
from semsearch.sources.stamps import Stamp
from semsearch.store.filtering import matching_files
from semsearch.store.protocol import Selection, Snapshot
from semsearch.store.records import (
    DEFAULT_VECTORS,
    Counts,
    DocumentName,
    DocumentProperties,
    FileRecord,
    Filters,
    IndexInfo,
    Passage,
    Position,
    Ranking,
    RunRecord,
    Scores,
    StorageInfo,
)

if TYPE_CHECKING:
    from tests.support.memory_store import MemoryChunk, MemoryState

K1 = 1.2
B = 0.75


@dataclass(frozen=True)
class MemorySelection:
    """The ids of the chunks that are let in."""

    chunks: frozenset[int]
    unmatched: tuple[str, ...]
    has_no_file: bool

    def among(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.array([number for number in ids.tolist() if number in self.chunks], np.int64)


class MemorySnapshot:
    """`state`, which nobody changes any more."""

    def __init__(self, state: "MemoryState") -> None:
        self._state = state
        self._alive: Mapping[int, MemoryChunk] = state.alive()

    # -- about the index

    def info(self) -> IndexInfo:
        return self._state.info

    def counts(self) -> Counts:
        statuses = [file.status for file in self._state.files.values()]
        indexed, skipped, failed = (statuses.count(status) for status in ("indexed", "skipped", "failed"))
        return Counts(indexed, skipped, failed, len(self._alive), len(self._state.pending()))

    def position(self) -> Position:
        state = self._state
        last = min(state.last_chunk, state.encoded_to) if state.encoded_to else state.last_chunk
        return Position(last, state.info.generation)

    def last_given(self) -> int:
        return self._state.last_chunk

    def languages(self) -> frozenset[str]:
        return frozenset(chunk.language for chunk in self._alive.values())

    def storage(self) -> StorageInfo:
        return StorageInfo({"lex": 1, "vec": 1}, 0, 0.0, DEFAULT_VECTORS)

    def token_vectors(
        self, model: TokenModel, hashes: Collection[bytes]
    ) -> tuple[Mapping[bytes, NDArray[np.float32]], str]:
        return {}, ""

    def last_run(self) -> RunRecord | None:
        return self._state.runs[-1] if self._state.runs else None

    def _dim(self) -> int:
        return 0 if self._state.info.model is None else self._state.info.model.dim

    # -- searching

    def warm_up(self) -> None:
        pass

    def select(
        self,
        filters: Filters,
        prefix: str = "",
        within: NDArray[np.int64] | None = None,
        without: NDArray[np.int64] | None = None,
    ) -> Selection | None:
        if not filters and within is None and without is None:
            return None
        files = [file for _, file in sorted(self._state.files.items()) if file.status == "indexed"]
        # Each document of a file that holds several is looked at as a file of its own.
        documents = [(file, self._with_document(file, one), one) for file in files for one in self._documents(file.id)]
        chosen, unmatched = matching_files(
            [shown for _, shown, _ in documents], filters, self._state.info.roots, prefix
        )
        held: dict[int, list[int]] = {}
        for file, shown, document in documents:
            if any(shown is one for one in chosen):
                held.setdefault(file.id, []).extend(
                    number for number in self._ids_of(file.id) if self._alive[number].document == document
                )

        def is_let_in(number: int) -> bool:
            named = (within is None or number in within) and (without is None or number not in without)
            return named and number > filters.after

        return MemorySelection(
            frozenset(one for ids in held.values() for one in ids if is_let_in(one)),
            unmatched,
            not chosen,
        )

    def holding(self, words: Sequence[Word]) -> NDArray[np.int64]:
        ids = [number for number in self._alive if all(self._holds(number, word) for word in words)]
        return np.array(ids, np.int64)

    def frequencies(self, words: Sequence[Word]) -> NDArray[np.int64]:
        return np.array([len(self.holding([word])) for word in words], np.int64)

    def completions(self, beginnings: Sequence[str], limit: int | None) -> list[str]:
        counts = Counter(key for chunk in self._alive.values() for key in chunk.terms)
        keys = [key for key in counts if key.startswith(tuple(beginnings))]
        return sorted(keys, key=lambda key: (-counts[key], key))[:limit]

    def similar(self, keys: Sequence[str], distance: int, limit: int) -> list[str]:
        counts = Counter(key for chunk in self._alive.values() for key in chunk.terms)
        near: dict[str, int] = {}
        for key, other in product(keys, counts):
            edits = _edits(key, other)
            if edits <= min(distance, near.get(other, distance)) and _beginning(key) == _beginning(other):
                near[other] = edits
        return sorted(near, key=lambda key: (near[key], -counts[key], key))[:limit]

    def texts(self, ids: NDArray[np.int64]) -> Iterator[tuple[int, str, str]]:
        files = ((number, self._file_of(number)) for number in ids.tolist())
        return ((number, self._state.files[file].type, self._alive[number].chunk.encoded()) for number, file in files)

    def names(self, ids: NDArray[np.int64]) -> list[DocumentName]:
        files = [one.file for one in self.passages(ids.tolist())]
        return [DocumentName(file.path, file.title, file.language) for file in files]

    def lexical(self, words: Sequence[Word], k: int, selection: Selection | None) -> Ranking:
        scores = {number: self._bm25(number, words) for number in self._alive}
        return _best({number: score for number, score in scores.items() if score > 0}, k, selection)

    def dense(self, vector: Vectors, k: int, selection: Selection | None) -> Ranking:
        return _best({number: self._cosine(number, vector) for number in self.encoded_ids().tolist()}, k, selection)

    def sparse_leg(self) -> None:
        return None

    def sparse_pending(self) -> int:
        return 0

    def score(self, ids: NDArray[np.int64], words: Sequence[Word], vectors: Vectors | None) -> Scores:
        numbers = ids.tolist()
        compared = [] if vectors is None else list(vectors)
        held = [[self._holds(number, word) for number in numbers] for word in words]
        cosines = [[self._cosine(number, vector) for number in numbers] for vector in compared]
        return Scores(
            np.array([self._bm25(number, words) for number in numbers], np.float32),
            np.array(cosines, np.float32).reshape(len(compared), len(ids)),
            np.array(held, np.bool_).reshape(len(words), len(ids)),
            self.idf(words),
        )

    def idf(self, words: Sequence[Word]) -> NDArray[np.float32]:
        return np.array([self._idf(word) for word in words], np.float32)

    def _bm25(self, number: int, words: Sequence[Word]) -> float:
        """Robertson & Zaragoza 2009, with k1 1.2 and b 0.75; of several keys of one word the one that gives most."""
        average = sum(chunk.length for chunk in self._alive.values()) / max(1, len(self._alive)) or 1.0
        norm = K1 * (1 - B + B * self._alive[number].length / average)
        score = 0.0
        for word in words:
            frequencies = [(key.weight, self._frequency(number, key.text)) for key in word]
            gains = [weight * frequency * (K1 + 1) / (frequency + norm) for weight, frequency in frequencies]
            score += self._idf(word) * max(gains, default=0.0)
        return score

    def _idf(self, word: Word) -> float:
        """ln(1 + (N - n + 0.5) / (n + 0.5)), as Lucene has it: never negative."""
        held = sum(self._holds(number, word) for number in self._alive)
        return math.log(1 + (len(self._alive) - held + 0.5) / (held + 0.5))

    def _holds(self, number: int, word: Word) -> bool:
        return any(self._frequency(number, key.text) for key in word)

    def _frequency(self, number: int, key: str) -> int:
        return self._alive[number].terms.get(key, 0)

    def _cosine(self, number: int, vector: Vectors) -> float:
        return float(self._state.vectors[number] @ vector) if number in self._state.vectors else math.nan

    def will_ask(self, words: Sequence[Word], vector: Vectors | None, k: int) -> None:
        pass

    def postings(self) -> list[Postings]:
        terms = [list(Counter(chunk.terms).elements()) for chunk in self._alive.values()]
        return [build(list(self._alive), terms, ("en",))] if terms else []

    def as_stored(self, vectors: Vectors) -> Vectors:
        return vectors

    def adapted(self, vector: Vectors) -> Vectors:
        record = self._state.info.adapter
        return vector if record is None else Adapter.from_record(record, len(vector))(vector)

    # -- chunks

    def _documents(self, file_id: int) -> list[DocumentProperties | None]:
        found: list[DocumentProperties | None] = []
        for number in self._ids_of(file_id):
            if self._alive[number].document not in found:
                found.append(self._alive[number].document)
        return found or [None]

    def _with_document(self, file: FileRecord, document: DocumentProperties | None) -> FileRecord:
        return replace(file) if document is None else document.of_file(file)

    def passages(self, ids: Sequence[int]) -> list[Passage]:
        return [self._passage(int(number)) for number in ids]

    def _passage(self, number: int) -> Passage:
        file = self._file(self._state.files[self._file_of(number)])
        one = self._alive[number]
        chunk = one.chunk
        return Passage(
            number, self._with_document(file, one.document), chunk.text, chunk.heading, chunk.page,
            chunk.line_start, chunk.line_end, chunk.tokens, chunk.hash(),
            chunk.line_breaks, one.is_first,
        )  # fmt: skip

    def _file_of(self, number: int) -> int:
        file_id = self._alive[number].file_id if number in self._alive else None
        if file_id is None:
            raise IndexDamagedError(f"chunk {number} is not there")
        return file_id

    def _ids_of(self, file_id: int) -> list[int]:
        return [number for number, chunk in self._alive.items() if chunk.file_id == file_id]

    def neighbours(self, chunk_id: int, count: int) -> list[Passage]:
        near = range(chunk_id - count, chunk_id + count + 1)
        return [self._passage(number) for number in self._ids_of(self._file_of(chunk_id)) if number in near]

    def passages_of(self, file_id: int) -> list[Passage]:
        return [self._passage(number) for number in self._ids_of(file_id)]

    def file_ids(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.array([self._file_of(number) for number in ids.tolist()], np.int64)

    def shuffled(self, chance: Random) -> Iterator[Passage]:
        ids = self.encoded_ids().tolist() or list(self._alive)
        return (self._passage(number) for number in chance.sample(ids, len(ids)))

    # -- files

    def files(self, root_id: int | None = None) -> Iterator[FileRecord]:
        return (self._file(file) for file in self._state.files.values() if root_id in (None, file.root_id))

    def file(self, root_id: int, path: bytes) -> FileRecord | None:
        return next((file for file in self.files(root_id) if file.path == path), None)

    def _file(self, file: FileRecord) -> FileRecord:
        return replace(file, pending=sum(number > self._state.encoded_to for number in self._ids_of(file.id)))

    def stamps(self, root_id: int, generation: int, racy_ns: int) -> dict[bytes, Stamp]:
        return {
            file.path: (file.size, file.mtime_ns, file.inode)
            for file in self.files(root_id)
            if file.generation == generation and file.mtime_ns < file.scanned_ns - racy_ns
        }

    def left_out(self, root_id: int) -> dict[bytes, tuple[str, str]]:
        return {file.path: (file.status, file.reason) for file in self.files(root_id) if file.status != "indexed"}

    def paths(self, root_id: int) -> set[bytes]:
        return {file.path for file in self.files(root_id)}

    # -- vectors

    def encoded_ids(self) -> NDArray[np.int64]:
        return np.array([number for number in self._alive if number in self._state.vectors], np.int64)

    def vectors(self, ids: NDArray[np.int64]) -> Vectors:
        none = np.full(self._dim(), np.nan, np.float32)
        found = [self._state.vectors.get(number, none) for number in ids.tolist()]
        return np.array(found, np.float32).reshape(len(ids), self._dim())

    def keeps_model_vectors(self) -> bool:
        return True

    def pending(self, limit: int) -> list[Passage]:
        return self.passages(self._state.pending()[:limit])

    def pending_tokens(self) -> int:
        return sum(self._alive[number].chunk.tokens for number in self._state.pending())

    def encoded_hashes(self, hashes: Collection[bytes]) -> set[bytes]:
        return set(hashes) & {self._state.chunks[number].chunk.hash() for number in self._state.vectors}


def _beginning(key: str) -> tuple[str, str]:
    """(what stands before the word in a term key, its first letter)."""
    mark, word = parted(key)
    return mark, word[:1]


def _edits(one: str, other: str) -> int:
    """Optimal string alignment distance, by the textbook (Boytsov 2011, "Indexing methods for approximate dictionary
    searching", section 2)."""
    rows = [[max(i, j) if not min(i, j) else 0 for j in range(len(other) + 1)] for i in range(len(one) + 1)]
    for i, j in product(range(1, len(one) + 1), range(1, len(other) + 1)):
        differs = one[i - 1] != other[j - 1]
        rows[i][j] = min(rows[i - 1][j] + 1, rows[i][j - 1] + 1, rows[i - 1][j - 1] + differs)
        if min(i, j) > 1 and one[i - 2 : i] == other[j - 2 : j][::-1]:
            rows[i][j] = min(rows[i][j], rows[i - 2][j - 2] + 1)
    return rows[-1][-1]


def _best(scores: Mapping[int, float], k: int, selection: Selection | None) -> Ranking:
    if selection is not None:
        assert isinstance(selection, MemorySelection)
        scores = {number: score for number, score in scores.items() if number in selection.chunks}
    # Ties are of scores as they are handed out.
    rounded = {number: float(np.float32(score)) for number, score in scores.items()}
    chosen = sorted(rounded.items(), key=lambda item: (-item[1], item[0]))[:k]
    return Ranking(
        np.array([number for number, _ in chosen], np.int64), np.array([score for _, score in chosen], np.float32)
    )


def _is_a_snapshot(snapshot: MemorySnapshot) -> Snapshot:
    return snapshot  # for the type checker alone
