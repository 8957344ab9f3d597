"""Compares the vectors that a vector database holds for an index folder with what its catalog says, and mends them."""

from collections.abc import Iterator
from contextlib import closing

import numpy as np
from numpy.typing import NDArray

from semsearch.store.local import rows
from semsearch.store.local.catalog import Catalog
from semsearch.store.local.engine_vectors import EngineVectors
from semsearch.store.local.problems import Examination
from semsearch.store.local.writer import IndexWriter

Ids = NDArray[np.int64]

_AT_ONCE = 4_096
# Vectors have length 1, which half precision changes by less than this; or 0, of a text without a word that its model
# knows.
_TOLERANCE = 0.01
# Lists that the catalog keeps of what a vector database is to be told.
LISTS = ("vectors_to", "vectors_filled", "vectors_untold")


def examine_engine(findings: Examination, catalog: Catalog, alive: Ids, embedded_to: int) -> None:
    """Adds to `findings` what is wrong with the vectors of `alive` (n,), the chunks that there are: those up to
    `embedded_to` must have one. Raises `VectorEngineError` where the database does not answer."""
    for kind in ("missing", "extra"):
        getattr(findings, kind)["vec"] = np.empty(0, np.int64)
    url = catalog.setting("vectors_at")
    model = None if "model" in findings.forget else rows.recorded_model(catalog)
    if not embedded_to or model is None:
        return  # whatever is there is taken out before the first vector is put there
    with closing(EngineVectors(url)) as engine:
        held = engine.ids()
        where = engine.engine.location
        findings.foreign = engine.engine.foreign() if engine.engine.exists() else 0
        dim = engine.vectors(held[:1], model.dim).shape[1]
        if dim != model.dim:
            findings.add(
                f"it holds vectors of {dim} numbers, not of {model.dim}, which another program put there:"
                " keep these elsewhere (semsearch index --rebuild --vectors URL)", "", where
            )  # fmt: skip
            return
        wanted = alive[alive <= embedded_to]
        there = np.intersect1d(wanted, held, assume_unique=True)
        odd = np.concatenate([np.empty(0, np.int64), *_of_odd_length(engine, there)])
    missing = np.setdiff1d(wanted, held, assume_unique=True)
    # Those of deleted passages serve until nothing is pending.
    kept = np.array([row[0] for row in catalog.rows("SELECT id FROM chunks WHERE file_id IS NULL")], np.int64)
    surplus = np.setdiff1d(held, np.union1d(alive, kept), assume_unique=True)
    findings.missing["vec"] = np.union1d(missing, odd)
    findings.extra["vec"] = surplus
    for count, what, repair in (
        (len(missing), "passages have no vectors", "encode them again"),
        (len(odd), "passages have vectors that are not of length 1", "encode them again"),
        (len(surplus) + findings.foreign, "vectors are of no passage", "take them out"),
    ):
        if count:
            findings.add(f"{count:,} {what}", repair, where)


def _of_odd_length(engine: EngineVectors, ids: Ids) -> Iterator[Ids]:
    """Those of the chunks `ids` (n,) whose vectors are no directions, in batches."""
    for start in range(0, len(ids), _AT_ONCE):
        batch = ids[start : start + _AT_ONCE]
        lengths = np.linalg.norm(engine.engine.vectors(batch), axis=1)
        good = (np.abs(lengths - 1) < _TOLERANCE) | (lengths < _TOLERANCE)  # not true of nan
        yield batch[~good]


def mend_engine(writer: IndexWriter, findings: Examination) -> None:
    """Takes out what is not to be there, and what is to be encoded again; makes the collection anew where it is gone.
    Nothing where the index keeps its vectors itself."""
    engine = writer.engine_vectors()
    ids = np.union1d(findings.missing["vec"], findings.extra["vec"])
    if engine is not None and len(ids):
        engine.engine.ensure(writer.model_dim())
        engine.delete(ids)
    if engine is not None and findings.foreign:
        engine.engine.foreign(take_out=True)
