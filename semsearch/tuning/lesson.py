"""What there is to learn from: vectors of questions and passages, and which passage answers which question."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsearch.embedding.embedder import Embedder, Vectors
from semsearch.embedding.open import open_recorded
from semsearch.errors import SemsearchError, UsageError
from semsearch.evaluation.query_sets import QuerySet
from semsearch.progress import Announce
from semsearch.report import display_path
from semsearch.storage.snapshot import Snapshot

FEWEST_QUESTIONS = 20


@dataclass(frozen=True)
class Lesson:
    """Questions and the passages of the index.

    `names`: (number of the set, query id) of each question; `queries` (n, dim); `ids` (m,), rising, of the `passages`
    (m, dim); `right`: of each question (row of `passages`, gain), the nearest passage of each document that answers it;
    `answering`: of each question all chunks of these documents; `embedder`: the model that made the vectors, `model`:
    its record.
    """

    names: list[tuple[int, str]]
    queries: Vectors
    ids: NDArray[np.int64]
    passages: Vectors
    right: list[list[tuple[int, int]]]
    answering: list[frozenset[int]]
    embedder: Embedder
    model: dict[str, Any]


def lesson_of(snapshot: Snapshot, sets: list[QuerySet], announce: Announce) -> Lesson:
    """The lesson of all questions of `sets`. Raises `UsageError` for too few, `SemsearchError` without vectors."""
    embedder = embedder_of(snapshot, announce)
    names = [(number, query) for number, one in enumerate(sets) for query in one.qrels]
    if len(names) < FEWEST_QUESTIONS:
        raise UsageError(
            f"{len(names)} questions are too few to learn from",
            f"bring {FEWEST_QUESTIONS} or more: --queries FILE --qrels FILE, or --questions N",
        )
    announce(f"encoding {len(names):,} questions")
    queries = np.stack([embedder.encode_query(sets[number].queries[query]) for number, query in names])
    ids, passages = all_vectors(snapshot)
    chunks = [_chunks_of_documents(snapshot, one) for one in sets]
    row_of = {int(chunk): row for row, chunk in enumerate(ids)}
    right: list[list[tuple[int, int]]] = []
    answering: list[frozenset[int]] = []
    for (number, query), vector in zip(names, queries, strict=True):
        found: list[tuple[int, int]] = []
        whole: list[frozenset[int]] = []
        for document, gain in sets[number].qrels[query].items():
            of_document = chunks[number].get(document, frozenset()) if gain > 0 else frozenset()
            whole.append(of_document)
            rows = [row_of[chunk] for chunk in of_document if chunk in row_of]
            if rows:
                found.append((rows[int((passages[rows] @ vector).argmax())], gain))
        right.append(found)
        # Most questions have one document: its set is then theirs, however large.
        answering.append(whole[0] if len(whole) == 1 else frozenset().union(*whole))
    return Lesson(names, queries, ids, passages, right, answering, embedder, snapshot.catalog.setting("model"))


def embedder_of(snapshot: Snapshot, announce: Announce) -> Embedder:
    """The model of the index. Raises `SemsearchError` where its vectors cannot be learnt from."""
    model = snapshot.model()
    if model is None or not snapshot.catalog.segments("vec"):
        raise SemsearchError("the index holds no vectors yet", "encode them with: semsearch index", code="no_vectors")
    if snapshot.form().shortened:
        raise SemsearchError(
            "the vectors of this index were shortened and their originals dropped",
            "make them anew with: semsearch index --rebuild",
            code="originals_dropped",
        )
    return open_recorded(model, announce)


def all_vectors(snapshot: Snapshot) -> tuple[NDArray[np.int64], Vectors]:
    """(ids, vectors) of all passages that are alive; ids rise."""
    ids, vectors = [], []
    for part, keep in zip(snapshot.dense(), snapshot.alive("vec"), strict=True):
        rows = np.arange(len(part.ids)) if keep is None else np.flatnonzero(keep)
        ids.append(part.ids[rows])
        vectors.append(part.vectors.vectors(rows))
    joined = np.concatenate(ids)
    order = np.argsort(joined)
    return joined[order], np.concatenate(vectors)[order]


def _chunks_of_documents(snapshot: Snapshot, queries: QuerySet) -> dict[str, frozenset[int]]:
    labels = {root_id: label for root_id, _, label in snapshot.catalog.roots()}
    found: dict[str, list[int]] = {}
    for row in snapshot.catalog.connection.execute(
        "SELECT chunks.id, files.root_id, files.path FROM chunks JOIN files ON files.id = chunks.file_id"
    ):
        path = display_path(labels[row["root_id"]], row["path"], len(labels) > 1)
        found.setdefault(queries.document(path, row["id"]), []).append(row["id"])
    return {document: frozenset(chunks) for document, chunks in found.items()}
