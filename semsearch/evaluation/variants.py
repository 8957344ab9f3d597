"""Copies of an index that differ in one thing: its model, the length of its vectors, some of its passages."""

import json
from collections.abc import Callable, Sequence

from semsearch.chunking.splitter import Chunk
from semsearch.embedding.cached_embedder import cached
from semsearch.embedding.model_info import ModelInfo
from semsearch.embedding.open import open_model, open_recorded
from semsearch.embedding.resolve import resolve
from semsearch.evaluation.questions import Question
from semsearch.indexing.encode import encode_pending
from semsearch.indexing.options import Progress
from semsearch.lexical import analyzer, postings
from semsearch.quantization import QuantizeOptions, quantize
from semsearch.report import IndexReport
from semsearch.storage.copy import copy_index
from semsearch.storage.writer import IndexWriter

Announce = Callable[[str], None]


def with_model(index: str, target: str, name: str, progress: Progress, dim: int | None = None) -> None:
    """A copy of `index` at `target` whose passages are encoded by the model `name`, kept as in a new index.

    `dim`: its vectors are cut to so many numbers. Vectors go through the cache: what was encoded before a run was cut
    off, or by another index, is not encoded again.
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
        remembering = cached(embedder.info, lambda: embedder, "passages")
        try:
            encode_pending(writer, lambda: remembering, IndexReport(target), progress)
        finally:
            remembering.close()
        writer.merge()


def with_dim(index: str, target: str, dim: int) -> None:
    """A copy of `index` at `target` whose vectors have `dim` numbers only."""
    copy_index(index, target)
    quantize(target, QuantizeOptions("float16", dim=dim, keep_original=False, max_loss=0.999))


def without_queries(index: str, target: str, questions: Sequence[Question], announce: Announce) -> list[Question]:
    """A copy of `index` at `target` in which the passages of `questions` lack the words of their queries.

    Returns the questions with the ids that their passages have there.
    """
    copy_index(index, target)
    changed = [question for question in questions if question.rest is not None]
    renumbered = [question for question in questions if question.rest is None]
    if not changed:
        return renumbered
    with IndexWriter(target) as writer:
        catalog = writer.catalog
        first = catalog.setting("next_chunk", 1)
        terms, rows, languages = [], [], set()
        for number, question in enumerate(changed, first):
            heading, text = question.rest or ((), "")
            row = catalog.connection.execute(
                "SELECT chunks.*, files.language FROM chunks JOIN files ON files.id = chunks.file_id"
                " WHERE chunks.id = ?",
                (question.chunk,),
            ).fetchone()
            chunk = Chunk(text, heading, row["page"], row["line_start"], row["line_end"], row["tokens"])
            terms.append(analyzer.analyze(chunk.encoded(), row["language"]))
            languages.add(row["language"])
            rows.append((number, row["file_id"], chunk.hash(), text, json.dumps(heading), *row[5:8], row["tokens"]))
            renumbered.append(Question(question.text, number, question.rest))
        built = postings.build(range(first, first + len(changed)), terms, tuple(sorted(languages)))
        name, files = writer.write_lexical(built)
        with writer.commit() as connection:
            writer.mark_dead([(question.chunk, 1) for question in changed])
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
