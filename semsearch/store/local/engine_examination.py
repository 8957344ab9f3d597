"""Compares the vectors that a vector database holds for an index folder with what its catalog says, and mends them."""

from contextlib import closing

import numpy as np

from semsearch.store.engine_comparing import compare
from semsearch.store.engine_vectors import EngineVectors, Ids
from semsearch.store.local import rows
from semsearch.store.local.catalog import Catalog
from semsearch.store.local.problems import Examination
from semsearch.store.local.writer import IndexWriter

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
    # Those of deleted passages serve until nothing is pending.
    kept = np.array([row[0] for row in catalog.rows("SELECT id FROM chunks WHERE file_id IS NULL")], np.int64)
    with closing(EngineVectors(url, catalog.folder)) as engine:
        found = compare(engine, model.dim, alive[alive <= embedded_to], np.union1d(alive, kept))
        where = engine.engine.location
    findings.missing["vec"] = np.union1d(found.missing, found.odd)
    findings.extra["vec"] = found.surplus
    findings.foreign = found.foreign
    for what, repair in found.problems("encode them again"):
        findings.add(what, repair, where)


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
