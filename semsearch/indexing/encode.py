"""The dense leg: encodes what it has not gone through yet, in id order, a commit every batch."""

import json
import sqlite3
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from semsearch.chunking.splitter import encoded
from semsearch.embedding.embedder import Embedder, Vectors
from semsearch.embedding.model_table import card_of, price_of
from semsearch.indexing.options import Progress
from semsearch.report import IndexReport
from semsearch.storage.writer import IndexWriter

_ENCODE_BATCH = 1024
# Texts between two looks at whether to go on; of an API several requests at once.
_ENCODE_STEP = 64
_ENCODE_STEP_API = 512


def encode_pending(
    writer: IndexWriter, open_embedder: Callable[[], Embedder], report: IndexReport, progress: Progress
) -> bool:
    """Encodes the chunks without vectors and counts them in `report`; returns whether there were any."""
    catalog = writer.catalog
    done = catalog.setting("embedded_to", 0)
    pending = catalog.counts()["pending"]
    if pending:
        embedder = open_embedder()
        if embedder.info.is_api:
            _, tokens = catalog.pending_tokens()
            usd = price_of(card_of(embedder.info.name), tokens)
            cost = "" if usd is None else f", about ${usd:,.4f}"
            progress.announce(f"sending {pending:,} passages to be encoded: about {tokens:,} tokens{cost}")
        progress.encoding(pending)
        # A run that has read nothing encodes something, lest a short limit never gets anywhere.
        begun = bool(report.files["added"] or report.files["changed"])
        while not (begun and progress.stopping()) and (
            rows := catalog.connection.execute(
                "SELECT id, hash, heading, text FROM chunks WHERE id > ? AND file_id IS NOT NULL ORDER BY id LIMIT ?",
                (done, _ENCODE_BATCH),
            ).fetchall()
        ):
            done = _encode_batch(writer, embedder, rows, done, report, progress, moves_on=True)
            begun = True
        if progress.stopping():
            return True
    last = catalog.setting("next_chunk", 1) - 1
    dead = catalog.connection.execute("SELECT EXISTS (SELECT 1 FROM chunks WHERE file_id IS NULL)").fetchone()[0]
    if dead or done != last:
        with writer.commit() as connection:
            catalog.set_setting("embedded_to", last)
            # Kept until now for their vectors, which the new chunks may have reused.
            connection.execute("DELETE FROM chunks WHERE file_id IS NULL")
    return bool(pending)


def encode_lost(
    writer: IndexWriter, embedder: Embedder, ids: NDArray[np.int64], report: IndexReport, progress: Progress
) -> None:
    """Encodes the chunks `ids` (rising) again, which the dense leg has gone through before; a commit every batch."""
    progress.encoding(len(ids))
    done = writer.catalog.setting("embedded_to", 0)
    for start in range(0, len(ids), _ENCODE_BATCH):
        rows = writer.catalog.connection.execute(
            "SELECT id, hash, heading, text FROM chunks WHERE file_id IS NOT NULL"
            " AND id IN (SELECT value FROM json_each(?)) ORDER BY id",
            (json.dumps(ids[start : start + _ENCODE_BATCH].tolist()),),
        ).fetchall()
        if rows and not progress.stopping():
            _encode_batch(writer, embedder, rows, done, report, progress, moves_on=False)


def _encode_batch(
    writer: IndexWriter,
    embedder: Embedder,
    rows: list[sqlite3.Row],
    done: int,
    report: IndexReport,
    progress: Progress,
    moves_on: bool,
) -> int:
    """Commits the vectors of `rows`, reused where an encoded chunk had the same text; returns the last id it came to.

    `moves_on`: the dense leg has then gone through all up to these.
    """
    ids = np.array([row["id"] for row in rows], np.int64)
    form = writer.form(embedder.info.dim)
    vectors = np.empty((len(rows), form.store_dim), np.float32)
    known = _known_vectors(writer, [row["hash"] for row in rows], done)
    finished = 0
    try:
        while finished < len(rows) and not (finished and progress.stopping()):
            step = rows[finished : finished + (_ENCODE_STEP_API if embedder.info.is_api else _ENCODE_STEP)]
            new = {row["hash"]: row for row in step if row["hash"] not in known}
            texts = [encoded(tuple(json.loads(row["heading"])), row["text"]) for row in new.values()]
            known.update(zip(new, form.stored(embedder.encode(texts)), strict=True))
            for number, row in enumerate(step, finished):
                vectors[number] = known[row["hash"]]
            finished += len(step)
            report.chunks["encoded"] += len(new)
            report.chunks["reused"] += len(step) - len(new)
            progress.encoded(len(step))
    finally:
        # An interrupt keeps what is encoded.
        if finished:
            name, files = writer.write_dense(ids[:finished], vectors[:finished], embedder.info.dim)
            with writer.commit():
                writer.add_segment("vec", name, ids[:finished], files)
                if moves_on:
                    writer.catalog.set_setting("embedded_to", int(ids[finished - 1]))
                writer.catalog.set_setting("model", embedder.info.as_dict())
    return int(ids[finished - 1])


def _known_vectors(writer: IndexWriter, hashes: Iterable[bytes], done: int) -> dict[bytes, Vectors]:
    """The vectors of already encoded chunks, dead ones included, by the hash of their text."""
    catalog = writer.catalog
    wanted = list(dict.fromkeys(hashes))
    older: dict[int, bytes] = {}
    for start in range(0, len(wanted) if done else 0, 500):
        part = wanted[start : start + 500]
        marks = ",".join("?" * len(part))
        older.update(
            catalog.connection.execute(
                f"SELECT MAX(id), hash FROM chunks WHERE hash IN ({marks}) AND id <= ? GROUP BY hash", (*part, done)
            ).fetchall()
        )
    if not older:
        return {}
    form = writer.form(catalog.setting("model")["dim"])
    ids = np.array(sorted(older), np.int64)
    known: dict[bytes, Vectors] = {}
    for row in catalog.segments("vec"):
        inside = ids[(ids >= row["first_id"]) & (ids <= row["last_id"])]
        if len(inside):
            segment = writer.dense_segment(row, form)
            at = np.searchsorted(segment.ids, inside)
            there = (at < len(segment.ids)) & (segment.ids[np.minimum(at, len(segment.ids) - 1)] == inside)
            found = segment.vectors.vectors(at[there])
            known.update((older[int(chunk)], vector) for chunk, vector in zip(inside[there], found, strict=True))
    return known
