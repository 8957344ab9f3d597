"""Compares the vectors that a vector database holds for an index in PostgreSQL with what its tables say, and mends both
sides."""

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from semsearch.errors import IndexDamagedError
from semsearch.plurals import agreeing, count_of
from semsearch.store.engine_comparing import Differences, compare
from semsearch.store.engine_vectors import EngineVectors, Ids
from semsearch.store.postgres import engine_writing
from semsearch.store.postgres.connection import Connection
from semsearch.store.postgres.engine_search import COUNTED
from semsearch.store.postgres.state import State, set_setting
from semsearch.store.problems import Problem

if TYPE_CHECKING:
    from semsearch.store.postgres.examination import DatabaseFindings

_AT_ONCE = 4_096


def examine_engine(connection: Connection, state: State, dim: int, findings: "DatabaseFindings") -> None:
    """Adds to `findings` what is wrong with vectors of `dim` numbers (0: nobody knows) that are kept elsewhere, by the
    settings of `state`. Outside of a transaction: that database is of no snapshot, so that what differs is looked at
    once more, in the tables as they are by then. Raises `VectorEngineError` where it does not answer."""
    try:
        engine_writing.filled_places(connection)
    except IndexDamagedError:
        findings.forget.append("vectors_filled")
        findings.add("settings", "what it records as vectors_filled is damaged", "forget it")
    value = state.values.get("vectors_at", "null")
    if "vectors_at" in findings.forget or value == "null":
        return
    url = engine_writing.decoded_place(connection, value)
    assert url is not None
    here = connection.row("SELECT count(*) FROM {s}.vectors")
    if here is not None and here[0]:
        findings.add(
            "vectors",
            f"{count_of(here[0], 'vector')} {agreeing(here[0], 'is', 'are')} kept in the index, too",
            "remove them",
        )
    counted, known = _by_the_tables(connection)
    if not dim:
        # Whatever is there is taken out before the first vector is put there.
        findings.lost_vectors = counted
        if len(counted) and "model" not in findings.forget:
            findings.add("vectors", "nobody knows the model of the vectors", "the next index encodes")
        return
    engine = connection.engines.at(url)
    found = _still(connection, engine, compare(engine, dim, counted, known))
    findings.lost_vectors = np.union1d(found.missing, found.odd)
    findings.stray_vectors, findings.foreign_vectors = found.surplus, found.foreign
    for what, repair in found.problems("the next index encodes them again"):
        findings.problems.append(Problem(engine.engine.location, what, repair))


def _by_the_tables(connection: Connection, among: Ids | None = None) -> tuple[Ids, Ids]:
    """(the chunks that have a vector, those that may have one), both (n,) rising; `among`: only of these."""
    chosen: tuple[str, str] = ("", "")
    parameters: list[object] = []
    if among is not None:
        chosen = " WHERE id = ANY(%s::bigint[])", " WHERE chunk_id = ANY(%s::bigint[])"
        parameters = [among.tolist()]
    chunks = connection.rows(f"SELECT id, {COUNTED} FROM {{s}}.chunks{chosen[0]}", parameters)
    untold = connection.rows(f"SELECT chunk_id FROM {{s}}.vectors_untold{chosen[1]}", parameters)
    ids = np.array([row[0] for row in chunks], np.int64)
    has_vector: NDArray[np.bool_] = np.array([row[1] for row in chunks], np.bool_)
    known = np.union1d(ids, np.array([row[0] for row in untold], np.int64))
    return np.sort(ids[has_vector]), known


def _still(connection: Connection, engine: EngineVectors, found: Differences) -> Differences:
    """What of the differences `found` is so by the tables now, and in the vector database after that."""
    suspects = np.union1d(np.union1d(found.missing, found.odd), found.surplus)
    if not len(suspects):
        return found
    counted, known = _by_the_tables(connection, suspects)
    missing = np.intersect1d(found.missing, counted)
    surplus = np.setdiff1d(found.surplus, known)
    there = _held(engine, np.union1d(missing, surplus))
    return replace(
        found,
        missing=np.setdiff1d(missing, there),
        odd=np.intersect1d(found.odd, counted),
        surplus=np.intersect1d(surplus, there),
    )


def _held(engine: EngineVectors, ids: Ids) -> Ids:
    """Those of the chunks `ids` (n,) whose vectors are there."""
    found = [np.empty(0, np.int64)]
    for start in range(0, len(ids) if engine.engine.exists() else 0, _AT_ONCE):
        batch = ids[start : start + _AT_ONCE]
        found.append(batch[~np.isnan(engine.engine.vectors(batch)).any(axis=1)])
    return np.concatenate(found)


def mend_engine(connection: Connection, findings: "DatabaseFindings", deleted: Ids) -> None:
    """Inside the transaction of a repair that has deleted the chunks `deleted` (n,): takes out of the vector database
    what is of no passage, and lets what is lost wait for a vector; makes the collection anew where it is gone."""
    url = engine_writing.place(connection)
    if url is None:  # where they were is forgotten, or they are kept here
        connection.execute("DELETE FROM {s}.vectors_untold")
        return
    connection.execute("DELETE FROM {s}.vectors")
    connection.execute("INSERT INTO {s}.vectors_untold (chunk_id) SELECT unnest(%s::bigint[])", (deleted.tolist(),))
    connection.execute(
        "INSERT INTO {s}.encode_queue (chunk_id, tokens) SELECT id, tokens FROM {s}.chunks"
        " WHERE id = ANY(%s::bigint[]) ON CONFLICT DO NOTHING",
        (findings.lost_vectors.tolist(),),
    )
    row = connection.row("SELECT value FROM {s}.settings WHERE name = 'model' AND value <> 'null'")
    if row is None:
        return
    if "vectors_filled" in findings.forget:  # it counts on vectors that it has put there
        set_setting(connection, "vectors_filled", json.dumps([url]))
    if len(findings.lost_vectors) or len(findings.stray_vectors):
        engine = connection.engines.at(url)
        engine.engine.ensure(int(json.loads(row[0])["dim"]))
        engine.delete(np.union1d(findings.lost_vectors, findings.stray_vectors))
    if findings.foreign_vectors:
        connection.engines.at(url).engine.foreign(take_out=True)
