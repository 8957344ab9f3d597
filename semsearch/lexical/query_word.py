"""A word of a query as scorers and stores know it: the term keys that stand for it."""

from collections.abc import Sequence
from typing import NamedTuple


class Key(NamedTuple):
    """A term key; `weight`, above 0 and at most 1: how much a passage that holds it counts as holding the word."""

    text: str
    weight: float = 1.0


# The keys of one word, any of which counts as the word; of several that a passage holds, the one that gives most.
Word = tuple[Key, ...]


def numbers_by_key(words: Sequence[Word]) -> dict[str, list[int]]:
    """Term key -> the numbers of the words of a query that have it."""
    numbers: dict[str, list[int]] = {}
    for number, word in enumerate(words):
        for key in word:
            numbers.setdefault(key.text, []).append(number)
    return numbers
