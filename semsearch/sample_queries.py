"""Passages and sentences of an index, drawn at random, to search it with where no queries are at hand."""

import random
import sqlite3
from collections.abc import Iterator

from semsearch.retrieval.sentences import label_spans, sentence_spans
from semsearch.storage.catalog import Catalog

_FEWEST_WORDS = 4
_LONGEST = 300
# Where a language writes no spaces, this many characters say what one word says elsewhere.
_CHARACTERS_A_WORD = 3
# In random draws of passages: so many in a row that were drawn before mean that nearly all have been.
_MOST_MISSES = 200


def held_out_queries(catalog: Catalog, count: int, seed: int = 1) -> list[str]:
    """Up to `count` sentences of passages of the index: their vectors are near those of the index, and not in it.

    Fewer where the index holds fewer passages with a sentence of four words.
    """
    chance = random.Random(seed)
    queries: list[str] = []
    for row in shuffled_passages(catalog, chance):
        sentences = query_sentences(row["text"])
        if sentences:
            queries.append(chance.choice(sentences))
        if len(queries) == count:
            break
    return queries


def query_sentences(text: str) -> list[str]:
    """The sentences of `text` that could be queries: four words or more, at most 300 characters, no heading."""
    labels = label_spans(text)
    spans = [
        (start, end)
        for start, end in sentence_spans(text)
        if not any(first <= start and end <= last for first, last in labels)
    ]
    return [text[start:end] for start, end in spans if could_be_query(text[start:end])]


def could_be_query(text: str) -> bool:
    """Whether `text` has the length of a query, four words to 300 characters, and is mostly letters."""
    letters = sum(character.isalpha() for character in text)
    spaced = all(character.isascii() for character in text) or len(text.split()) * 12 > len(text)
    words = len(text.split()) if spaced else letters / _CHARACTERS_A_WORD
    return words >= _FEWEST_WORDS and letters * 2 > len(text) and len(text) <= _LONGEST


def shuffled_passages(catalog: Catalog, chance: random.Random) -> Iterator[sqlite3.Row]:
    """Rows of the encoded passages, of all where none is encoded, in random order, each at most once."""
    last = catalog.setting("embedded_to", 0) or catalog.setting("next_chunk", 1) - 1
    seen: set[int] = set()
    misses = 0
    while misses < _MOST_MISSES:
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
