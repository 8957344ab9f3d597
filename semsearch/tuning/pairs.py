"""Pairs of a question and a text that answers it, to train a model with: known ones, and ones made from passages."""

import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from semsearch.chunking.splitter import encoded
from semsearch.evaluation.synthetic_queries import heading_query, without_labels
from semsearch.sample_queries import query_sentences, shuffled_passages
from semsearch.storage.catalog import Catalog
from semsearch.storage.snapshot import Snapshot
from semsearch.tuning.training_set import TrainingSet

_FEWEST_WORDS = 2
# Characters that must be left of a passage without the words of the question.
_SHORTEST_ANSWER = 80


@dataclass(frozen=True)
class Pair:
    """`positive`, from the chunk with the id `chunk`, answers `query`; it is text as the index encodes it.

    `answering`: ids of the chunks that answer or may answer it: none of them is a negative.
    """

    query: str
    positive: str
    chunk: int
    answering: frozenset[int]


def known_pairs(snapshot: Snapshot, training_set: TrainingSet, queries: Sequence[str]) -> list[Pair]:
    """The pairs of `training_set`, one for each document that answers; `queries`: the texts of its questions."""
    ids = training_set.ids
    text_of = encoded_texts(snapshot.catalog, {int(ids[row]) for rows in training_set.right for row, _ in rows})
    return [
        Pair(query, text_of[chunk], chunk, answering)
        for query, rows, answering in zip(queries, training_set.right, training_set.answering, strict=True)
        for row, _ in rows
        if (chunk := int(ids[row])) in text_of
    ]


def synthetic_pairs(
    snapshot: Snapshot, count: int, without: frozenset[int], queries: Iterable[str], seed: int = 2
) -> list[Pair]:
    """Up to `count` pairs made from passages other than the chunks `without`, with other questions than `queries`.

    A heading and its section, a title and the body, or the first sentence and the rest (the inverse cloze task, Lee et
    al. 2019, "Latent retrieval", section 4).
    """
    pairs: list[Pair] = []
    asked = {query_key(query) for query in queries}
    sections = _Sections(snapshot.catalog)
    for row in shuffled_passages(snapshot.catalog, random.Random(seed)):
        if len(pairs) == count:
            break
        if row["id"] in without:
            continue
        heading = tuple(json.loads(row["heading"]))
        pair = next((one for way in (_by_heading, _by_first_sentence) if (one := way(heading, row["text"]))), None)
        if pair is None or query_key(pair[0]) in asked:
            continue
        asked.add(query_key(pair[0]))
        pairs.append(Pair(*pair, row["id"], sections.around(row["id"], row["file_id"], heading)))
    return pairs


def query_key(query: str) -> str:
    """A text that is equal for questions that differ only in case and white space."""
    return " ".join(query.casefold().split())


def _by_heading(heading: tuple[str, ...], text: str) -> tuple[str, str] | None:
    """(question, positive): the heading, and its section without it; None where too little is left."""
    if not heading:
        return None
    asked, text = heading_query(heading), without_labels(text)
    above = heading[:-1] if asked == heading[-1] else heading[:-2]
    return _checked(asked, encoded(above, text), text)


def _by_first_sentence(heading: tuple[str, ...], text: str) -> tuple[str, str] | None:
    """(question, positive): the first sentence, and the passage without it; None where too little is left."""
    sentences = query_sentences(text)
    if not sentences:
        return None
    rest = text.replace(sentences[0], " ")
    return _checked(" ".join(sentences[0].split()), encoded(heading, rest.strip()), rest)


def _checked(asked: str, positive: str, rest: str) -> tuple[str, str] | None:
    """(`asked`, `positive`), where the question and the `rest` of the passage are long enough."""
    asked = asked.strip()
    long_enough = len(asked.split()) >= _FEWEST_WORDS or (len(asked) >= 4 and not asked.isascii())
    return (asked, positive) if long_enough and len(rest.strip()) >= _SHORTEST_ANSWER else None


class _Sections:
    """The chunks around a chunk: its neighbours, and those of the same section, which may answer what it answers."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._sections: dict[int, dict[tuple[str, ...], set[int]]] = {}

    def around(self, chunk: int, file_id: int, heading: tuple[str, ...]) -> frozenset[int]:
        """Ids of `chunk`, of its neighbours, and of the chunks of its file under the same `heading` path."""
        if file_id not in self._sections:
            sections = self._sections[file_id] = {}
            for row in self._catalog.connection.execute("SELECT id, heading FROM chunks WHERE file_id = ?", (file_id,)):
                path = tuple(json.loads(row["heading"]))
                for depth in range(1, len(path) + 1):
                    sections.setdefault(path[:depth], set()).add(row["id"])
        return frozenset({chunk - 1, chunk, chunk + 1} | self._sections[file_id].get(heading, set()))


def chunks_sharing_lines(snapshot: Snapshot, chunks: Iterable[int]) -> frozenset[int]:
    """Ids of the chunks that hold a line of one of `chunks`; where lines are unknown, all chunks of its file."""
    rows = snapshot.catalog.connection.execute(
        "SELECT other.id FROM chunks AS one JOIN chunks AS other ON other.file_id = one.file_id"
        " WHERE one.id IN (SELECT value FROM json_each(?)) AND (one.line_start IS NULL OR other.line_start IS NULL"
        " OR (other.line_start <= one.line_end AND one.line_start <= other.line_end))",
        (json.dumps(sorted(chunks)),),
    )
    return frozenset(row["id"] for row in rows)


def encoded_texts(catalog: Catalog, ids: set[int]) -> dict[int, str]:
    """Chunk id -> text, as the index encodes it, of the chunks `ids`."""
    rows = catalog.connection.execute(
        "SELECT id, heading, text FROM chunks WHERE id IN (SELECT value FROM json_each(?))", (json.dumps(sorted(ids)),)
    )
    return {row["id"]: encoded(tuple(json.loads(row["heading"])), row["text"]) for row in rows}
