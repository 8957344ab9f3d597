"""Queries made from an index itself, where nobody has written any."""

import random
import sqlite3
from collections.abc import Iterator

from semsearch.retrieval.sentences import label_spans, sentence_spans
from semsearch.storage.catalog import Catalog

_FEWEST_WORDS = 4
_LONGEST = 300
# Where a language has no spaces, this many characters say what one word says elsewhere.
_CHARACTERS_A_WORD = 3


def held_out_queries(catalog: Catalog, count: int, seed: int = 1) -> list[str]:
    """Up to `count` sentences of passages of the index: texts whose vectors are near those of the index, and not in it.

    Fewer where the index holds fewer passages with a sentence of four words.
    """
    chance = random.Random(seed)
    queries = []
    for chunk in _shuffled(catalog, chance):
        found = sentences(chunk["text"])
        if found:
            queries.append(chance.choice(found))
        if len(queries) == count:
            break
    return queries


def sentences(text: str) -> list[str]:
    """The sentences of `text` that could be queries: four words or more, not a heading, not a page long."""
    labels = label_spans(text)
    spans = [
        (start, end)
        for start, end in sentence_spans(text)
        if not any(first <= start and end <= last for first, last in labels)
    ]
    return [text[start:end] for start, end in spans if says_something(text[start:end])]


def says_something(text: str) -> bool:
    """Whether `text` has the length of a query."""
    letters = sum(character.isalpha() for character in text)
    spaced = all(character.isascii() for character in text) or len(text.split()) * 12 > len(text)
    words = len(text.split()) if spaced else letters / _CHARACTERS_A_WORD
    return words >= _FEWEST_WORDS and letters * 2 > len(text) and len(text) <= _LONGEST


def _shuffled(catalog: Catalog, chance: random.Random) -> Iterator[sqlite3.Row]:
    """The encoded passages of the index in random order, each once; it need not be gone through to its end."""
    last = catalog.setting("embedded_to", 0)
    seen: set[int] = set()
    misses = 0
    while misses < 200:  # nearly all have been seen
        row = catalog.connection.execute(
            "SELECT * FROM chunks WHERE id >= ? AND id <= ? AND file_id IS NOT NULL ORDER BY id LIMIT 1",
            (chance.randint(1, max(1, last)), last),
        ).fetchone()
        if row is None or row["id"] in seen:
            misses += 1
            continue
        misses = 0
        seen.add(row["id"])
        yield row
