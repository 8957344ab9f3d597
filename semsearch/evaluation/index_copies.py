"""Copies of an index that differ from it in one thing: the model, the length of the vectors, or some passages."""

from collections.abc import Sequence
from dataclasses import replace

from semsearch.callbacks import Announce
from semsearch.chunking.chunk import Chunk
from semsearch.embedding.open import open_model, open_recorded
from semsearch.embedding.resolve import resolve
from semsearch.embedding.sparse_model import open_recorded_sparse
from semsearch.evaluation.synthetic_queries import SyntheticQuery
from semsearch.index_report import IndexReport
from semsearch.indexing.encode import encode_pending
from semsearch.indexing.encode_sparse import encode_pending_sparse
from semsearch.indexing.options import Progress
from semsearch.lexical.document_terms import DocumentTerms
from semsearch.maintenance.quantization import QuantizeOptions, quantize
from semsearch.store.opening import clone_index
from semsearch.store.vector_cache import cached


def copy_with_model(index: str, target: str, name: str, progress: Progress, dim: int | None = None) -> None:
    """Copies `index` to `target` and encodes its passages by the model `name`, in the vector format of a new index.

    `dim`: the length its vectors are truncated to. Vectors are looked up in and written to the cache: what was encoded
    before an interruption, or for another index, is not encoded again.
    """
    source = resolve(name, dim)
    with clone_index(index, target).write() as writer:
        embedder = open_model(source, progress.announce)
        with writer.transaction() as transaction:
            transaction.drop_vectors()
            transaction.update(replace(writer.snapshot().info(), model_name=name))
        cached_embedder = cached(embedder.info, lambda: embedder, "passages", progress.announce)
        try:
            encode_pending(writer, lambda: cached_embedder, IndexReport(target), progress)
        finally:
            cached_embedder.close()
        writer.maintain()


def copy_with_dim(index: str, target: str, dim: int) -> None:
    """Copies `index` to `target` and projects its vectors to `dim` numbers (`maintenance.quantization`)."""
    clone_index(index, target)
    quantize(target, QuantizeOptions("float16", dim=dim, keep_original=False, max_loss=0.999))


def copy_without_queries(
    index: str, target: str, queries: Sequence[SyntheticQuery], announce: Announce
) -> list[SyntheticQuery]:
    """Copies `index` to `target` and replaces the passages of `queries` there by their `rest`.

    Returns the queries with the ids that their passages have in the copy.
    """
    store = clone_index(index, target)
    changed = [query for query in queries if query.rest is not None]
    renumbered = [query for query in queries if query.rest is None]
    if not changed:
        return renumbered
    with store.write() as writer:
        snapshot = writer.snapshot()
        passages = snapshot.passages([query.chunk for query in changed])
        replaced = []
        for query, old in zip(changed, passages, strict=True):
            heading, text = query.rest or ((), "")
            chunk = Chunk(text, heading, old.page, old.line_start, old.line_end, old.tokens)
            terms = DocumentTerms.of_indexed(old.file)
            # The names of a document stand in its first passage, which must not be found by the query.
            is_first = old.is_first and not terms.is_named(query.text)
            replaced.append((query.chunk, chunk, terms.of(heading, text, is_first)))
        with writer.transaction() as transaction:
            numbers = transaction.replace_passages(replaced)
        model, sparse = snapshot.info().model, snapshot.info().sparse
        progress = Progress(announce=announce)
        if sparse is not None:
            encode_pending_sparse(writer, lambda: open_recorded_sparse(sparse), IndexReport(target), progress)
        if model is not None:
            encode_pending(writer, lambda: open_recorded(model, announce), IndexReport(target), progress)
        writer.maintain()
    new = [SyntheticQuery(query.text, number, query.rest) for query, number in zip(changed, numbers, strict=True)]
    return renumbered + new
