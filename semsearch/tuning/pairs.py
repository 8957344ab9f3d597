"""Pairs of a question and a text that answers it, to train a model with: known ones, and ones made from passages."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from semsearch.chunking.chunk import encoded
from semsearch.evaluation.synthetic_queries import heading_query, without_labels
from semsearch.retrieval.query_sentences import query_sentences
from semsearch.store.protocol import Snapshot
from semsearch.store.records import Passage
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
    text_of = encoded_texts(snapshot, {int(ids[row]) for rows in training_set.right for row, _ in rows})
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
    sections = _Sections(snapshot)
    for passage in snapshot.shuffled(random.Random(seed)):
        if len(pairs) == count:
            break
        if passage.id in without:
            continue
        ways = (_by_heading, _by_first_sentence)
        pair = next((one for way in ways if (one := way(passage.heading, passage.text))), None)
        if pair is None or query_key(pair[0]) in asked:
            continue
        asked.add(query_key(pair[0]))
        pairs.append(Pair(*pair, passage.id, sections.around(passage)))
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

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        # File id -> heading path, or the beginning of one -> ids of the chunks under it.
        self._sections: dict[int, dict[tuple[str, ...], set[int]]] = {}

    def around(self, passage: Passage) -> frozenset[int]:
        """Ids of the chunk, of its neighbours, and of the chunks of its file under the same heading path."""
        if passage.file.id not in self._sections:
            sections = self._sections[passage.file.id] = {}
            for other in self._snapshot.passages_of(passage.file.id):
                for depth in range(1, len(other.heading) + 1):
                    sections.setdefault(other.heading[:depth], set()).add(other.id)
        near = {other.id for other in self._snapshot.neighbours(passage.id, 1)}
        return frozenset(near | self._sections[passage.file.id].get(passage.heading, set()))


def chunks_sharing_lines(snapshot: Snapshot, chunks: Iterable[int]) -> frozenset[int]:
    """Ids of the chunks that hold a line of one of `chunks`; where lines are unknown, all chunks of its file."""
    of_file: dict[int, list[Passage]] = {}
    for passage in snapshot.passages(sorted(chunks)):
        of_file.setdefault(passage.file.id, []).append(passage)
    return frozenset(
        other.id
        for file_id, own in of_file.items()
        for other in snapshot.passages_of(file_id)
        if any(_share_lines(one, other) for one in own)
    )


def _share_lines(one: Passage, other: Passage) -> bool:
    if one.line_start is None or other.line_start is None or one.line_end is None or other.line_end is None:
        return True
    return other.line_start <= one.line_end and one.line_start <= other.line_end


def encoded_texts(snapshot: Snapshot, ids: set[int]) -> dict[int, str]:
    """Chunk id -> text, as the index encodes it, of the chunks `ids`."""
    return {one.id: encoded(one.heading, one.text) for one in snapshot.passages(sorted(ids))}
