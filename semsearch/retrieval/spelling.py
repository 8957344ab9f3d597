"""Words of a query that the index does not hold: what was meant may be a word that it holds."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from semsearch.lexical.analyzer import query_words
from semsearch.lexical.query_word import Key, Word
from semsearch.lexical.words import is_unspaced, words_of

if TYPE_CHECKING:
    from semsearch.store.protocol import Snapshot

# Shorter words have too many neighbours.
_FEWEST_LETTERS = 5
# From this length on two edits are a slip, too.
_TWO_EDITS = 8
_MOST_TERMS = 5
# How much a passage with the word that was meant counts, compared with one that holds what was typed.
_WEIGHT = 0.8
_ABBREVIATED_HASH = re.compile(r"(?=[a-f]*\d)[0-9a-f]{7,64}")
_MOST_HASHES = 20


@dataclass(frozen=True)
class Correction:
    """`typed`: a word that no passage holds; `keys`: terms that were searched in its place."""

    typed: str
    keys: tuple[str, ...]


def corrected(
    snapshot: Snapshot, text: str, words: Sequence[Word], is_word: Callable[[str], bool]
) -> tuple[list[Word], list[Correction]]:
    """`words`, those of the query `text`, with the nearest terms for what occurs nowhere; and what was changed.

    A word that the model knows (`is_word`) is meant as it is. The beginning of a hash stands for the whole.
    """
    words = list(words)
    if not words:
        return words, []
    unknown = {word for word, count in zip(words, snapshot.frequencies(words).tolist(), strict=True) if not count}
    corrections: list[Correction] = []
    languages = snapshot.languages()
    for typed in dict.fromkeys(words_of(text)) if unknown else ():
        groups = query_words(typed, languages)
        if len(groups) != 1 or groups[0] not in unknown:
            continue
        keys = _meant(snapshot, typed, groups[0], is_word)
        if not keys:
            continue
        meant = tuple(Key(key, _WEIGHT) for key in keys)
        words = [meant if word == groups[0] else word for word in words]
        if not _ABBREVIATED_HASH.fullmatch(typed.lower()):
            corrections.append(Correction(typed, tuple(keys)))
    return words, corrections


def _meant(snapshot: Snapshot, typed: str, group: Word, is_word: Callable[[str], bool]) -> list[str]:
    """The term keys that may be meant by `typed`, whose keys are `group`."""
    if _ABBREVIATED_HASH.fullmatch(typed.lower()):
        return snapshot.completions(["\x1f" + typed.lower()], _MOST_HASHES)
    letters = len(typed)
    if letters < _FEWEST_LETTERS or is_unspaced(typed) or not typed.isalpha() or is_word(typed):
        return []
    exact = [key.text for key in group if key.weight == 1.0]
    return snapshot.similar(exact, 2 if letters >= _TWO_EDITS else 1, _MOST_TERMS)
