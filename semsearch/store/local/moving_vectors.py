"""Moves the vectors of an index folder into a vector database, and back."""

from dataclasses import replace

import numpy as np

from semsearch.embedding.embedder import Vectors
from semsearch.errors import SemsearchError
from semsearch.store.local.engine_vectors import EngineVectors
from semsearch.store.local.snapshot import LocalSnapshot
from semsearch.store.local.writer import IndexWriter
from semsearch.store.records import IndexInfo

_AT_ONCE = 4_096


def move_vectors(index: IndexWriter, info: IndexInfo) -> None:
    """Inside a commit: moves the vectors to where `info` has them from now on.

    Raises `SemsearchError` where that place holds something, or the vectors are no longer those of the model.
    """
    snapshot = LocalSnapshot(index.catalog)
    target = None if info.vectors_at is None else EngineVectors(info.vectors_at)
    if target is not None:
        target.begin()
    model = snapshot.info().model
    if model is not None:
        if not snapshot.keeps_model_vectors():
            raise SemsearchError(
                f"the vectors of {index.index} are coarse or shortened, which a vector database does itself",
                "make them anew first: semsearch quantize none",
                code="not_supported",
            )
        if target is not None:
            target.begin_again(model.dim)
        ids = snapshot.encoded_ids()
        for start in range(0, len(ids), _AT_ONCE):
            batch = ids[start : start + _AT_ONCE]
            vectors = _held(snapshot.vectors(batch), index.index)
            if target is None:
                name, files = index.write_dense(batch, vectors, model.dim)
                index.add_segment("vec", name, batch, files)
            else:
                target.put(snapshot.passages(batch.tolist()), vectors, info)
    if target is not None:
        index.delete_segments(index.segments("vec"))
        index.set_vector_format(None)
    index.catalog.set_setting("vectors_at", info.vectors_at)


def _held(vectors: Vectors, index: str) -> Vectors:
    if np.isnan(vectors).any():
        raise SemsearchError(
            f"the vector database lacks vectors of {index}", f"mend it with: semsearch verify --repair --index {index}"
        )
    return vectors


def take_in_vectors(index: IndexWriter) -> None:
    """Inside a commit: lets a private copy hold the vectors itself, so that nothing done to it reaches the database."""
    snapshot = LocalSnapshot(index.catalog)
    info = snapshot.info()
    if info.vectors_at is not None:
        move_vectors(index, replace(info, vectors_at=None))
