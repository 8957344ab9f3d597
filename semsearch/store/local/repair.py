"""Mends what an examination found. Each commit leaves an index that answers, or one that counts as damaged.

What can be made again is: postings from the passages in the catalog, codes from stored vectors, vectors by encoding
the passages that lost theirs. Files are taken out that are damaged themselves, or whose passages or documents are: the
next run reads them again.
"""

import contextlib
import sqlite3
from collections.abc import Callable
from itertools import groupby
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from semsearch.errors import IndexDamagedError
from semsearch.lexical import postings
from semsearch.lexical.document_terms import DocumentTerms
from semsearch.plurals import count_of
from semsearch.store.local import rows
from semsearch.store.local.dense_segment import stored_vectors
from semsearch.store.local.engine_examination import mend_engine
from semsearch.store.local.examination import examine
from semsearch.store.local.merging import merge
from semsearch.store.local.problems import Examination
from semsearch.store.local.salvage import check_room
from semsearch.store.local.snapshot import LocalSnapshot
from semsearch.store.local.sparse_segments import SPARSE_SEGMENTS
from semsearch.store.local.token_vector_file import remove
from semsearch.store.local.transaction import LocalWriter
from semsearch.store.local.writer import IndexWriter
from semsearch.store.protocol import OpenEncoder

_LEXICAL_BATCH = 65_536

# Makes the chunks with the given ids (n,) have vectors again.
EncodeLost = Callable[[NDArray[np.int64]], None]


def repair_folder(index: str, wait: bool, open_encoder: OpenEncoder, announce: Callable[[str], None]) -> Examination:
    """`protocol.Verifiable.repair` of the index folder."""
    with IndexWriter(index, wait, trust=True) as writer:
        for notice in writer.notices:
            announce(notice)
        findings = examine(index, writer.catalog, writer.suspect)

        def prepare_encoder() -> EncodeLost:
            model = rows.recorded_model(writer.catalog)
            if model is None:
                raise IndexDamagedError("nobody knows the model of its vectors")
            return open_encoder(LocalWriter(writer), model)

        if findings.token_vectors_damaged:
            remove(index)
        repair(writer, findings, prepare_encoder, announce)
        return findings


def repair(
    writer: IndexWriter,
    findings: Examination,
    prepare_encoder: Callable[[], EncodeLost],
    announce: Callable[[str], None],
) -> None:
    """Mends the `findings` in the state of `writer`.

    `prepare_encoder` opens the model that made the vectors, and raises before anything is dropped where it cannot.
    """
    if findings.broken:
        findings = _readable_again(writer, announce)
        if findings.broken:
            return
    encode_lost = prepare_encoder() if len(_lost_vectors(findings)) and not findings.vectors_unknown else None
    # From here on passages may lack words or vectors: until all is there again, whatever becomes of this process, the
    # index counts as damaged.
    writer.mark_suspect()
    reread = findings.suspect or not {SPARSE_SEGMENTS}.issuperset(findings.forget)
    _take_out_damaged(writer, findings)
    # Counted anew only now, without the numbers of what was damaged.
    findings = examine(writer.index, writer.catalog, False)
    with writer.commit():
        for key, value in findings.counters.items():
            writer.catalog.set_setting(key, value)
        if reread and "generation" not in findings.counters:
            writer.catalog.set_setting("generation", writer.catalog.number("generation", 1) + 1)
    index_words(writer, findings.missing.get("lex", np.empty(0, np.int64)))
    if "vec" in findings.missing:
        mend_engine(writer, findings)
    lost = findings.missing.get("vec", np.empty(0, np.int64))
    if len(lost):
        announce(f"encoding {count_of(len(lost), 'passage')} again")
        (encode_lost or prepare_encoder())(lost)
    writer.clear_suspicion()
    merge(writer)
    writer.remove_unreferenced()


def _readable_again(writer: IndexWriter, announce: Callable[[str], None]) -> Examination:
    """Makes a catalog that SQLite finds damaged readable, and says what there is then."""
    check_room(writer.index)
    with contextlib.suppress(sqlite3.DatabaseError):  # often only the indexes of tables are damaged
        writer.catalog.connection.execute("REINDEX")
    findings = examine(writer.index, writer.catalog, writer.suspect)
    if findings.broken:
        announce("the catalog cannot be read whole: making it anew from what can be read")
        writer.mark_suspect()
        writer.salvage_catalog()
        findings = examine(writer.index, writer.catalog, True)
    return findings


def _lost_vectors(findings: Examination) -> NDArray[np.int64]:
    """The ids of the chunks whose vectors must be encoded again: none that only lost their codes."""
    lost = findings.missing.get("vec", np.empty(0, np.int64))
    for segment in findings.recodable:
        lost = lost[(lost < segment.first_id) | (lost > segment.last_id)]
    return lost


def _take_out_damaged(writer: IndexWriter, findings: Examination) -> None:
    """One commit: what is damaged goes, and codes are made anew where the vectors are good."""
    catalog = writer.catalog
    with writer.commit() as connection:
        connection.executemany("DELETE FROM settings WHERE key = ?", [(key,) for key in findings.forget])
        if "model_name" in findings.forget and "model" not in findings.forget:
            model = rows.recorded_model(catalog)
            if model is not None:
                catalog.set_setting("model_name", model.name)
        if findings.vectors_unknown:
            writer.drop_vectors()
        _make_codes_anew(writer, findings)
        connection.executemany("DELETE FROM segments WHERE id = ?", [(number,) for number in findings.damaged])
        writer.take_out_sparse(findings.damaged_sparse, findings.sparse_lost_from)
        for kind, ids in findings.extra.items():
            writer.mark_rows_dead(kind, [(int(number), int(number) + 1) for number in ids])
        for number in findings.unreadable_files:
            _take_out_file(writer, number)
        if findings.last_run_damaged:
            connection.execute("DELETE FROM runs")
        connection.execute("DELETE FROM roots WHERE typeof(path) != 'blob' OR typeof(label) != 'text'")


def _make_codes_anew(writer: IndexWriter, findings: Examination) -> None:
    """Inside a commit: writes the segments whose codes alone are damaged anew from their vectors."""
    for segment in findings.recodable:
        dim = writer.model_dim()
        where = (writer.index, segment.name, segment.rows, segment.files)
        ids, vectors = stored_vectors(*where, writer.vector_format(dim))
        alive = writer.catalog.rows(
            "SELECT id FROM chunks WHERE file_id IS NOT NULL AND id BETWEEN ? AND ?", (int(ids[0]), int(ids[-1]))
        )
        # Not by the bitmap, which may be what is damaged.
        chosen = np.flatnonzero(np.isin(ids, [row[0] for row in alive]))
        if len(chosen):
            name, files = writer.write_dense(ids[chosen], vectors[chosen], dim)
            writer.add_segment("vec", name, ids[chosen], files)


def _take_out_file(writer: IndexWriter, number: int) -> None:
    """Inside a commit: deletes a file that is damaged, or whose passages are; the next run finds it new."""
    connection = writer.catalog.connection
    chunks = [row[0] for row in connection.execute("SELECT id FROM chunks WHERE file_id = ?", (number,))]
    writer.mark_dead([(chunk, 1) for chunk in chunks])
    # Not kept for their vectors: their texts are not what was encoded.
    connection.executemany("DELETE FROM chunks WHERE id = ?", [(chunk,) for chunk in chunks])
    connection.execute("DELETE FROM parts WHERE file_id = ?", (number,))
    connection.execute("DELETE FROM files WHERE id = ?", (number,))


def index_words(writer: IndexWriter, missing: NDArray[np.int64]) -> None:
    """Makes the postings of the chunks `missing` (n,) from their texts; a commit every batch."""
    for start in range(0, len(missing), _LEXICAL_BATCH):
        passages = LocalSnapshot(writer.catalog).passages(missing[start : start + _LEXICAL_BATCH].tolist())
        terms: list[list[str]] = []
        for document, own in groupby(passages, attrgetter("file")):
            made = DocumentTerms.of_indexed(document)
            terms += [made.of(one.heading, one.text, one.is_first) for one in own]
        languages = tuple(sorted({one.file.language for one in passages}))
        built = postings.build([one.id for one in passages], terms, languages)
        name, files = writer.write_lexical(built)
        with writer.commit():
            writer.add_segment("lex", name, built.ids, files)
