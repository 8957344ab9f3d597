"""Copies of an index that differ from it in one thing: the model, the length of the vectors, or some passages."""

import json
from collections.abc import Sequence

from semsearch.callbacks import Announce
from semsearch.chunking.splitter import Chunk
from semsearch.embedding.cached_embedder import cached
from semsearch.embedding.model_info import ModelInfo
from semsearch.embedding.open import open_model, open_recorded
from semsearch.embedding.resolve import resolve
from semsearch.evaluation.synthetic_queries import SyntheticQuery
from semsearch.indexing.encode import encode_pending
from semsearch.indexing.options import Progress
from semsearch.lexical import analyzer, postings
from semsearch.quantization import QuantizeOptions, quantize
from semsearch.report import IndexReport
from semsearch.storage.copy import copy_index
from semsearch.storage.writer import IndexWriter


def copy_with_model(index: str, target: str, name: str, progress: Progress, dim: int | None = None) -> None:
    """Copies `index` to `target` and encodes its passages by the model `name`, in the vector format of a new index.

    `dim`: the length its vectors are truncated to. Vectors are looked up in and written to the cache: what was encoded
    before an interruption, or for another index, is not encoded again.
    """
    source = resolve(name, dim)
    copy_index(index, target)
    with IndexWriter(target) as writer:
        embedder = open_model(source, progress.announce)
        with writer.commit():
            writer.drop_segments("vec")
            writer.catalog.set_setting("embedded_to", 0)
            writer.catalog.set_setting("model", None)
            writer.catalog.set_setting("model_name", name)
        cached_embedder = cached(embedder.info, lambda: embedder, "passages")
        try:
            encode_pending(writer, lambda: cached_embedder, IndexReport(target), progress)
        finally:
            cached_embedder.close()
        writer.merge()


def copy_with_dim(index: str, target: str, dim: int) -> None:
    """Copies `index` to `target` and projects its vectors to `dim` numbers (`quantization`)."""
    copy_index(index, target)
    quantize(target, QuantizeOptions("float16", dim=dim, keep_original=False, max_loss=0.999))


def copy_without_queries(
    index: str, target: str, queries: Sequence[SyntheticQuery], announce: Announce
) -> list[SyntheticQuery]:
    """Copies `index` to `target` and replaces the passages of `queries` there by their `rest`.

    Returns the queries with the ids that their passages have in the copy.
    """
    copy_index(index, target)
    changed = [query for query in queries if query.rest is not None]
    renumbered = [query for query in queries if query.rest is None]
    if not changed:
        return renumbered
    with IndexWriter(target) as writer:
        catalog = writer.catalog
        first = catalog.setting("next_chunk", 1)
        terms, rows, languages = [], [], set()
        for number, query in enumerate(changed, first):
            heading, text = query.rest or ((), "")
            row = catalog.connection.execute(
                "SELECT chunks.*, files.language FROM chunks JOIN files ON files.id = chunks.file_id"
                " WHERE chunks.id = ?",
                (query.chunk,),
            ).fetchone()
            chunk = Chunk(text, heading, row["page"], row["line_start"], row["line_end"], row["tokens"])
            terms.append(analyzer.analyze(chunk.encoded(), row["language"]))
            languages.add(row["language"])
            rows.append((number, row["file_id"], chunk.hash(), text, json.dumps(heading), *row[5:8], row["tokens"]))
            renumbered.append(SyntheticQuery(query.text, number, query.rest))
        built = postings.build(range(first, first + len(changed)), terms, tuple(sorted(languages)))
        name, files = writer.write_lexical(built)
        with writer.commit() as connection:
            writer.mark_dead([(query.chunk, 1) for query in changed])
            connection.executemany("INSERT INTO chunks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
            catalog.set_setting("next_chunk", first + len(changed))
            writer.add_segment("lex", name, built.ids, files)
        if record := catalog.setting("model"):
            encode_pending(
                writer,
                lambda: open_recorded(ModelInfo.from_dict(record), announce),
                IndexReport(target),
                Progress(announce=announce),
            )
    return renumbered
