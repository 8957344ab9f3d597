"""Small corpora for tests of the store: files, chunks with given terms, and vectors that every engine keeps exactly."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from semsearch.chunking.chunk import Chunk
from semsearch.embedding.embedder import Vectors
from semsearch.embedding.model_info import Calibration, ModelInfo
from semsearch.lexical.query_word import Key, Word
from semsearch.settings import ANALYSIS_VERSION
from semsearch.sources.walk_rules import WalkRules
from semsearch.store.protocol import Snapshot, Store, Transaction
from semsearch.store.records import Chunking, DocumentProperties, FileRecord, IndexInfo, Root

AnyStore = TypeVar("AnyStore", bound=Store)
DIM = 8
SECOND = 1_000_000_000
NOTES, MAIL = Root(1, "/data/notes", "notes"), Root(2, "/data/mail", "mail")
MODEL = ModelInfo(
    "tiny", "0" * 64, "onnx-fp32", DIM, 128, "mean", "", "passage: ", Calibration(0.125, {"latin": 1.5}, 0.75)
)
INFO = IndexInfo(
    roots=(NOTES, MAIL),
    generation=2,
    model_name="tiny",
    dim=None,
    chunking=Chunking(64, 8, None, ANALYSIS_VERSION),
    rules=WalkRules(exclude=("*.tmp",)),
    readers=3,
)
# Unit vectors whose numbers, and the products of two of them, are exact in float16: 1,120 of them, many alike.
VECTORS: list[NDArray[np.float32]] = []
for places in combinations(range(DIM), 4):
    for signs in product((0.5, -0.5), repeat=4):
        VECTORS.append(np.zeros(DIM, np.float32))
        VECTORS[-1][list(places)] = signs


@dataclass(frozen=True)
class Part:
    """What `put_file` takes in: chunks with their terms."""

    chunks: Sequence[Chunk]
    terms: Sequence[list[str]]
    language: str = "en"
    reason: str = ""
    document: DocumentProperties | None = None


def file_record(path: str, root: Root = NOTES, status: str = "indexed", **fields: object) -> FileRecord:
    """A file as a run of `index` would put it; `fields` override."""
    record = FileRecord(
        root_id=root.id,
        path=path.encode(),
        status=status,
        size=100,
        mtime_ns=1_600_000_000 * SECOND,
        inode=7,
        scanned_ns=1_700_000_000 * SECOND,
        generation=INFO.generation,
        content_hash=b"h" * 16,
        type="markdown",
        title=path,
        language="en",
    )
    return replace(record, **fields)  # type: ignore[arg-type]


def chunk(text: str, heading: tuple[str, ...] = (), line: int = 1) -> Chunk:
    return Chunk(text, heading, None, line, line, len(text.split()))


def part(*texts: str, language: str = "en") -> Part:
    """A part of a document, a chunk each text; its terms are the words of the text."""
    chunks = [chunk(text, line=number) for number, text in enumerate(texts, 1)]
    return Part(chunks, [text.split() for text in texts], language)


def put(transaction: Transaction, path: str, *texts: str, **fields: object) -> None:
    """Puts a file with a chunk each text."""
    assert transaction.put_file(file_record(path, **fields), [part(*texts)]) == len(texts)  # type: ignore[arg-type]


def filled(store: AnyStore, files: dict[str, list[str]], info: IndexInfo = INFO) -> AnyStore:
    """`store` with `info` and `files`: path -> the texts of its chunks."""
    with store.write() as writer, writer.transaction() as transaction:
        transaction.update(info)
        for path, texts in files.items():
            put(transaction, path, *texts)
    return store


def encode(store: Store, vectors: Sequence[Vectors]) -> None:
    """Gives the first pending chunks `vectors`, one each."""
    with store.write() as writer:
        ids = np.array([one.id for one in writer.snapshot().pending(len(vectors))], np.int64)
        with writer.transaction() as transaction:
            transaction.put_vectors(ids, np.stack(vectors[: len(ids)]), MODEL)


def file_id(store: Store, path: str, root: Root = NOTES) -> int:
    found = store.read(lambda snapshot: snapshot.file(root.id, path.encode()))
    assert found is not None
    return found.id


def ids_of(snapshot: Snapshot, path: str, root: Root = NOTES) -> list[int]:
    """The ids of the chunks of a file."""
    found = snapshot.file(root.id, path.encode())
    assert found is not None
    return [one.id for one in snapshot.passages_of(found.id)]


def texts_of(snapshot: Snapshot) -> list[str]:
    """The texts of all chunks, sorted."""
    return sorted(one.text for file in snapshot.files() for one in snapshot.passages_of(file.id))


def word(*keys: str) -> Word:
    """A word of a query that these term keys stand for."""
    return tuple(Key(key) for key in keys)
