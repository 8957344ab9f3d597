"""Queries with known answers over an index: from relevance judgements, or made from the index itself."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from semsearch.callbacks import Announce
from semsearch.errors import SemsearchError, UsageError
from semsearch.evaluation.index_copies import copy_without_queries
from semsearch.evaluation.labels import Beir, Qrels, file_name
from semsearch.evaluation.synthetic_queries import SyntheticQuery, synthetic_queries
from semsearch.indexing import IndexOptions, index_folders
from semsearch.indexing.options import Progress
from semsearch.plurals import agreeing, count_of
from semsearch.store.opening import read_index
from semsearch.store.protocol import Snapshot

# The kinds of questions that are made from an index.
MADE_KINDS = ("known-item", "paraphrase-like")


@dataclass(frozen=True)
class QuerySet:
    """Queries (id -> text) and what answers them (`qrels`: query id -> document id -> gain).

    `group`: what a search returns for it, `file` or `chunk`. `document(path, chunk id)`: the document id of a hit.
    """

    name: str
    queries: dict[str, str]
    qrels: Qrels
    group: str
    document: Callable[[str, int], str]


def index_of(beir: Beir, folder: str, announce: Announce) -> str:
    """Indexes the documents of `beir` in `folder`; returns the path of the index."""
    documents, index = os.path.join(folder, "documents"), os.path.join(folder, "index")
    announce(f"indexing {count_of(beir.write_documents(documents), 'document')} of {beir.folder}")
    index_folders([documents], index, IndexOptions(), Progress(announce=announce))
    return index


def labelled(index: str, name: str, queries: dict[str, str], qrels: Qrels, notices: list[str]) -> QuerySet:
    """The query set of `queries` with relevance judgements `qrels` over the files of `index`.

    Documents are named in `qrels` by their path as shown, their file name, or that without its suffix. What is left out
    is said in `notices`. Raises `UsageError` where nothing is judged, or no judged document is in the index.
    """
    if not queries:
        raise UsageError("no query has a judgement", "the ids of the queries file and of the qrels must be the same")
    wanted = {document for of_query in qrels.values() for document in of_query}
    files = {document: document for document in wanted} | {file_name(document): document for document in wanted}
    document_by_path: dict[str, str] = {}

    def document_of(path: str) -> str:
        name = os.path.basename(path)
        for known in (path, name, os.path.splitext(name)[0]):
            if known in files:
                return files[known]
        return path

    for path in read_index(index, _shown_paths):
        document_by_path[path] = document_of(path)
    twice = len(names := [document for document in document_by_path.values() if document in wanted]) - len(set(names))
    if twice:
        notices.append(
            f"{count_of(twice, 'more file')} {agreeing(twice, 'has', 'have')} the name of a judged document, too:"
            " qrels with paths tell them apart"
        )
    missing = len(wanted - set(names))
    if missing == len(wanted):
        said = agreeing(missing, "the judged document is not", f"none of the {missing:,} judged documents is")
        raise UsageError(
            f"{said} in the index",
            "name documents in the qrels by path, file name, or file name without suffix",
        )
    if missing:
        told, they = agreeing(missing, "is", "are"), agreeing(missing, "it counts", "they count")
        notices.append(f"{missing:,} of {len(wanted):,} judged documents {told} not in the index: {they} as not found")
    judged = {
        query: of_query
        for query, of_query in qrels.items()
        if query in queries and any(gain > 0 for gain in of_query.values())
    }
    if len(judged) < len(queries):
        without = len(queries) - len(judged)
        have, they = agreeing(without, "has", "have"), agreeing(without, "it is", "they are")
        notices.append(f"{count_of(without, 'query')} {have} no relevant document: {they} left out")
    return QuerySet(name, queries, judged, "file", lambda path, chunk: document_by_path.get(path, path))


def _shown_paths(snapshot: Snapshot) -> list[str]:
    """The path, as it is shown, of every indexed file."""
    info = snapshot.info()
    return [info.shown_path(file.root_id, file.path) for file in snapshot.files() if file.status == "indexed"]


def synthetic(
    index: str, folder: str, count: int, announce: Announce, notices: list[str]
) -> tuple[str, list[QuerySet]]:
    """Up to `count` queries of each kind made from `index`: (the copy of it in `folder` to search, the query sets).

    Raises `SemsearchError` where none can be made.
    """
    known_items, paraphrases = read_index(index, lambda snapshot: synthetic_queries(snapshot, count))
    if not known_items and not paraphrases:
        raise SemsearchError(
            f"the passages of {index} are too short to make questions from",
            "bring queries and qrels of your own: --queries FILE --qrels FILE",
            code="no_queries",
        )
    announce(f"made {len(known_items):,} known-item and {count_of(len(paraphrases), 'paraphrase-like question')}")
    copy = os.path.join(folder, "questions")
    asked = copy_without_queries(index, copy, paraphrases, announce)
    sets = [_of_passages(kind, made) for kind, made in zip(MADE_KINDS, (known_items, asked), strict=True)]
    for one in sets:
        if 0 < len(one.queries) < count:
            notices.append(f"only {count_of(len(one.queries), f'{one.name} question')} could be made")
    notices.append("questions made from the documents themselves: they compare settings, they do not grade the index")
    return copy, [one for one in sets if one.queries]


def _of_passages(name: str, queries: Sequence[SyntheticQuery]) -> QuerySet:
    return QuerySet(
        name,
        {str(number): query.text for number, query in enumerate(queries, 1)},
        {str(number): {str(query.chunk): 1} for number, query in enumerate(queries, 1)},
        "chunk",
        lambda path, chunk: str(chunk),
    )
