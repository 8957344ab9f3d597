"""Pairs of a question and the passage that answers it, to train a model with: from known questions, and made ones."""

import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from semsearch.chunking.splitter import encoded
from semsearch.evaluation.synthetic_queries import heading_query, without_labels
from semsearch.sample_queries import query_sentences, shuffled_passages
from semsearch.storage.catalog import Catalog
from semsearch.storage.snapshot import Snapshot
from semsearch.tuning.lesson import Lesson

_FEWEST_WORDS = 2
# What must be left of a passage without the words that ask for it.
_SHORTEST_ANSWER = 80


@dataclass(frozen=True)
class Pair:
    """`positive`: the text that answers `query`, as the index encodes it, from the chunk `chunk`.

    `answering`: chunks that answer it, too, or may: none of them is a negative.
    """

    query: str
    positive: str
    chunk: int
    answering: frozenset[int]


def known_pairs(snapshot: Snapshot, lesson: Lesson, queries: Sequence[str]) -> list[Pair]:
    """The pairs of the questions of `lesson`, whose texts are `queries`, one for each document that answers."""
    text_of = texts(snapshot.catalog, {int(lesson.ids[row]) for found in lesson.right for row, _ in found})
    return [
        Pair(query, text_of[chunk], chunk, answering)
        for query, found, answering in zip(queries, lesson.right, lesson.answering, strict=True)
        for row, _ in found
        if (chunk := int(lesson.ids[row])) in text_of
    ]


def made_pairs(
    snapshot: Snapshot, count: int, without: frozenset[int], queries: Iterable[str], seed: int = 2
) -> list[Pair]:
    """Up to `count` pairs made from passages other than `without`, with other questions than `queries`.

    A heading and its section, a title and the body, the first sentence and the rest (the inverse cloze task, Lee et al.
    2019, "Latent retrieval", section 4).
    """
    found: list[Pair] = []
    asked = {folded(query) for query in queries}
    families = _Families(snapshot.catalog)
    for row in shuffled_passages(snapshot.catalog, random.Random(seed)):
        if len(found) == count:
            break
        if row["id"] in without:
            continue
        heading = tuple(json.loads(row["heading"]))
        pair = next((one for way in (_by_heading, _by_first_sentence) if (one := way(heading, row["text"]))), None)
        if pair is None or folded(pair[0]) in asked:
            continue
        asked.add(folded(pair[0]))
        found.append(Pair(*pair, row["id"], families.of(row["id"], row["file_id"], heading)))
    return found


def folded(query: str) -> str:
    """What is the same for questions that differ in case and spaces only."""
    return " ".join(query.casefold().split())


def _by_heading(heading: tuple[str, ...], text: str) -> tuple[str, str] | None:
    """The heading asks for its section, which is then read without it; the title alone for the body."""
    if not heading:
        return None
    asked, text = heading_query(heading), without_labels(text)
    above = heading[:-1] if asked == heading[-1] else heading[:-2]
    return _checked(asked, encoded(above, text), text)


def _by_first_sentence(heading: tuple[str, ...], text: str) -> tuple[str, str] | None:
    found = query_sentences(text)
    if not found:
        return None
    rest = text.replace(found[0], " ")
    return _checked(" ".join(found[0].split()), encoded(heading, rest.strip()), rest)


def _checked(asked: str, positive: str, rest: str) -> tuple[str, str] | None:
    asked = asked.strip()
    says = len(asked.split()) >= _FEWEST_WORDS or (len(asked) >= 4 and not asked.isascii())
    return (asked, positive) if says and len(rest.strip()) >= _SHORTEST_ANSWER else None


class _Families:
    """Which passages may answer what a passage answers: its neighbours, and those of the same section."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._sections: dict[int, dict[tuple[str, ...], set[int]]] = {}

    def of(self, chunk: int, file_id: int, heading: tuple[str, ...]) -> frozenset[int]:
        if file_id not in self._sections:
            sections = self._sections[file_id] = {}
            for row in self._catalog.connection.execute("SELECT id, heading FROM chunks WHERE file_id = ?", (file_id,)):
                path = tuple(json.loads(row["heading"]))
                for depth in range(1, len(path) + 1):
                    sections.setdefault(path[:depth], set()).add(row["id"])
        return frozenset({chunk - 1, chunk, chunk + 1} | self._sections[file_id].get(heading, set()))


def overlapping(snapshot: Snapshot, chunks: Iterable[int]) -> frozenset[int]:
    """The passages that hold lines of `chunks`; where lines are unknown, all of the file."""
    rows = snapshot.catalog.connection.execute(
        "SELECT other.id FROM chunks AS one JOIN chunks AS other ON other.file_id = one.file_id"
        " WHERE one.id IN (SELECT value FROM json_each(?)) AND (one.line_start IS NULL OR other.line_start IS NULL"
        " OR (other.line_start <= one.line_end AND one.line_start <= other.line_end))",
        (json.dumps(sorted(chunks)),),
    )
    return frozenset(row["id"] for row in rows)


def texts(catalog: Catalog, ids: set[int]) -> dict[int, str]:
    """The texts of the chunks `ids`, as the index encodes them."""
    rows = catalog.connection.execute(
        "SELECT id, heading, text FROM chunks WHERE id IN (SELECT value FROM json_each(?))", (json.dumps(sorted(ids)),)
    )
    return {row["id"]: encoded(tuple(json.loads(row["heading"])), row["text"]) for row in rows}
