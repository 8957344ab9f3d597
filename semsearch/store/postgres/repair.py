"""Mends what an examination found, in one transaction: the index is as it was, or whole.

Files are taken out that are damaged, or whose passages or documents are: the next run reads them again. Words are made
anew from the texts, numbers are counted anew, and passages without a vector wait for one.
"""

import json
from collections.abc import Callable
from itertools import count, groupby
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from semsearch import settings
from semsearch.lexical import postings
from semsearch.lexical.document_terms import DocumentTerms
from semsearch.plurals import count_of
from semsearch.store.postgres.connection import Connection
from semsearch.store.postgres.engine_examination import mend_engine
from semsearch.store.postgres.examination import COUNTED, UNQUEUED, DatabaseFindings, orphans, unsound_vector
from semsearch.store.postgres.snapshot import DatabaseSnapshot
from semsearch.store.postgres.state import dead_ids
from semsearch.store.postgres.transaction import Work, add_segment

# Chunks of one segment, at the most, as in `transaction`.
_SEGMENT_CHUNKS = 8192
# Settings without which nobody knows how files were read.
_READ_BY = {"rules", "chunking", "analysis", "generation", "model_name", "dim", "readers"}


def repair(connection: Connection, work: Work, findings: DatabaseFindings, announce: Callable[[str], None]) -> None:
    """Mends the `findings` in the open transaction `work` of `connection`, which is still to be committed."""
    _mend_settings(connection, findings)
    _mend_roots(connection, findings)
    deleted = _take_out_files(connection, sorted(findings.reread))
    for table, numbers in (("runs", findings.runs), ("writers", findings.writers)):
        connection.execute(f"DELETE FROM {{s}}.{table} WHERE id = ANY(%s::bigint[])", (numbers,))
    _mend_vectors(connection, findings)
    _mend_segments(connection, findings, deleted)
    for statement in orphans():
        connection.execute(statement)
    connection.execute(
        f"INSERT INTO {{s}}.encode_queue (chunk_id, tokens) SELECT id, tokens FROM {{s}}.chunks WHERE {UNQUEUED}"
    )
    connection.execute(
        "UPDATE {s}.encode_queue AS queue SET tokens = chunks.tokens FROM {s}.chunks"
        " WHERE id = chunk_id AND queue.tokens <> chunks.tokens"
    )
    mend_engine(connection, findings, deleted)
    _count_anew(connection, work)
    if len(missing := np.setdiff1d(findings.missing, deleted)):
        announce(f"making the words of {count_of(len(missing), 'passage')} anew")
        _index_words(connection, work, missing)


def _mend_settings(connection: Connection, findings: DatabaseFindings) -> None:
    if not findings.forget:
        return
    connection.execute("DELETE FROM {s}.settings WHERE name = ANY(%s::text[])", (findings.forget,))
    if _READ_BY & set(findings.forget):  # every file is of an older generation now, and read again
        stored = connection.row("SELECT value FROM {s}.settings WHERE name = 'generation'")
        highest = connection.row("SELECT coalesce(max(generation), 0) FROM {s}.files")
        last = max(0 if stored is None else int(json.loads(stored[0])), 0 if highest is None else int(highest[0]))
        connection.execute(
            "INSERT INTO {s}.settings VALUES ('generation', %s) ON CONFLICT (name) DO UPDATE"
            " SET value = excluded.value",
            (json.dumps(last + 1),),
        )


def _mend_roots(connection: Connection, findings: DatabaseFindings) -> None:
    """Puts right what of the indexed folders cannot be, and takes out those of which nobody knows where they are."""
    labels = {row[0] for row in connection.rows("SELECT label FROM {s}.roots")}
    for number, columns in sorted(findings.roots.items()):
        if "host" in columns:
            connection.execute(
                "UPDATE {s}.roots SET host = %s WHERE id = %s AND path NOT IN"
                " (SELECT path FROM {s}.roots WHERE host = %s)",
                (settings.host_name(), number, settings.host_name()),
            )
        if "label" in columns:
            (label,) = connection.rows("SELECT coalesce(label, 'folder') FROM {s}.roots WHERE id = %s", (number,))[0]
            unused = next(one for suffix in count(2) if (one := f"{label}-{suffix}") not in labels)
            labels.add(unused)
            connection.execute("UPDATE {s}.roots SET label = %s WHERE id = %s", (unused, number))
        if "readers" in columns:
            connection.execute("UPDATE {s}.roots SET readers = 0 WHERE id = %s", (number,))
        if "checked" in columns:
            connection.execute("UPDATE {s}.roots SET checked = NULL WHERE id = %s", (number,))
        if "path" in columns:
            connection.execute("DELETE FROM {s}.roots WHERE id = %s", (number,))
    connection.execute("DELETE FROM {s}.roots WHERE host IS NULL")  # this machine has that folder already


def _take_out_files(connection: Connection, files: list[int]) -> NDArray[np.int64]:
    """Deletes `files`, those of no folder, and the chunks of all these, and those of no file; returns the ids of the
    chunks, (n,) rising."""
    connection.execute("DELETE FROM {s}.parts WHERE file_id = ANY(%s::bigint[])", (files,))
    connection.execute(
        "DELETE FROM {s}.files WHERE id = ANY(%s::bigint[]) OR root_id NOT IN (SELECT id FROM {s}.roots)", (files,)
    )
    # Not kept for their vectors: their texts are not what was encoded.
    gone = connection.rows(
        "DELETE FROM {s}.chunks WHERE NOT EXISTS (SELECT FROM {s}.files WHERE files.id = file_id) RETURNING id"
    )
    return np.sort(np.array([row[0] for row in gone], np.int64))


def _mend_vectors(connection: Connection, findings: DatabaseFindings) -> None:
    stored = connection.row("SELECT value FROM {s}.settings WHERE name = 'model'")
    dim = 0 if stored is None or stored[0] == "null" else int(json.loads(stored[0])["dim"])
    for table in ("vectors", "kept_vectors"):
        unsound = unsound_vector(dim) if dim else "true"
        connection.execute(f"DELETE FROM {{s}}.{table} WHERE {unsound}")
    if findings.bad_index or not dim:
        connection.execute("DROP INDEX IF EXISTS {s}.vectors_hnsw")


def _mend_segments(connection: Connection, findings: DatabaseFindings, deleted: NDArray[np.int64]) -> None:
    """Takes out damaged segments, and lists in the others the deleted chunks that they name."""
    damaged = sorted(findings.damaged)
    for table, column in (("segments", "id"), ("postings", "segment_id")):
        connection.execute(f"DELETE FROM {{s}}.{table} WHERE {column} = ANY(%s::bigint[])", (damaged,))
    for number, first, last, dead in connection.rows("SELECT id, first_id, last_id, dead FROM {s}.segments"):
        known = findings.dead[number] if number in findings.dead else dead_ids(bytes(dead))
        listed = np.union1d(known, deleted[(deleted >= first) & (deleted <= last)])
        if number in findings.dead or len(listed) != len(known):
            data = listed.astype("<u4").tobytes()
            connection.execute("UPDATE {s}.segments SET dead = %s WHERE id = %s", (data, number))
    for number, languages in findings.languages.items():
        connection.execute("UPDATE {s}.segments SET languages = %s::text[] WHERE id = %s", (languages, number))
    connection.execute(
        "UPDATE {s}.chunks SET terms = own.terms FROM unnest(%s::bigint[], %s::int[]) AS own (id, terms)"
        " WHERE chunks.id = own.id",
        (list(findings.lengths), list(findings.lengths.values())),
    )


def _count_anew(connection: Connection, work: Work) -> None:
    row = connection.row(COUNTED)
    assert row is not None
    next_chunk, next_file, next_root, next_segment, chunks, terms, *statuses = row
    counters = work.counters
    counters["next_chunk"] = max(counters["next_chunk"], next_chunk)
    counters["next_file"] = max(counters["next_file"], next_file)
    counters["next_segment"] = max(counters["next_segment"], next_segment)
    counters.update(zip(("chunks", "terms", "indexed", "skipped", "failed"), (chunks, terms, *statuses), strict=True))
    connection.execute("UPDATE {s}.state SET next_root = greatest(next_root, %s)", (next_root,))


def _index_words(connection: Connection, work: Work, missing: NDArray[np.int64]) -> None:
    """Makes the postings of the chunks `missing` (n,) from their texts."""
    snapshot, counters = DatabaseSnapshot(connection), work.counters
    for start in range(0, len(missing), _SEGMENT_CHUNKS):
        passages = snapshot.passages(missing[start : start + _SEGMENT_CHUNKS].tolist())
        terms: list[list[str]] = []
        for document, own in groupby(passages, attrgetter("file")):
            made = DocumentTerms.of_indexed(document)
            terms += [made.of(one.heading, one.text, one.is_first) for one in own]
        languages = tuple(sorted({one.file.language for one in passages}))
        built = postings.build([one.id for one in passages], terms, languages)
        add_segment(connection, counters["next_segment"], built)
        counters["next_segment"] += 1
        ids, lengths = built.ids.tolist(), built.lengths.tolist()
        before = connection.row("SELECT sum(terms) FROM {s}.chunks WHERE id = ANY(%s::bigint[])", (ids,))
        connection.execute(
            "UPDATE {s}.chunks SET terms = own.terms FROM unnest(%s::bigint[], %s::int[]) AS own (id, terms)"
            " WHERE chunks.id = own.id",
            (ids, lengths),
        )
        counters["terms"] += sum(lengths) - int(before[0] if before else 0)
