"""Where the questions with known answers come from that are learnt from and judged by."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from semsearch.answering.llm import LlmSettings
from semsearch.callbacks import Announce
from semsearch.embedding.open import open_recorded
from semsearch.errors import UsageError
from semsearch.evaluation.labels import Beir, Qrels, numbered_lines
from semsearch.evaluation.query_sets import QuerySet, labelled, synthetic
from semsearch.plurals import agreeing, count_of
from semsearch.store.opening import read_index
from semsearch.store.protocol import Snapshot
from semsearch.tuning.query_generation import generate_queries
from semsearch.tuning.training_set import all_vectors, trainable_model

# Least cosine of a text and the passage it is taken to be, or to be most of.
_SAME_TEXT = 0.7
# How many texts are compared with all passages at once.
_BLOCK = 256


@dataclass(frozen=True)
class QuestionSource:
    """The source of questions: the first of these that is given.

    A `beir` folder; `queries` (id -> text) with `qrels`; `pairs` of a question and a text that answers it; the chat
    model `llm`, which writes `questions` of them; else `questions` of each kind are made from the index.
    """

    beir: str | None = None
    pairs: tuple[tuple[str, str], ...] = ()
    queries: dict[str, str] = field(default_factory=dict)
    qrels: Qrels = field(default_factory=dict)
    llm: LlmSettings | None = None
    questions: int = 200

    @property
    def is_synthetic(self) -> bool:
        """Whether the questions are made from the index."""
        return self.beir is None and not self.qrels and not self.pairs and self.llm is None


def collect_questions(
    index: str, source: QuestionSource, folder: str, announce: Announce, notices: list[str]
) -> tuple[str, list[QuerySet]]:
    """(the index to search, the query sets): `index`, or a copy in `folder` where the queries were made from it.

    Questions that an LLM writes are kept in `folder`, for a later run to go on. What is left out is said in `notices`.
    Raises `SemsearchError`.
    """
    if source.beir is not None:
        beir = Beir.open(source.beir)
        return index, [labelled(index, "labelled", beir.queries, beir.qrels, notices)]
    if source.qrels:
        queries = {number: text for number, text in source.queries.items() if number in source.qrels}
        return index, [labelled(index, "labelled", queries, source.qrels, notices)]
    if source.pairs:
        return index, [_of_pairs(index, source.pairs, announce, notices)]
    if source.llm is not None:
        pairs = generate_queries(index, source.llm, source.questions, folder, announce, notices)
        return index, [_of_chunks(source.llm.model, pairs)]
    # In the copy, passages lack the questions that were made from them.
    return synthetic(index, folder, source.questions, announce, notices)


def read_pairs(path: str) -> tuple[tuple[str, str], ...]:
    """The (query, positive) pairs in a file of JSON lines. Raises `UsageError` for another line, or none."""
    pairs = []
    for number, line in numbered_lines(path):
        try:
            record = json.loads(line)
            query, positive = record.get("query"), record.get("positive")
            if not (isinstance(query, str) and isinstance(positive, str) and query.strip() and positive.strip()):
                raise ValueError("query or positive is missing, empty or no text")
            (query + positive).encode()  # raises for a lone surrogate, which no model reads
        except (ValueError, AttributeError) as error:
            what = error.msg if isinstance(error, json.JSONDecodeError) else error
            raise UsageError(
                f"{path}, line {number}: not a pair: {what}", 'write {"query": "...", "positive": "..."} a line'
            ) from None
        pairs.append((query, positive))
    if not pairs:
        raise UsageError(f"{path} holds no pairs", 'write {"query": "...", "positive": "..."} a line')
    return tuple(pairs)


def _of_pairs(index: str, pairs: Sequence[tuple[str, str]], announce: Announce, notices: list[str]) -> QuerySet:
    """The query set of `pairs`: each question is answered by the passage of the index nearest to its text."""
    texts = [positive for _, positive in pairs]
    nearest = read_index(index, lambda snapshot: _nearest(snapshot, texts, announce))
    known = [(query, chunk) for (query, _), (chunk, cosine) in zip(pairs, nearest, strict=True) if cosine >= _SAME_TEXT]
    if len(known) < len(pairs):
        unknown = len(pairs) - len(known)
        are = agreeing(unknown, "is", "are")
        notices.append(f"{unknown:,} of {count_of(len(pairs), 'text')} {are} no passage of the index: left out")
    return _of_chunks("pairs", known)


def _of_chunks(name: str, pairs: Sequence[tuple[str, int]]) -> QuerySet:
    """The query set of `pairs` of a question and the id of a chunk that answers it."""
    queries: dict[str, str] = {}
    qrels: Qrels = {}
    numbers: dict[str, str] = {}
    for query, chunk in pairs:  # a question may have several answers
        number = numbers.setdefault(query, str(len(numbers) + 1))
        queries[number] = query
        qrels.setdefault(number, {})[str(chunk)] = 1
    return QuerySet(name, queries, qrels, "chunk", lambda path, chunk: str(chunk))


def _nearest(snapshot: Snapshot, texts: list[str], announce: Announce) -> list[tuple[int, float]]:
    """(chunk id, cosine) of the passage nearest to each of `texts`."""
    embedder = open_recorded(trainable_model(snapshot), announce)
    ids, passages = all_vectors(snapshot)
    nearest: list[tuple[int, float]] = []
    for start in range(0, len(texts), _BLOCK):
        cosines = embedder.encode(texts[start : start + _BLOCK]) @ passages.T
        best = cosines.argmax(axis=1)
        nearest += [(int(ids[row]), float(cosines[number, row])) for number, row in enumerate(best)]
    return nearest
