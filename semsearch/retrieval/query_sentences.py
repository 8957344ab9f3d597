"""Sentences of an index that could be queries: what it is measured with where nobody has written any."""

import random

from semsearch.retrieval.sentences import label_spans, sentence_spans
from semsearch.store.protocol import Snapshot

_FEWEST_WORDS = 4
_LONGEST = 300
# Where a language has no spaces, this many characters say what one word says elsewhere.
_CHARACTERS_A_WORD = 3


def held_out_queries(snapshot: Snapshot, count: int, seed: int = 1) -> list[str]:
    """Up to `count` sentences of passages of the index: texts whose vectors are near those of the index, and not in it.

    Fewer where the index holds fewer passages with a sentence of four words.
    """
    chance = random.Random(seed)
    queries: list[str] = []
    for passage in snapshot.shuffled(chance):
        candidates = query_sentences(passage.text)
        if candidates:
            queries.append(chance.choice(candidates))
        if len(queries) == count:
            break
    return queries


def query_sentences(text: str) -> list[str]:
    """The sentences of `text` that could be queries: four words or more, not a heading, not a page long."""
    labels = label_spans(text)
    spans = [
        (start, end)
        for start, end in sentence_spans(text)
        if not any(first <= start and end <= last for first, last in labels)
    ]
    return [text[start:end] for start, end in spans if has_query_length(text[start:end])]


def has_query_length(text: str) -> bool:
    """Whether `text` has the length of a query."""
    letters = sum(character.isalpha() for character in text)
    spaced = all(character.isascii() for character in text) or len(text.split()) * 12 > len(text)
    words = len(text.split()) if spaced else letters / _CHARACTERS_A_WORD
    return words >= _FEWEST_WORDS and letters * 2 > len(text) and len(text) <= _LONGEST
