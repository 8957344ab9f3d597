"""What is learnt from: vectors of questions and of passages, and which passages answer which question."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semsearch.callbacks import Announce
from semsearch.embedding.embedder import Embedder, Vectors
from semsearch.embedding.model_info import ModelInfo
from semsearch.embedding.open import open_recorded
from semsearch.errors import SemsearchError, UsageError
from semsearch.evaluation.query_sets import QuerySet
from semsearch.plurals import agreeing, count_of
from semsearch.store.protocol import Snapshot

FEWEST_QUESTIONS = 20


@dataclass(frozen=True)
class TrainingSet:
    """n questions and the m passages of an index.

    `names`: (number of the query set, query id) of each question; `queries` (n, dim) float32; `ids` (m,): chunk ids,
    rising, of `passages` (m, dim) float32; `right`: for each question (row of `passages`, gain) of the nearest passage
    of each document that answers it; `answering`: for each question the ids of all chunks of these documents.
    `embedder`: the model that made the vectors; `model`: what the index records of it.
    """

    names: list[tuple[int, str]]
    queries: Vectors
    ids: NDArray[np.int64]
    passages: Vectors
    right: list[list[tuple[int, int]]]
    answering: list[frozenset[int]]
    embedder: Embedder
    model: ModelInfo


def training_set_of(snapshot: Snapshot, sets: list[QuerySet], announce: Announce) -> TrainingSet:
    """The training set of all questions of `sets`.

    Raises `UsageError` for too few questions, `SemsearchError` for an index whose vectors cannot be learnt from.
    """
    model = trainable_model(snapshot)
    embedder = open_recorded(model, announce)
    names = [(number, query) for number, one in enumerate(sets) for query in one.qrels]
    if len(names) < FEWEST_QUESTIONS:
        raise UsageError(
            f"{count_of(len(names), 'question')} {agreeing(len(names), 'is', 'are')} too few to learn from",
            f"bring {FEWEST_QUESTIONS} or more: --queries FILE --qrels FILE, or --questions N",
        )
    announce(f"encoding {count_of(len(names), 'question')}")
    queries = np.stack([embedder.encode_query(sets[number].queries[query]) for number, query in names])
    ids, passages = all_vectors(snapshot)
    chunks = [_chunks_of_documents(snapshot, one) for one in sets]
    row_of = {int(chunk): row for row, chunk in enumerate(ids)}
    right: list[list[tuple[int, int]]] = []
    answering: list[frozenset[int]] = []
    for (number, query), vector in zip(names, queries, strict=True):
        nearest: list[tuple[int, int]] = []
        whole: list[frozenset[int]] = []
        for document, gain in sets[number].qrels[query].items():
            of_document = chunks[number].get(document, frozenset()) if gain > 0 else frozenset()
            whole.append(of_document)
            rows = [row_of[chunk] for chunk in of_document if chunk in row_of]
            if rows:
                nearest.append((rows[int((passages[rows] @ vector).argmax())], gain))
        right.append(nearest)
        # Most questions have one document: its set is then theirs, however large.
        answering.append(whole[0] if len(whole) == 1 else frozenset().union(*whole))
    return TrainingSet(names, queries, ids, passages, right, answering, embedder, model)


def trainable_model(snapshot: Snapshot) -> ModelInfo:
    """The model of the index. Raises `SemsearchError` where it has no vectors, or dropped their originals."""
    model = snapshot.info().model
    if model is None or not len(snapshot.encoded_ids()):
        raise SemsearchError("the index holds no vectors yet", "encode them with: semsearch index", code="no_vectors")
    if snapshot.vectors(np.empty(0, np.int64)).shape[1] != model.dim:
        raise SemsearchError(
            "the vectors of this index were shortened and their originals dropped",
            "make them anew with: semsearch index --rebuild",
            code="originals_dropped",
        )
    return model


def all_vectors(snapshot: Snapshot) -> tuple[NDArray[np.int64], Vectors]:
    """(ids (m,) rising, vectors (m, dim) float32) of all passages that were not deleted."""
    ids = snapshot.encoded_ids()
    return ids, snapshot.vectors(ids)


def _chunks_of_documents(snapshot: Snapshot, queries: QuerySet) -> dict[str, frozenset[int]]:
    """Document id of `queries` -> ids of its chunks that have a vector."""
    info = snapshot.info()
    shown = {file.id: info.shown_path(file.root_id, file.path) for file in snapshot.files()}
    ids = snapshot.encoded_ids()
    chunks_of: dict[str, list[int]] = {}
    for chunk, file_id in zip(ids.tolist(), snapshot.file_ids(ids).tolist(), strict=True):
        chunks_of.setdefault(queries.document(shown[file_id], chunk), []).append(chunk)
    return {document: frozenset(chunks) for document, chunks in chunks_of.items()}
