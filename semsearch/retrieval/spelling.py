"""Words of a query that the index does not hold: what was meant may be a word that it holds."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from semsearch.lexical.analyzer import query_words, written_keys
from semsearch.lexical.forms import form_of
from semsearch.lexical.query_word import Key, Word
from semsearch.lexical.term_key import SEPARATOR, parted
from semsearch.lexical.words import is_unspaced, lower, words_of

if TYPE_CHECKING:
    from semsearch.store.protocol import Snapshot

# Shorter words have too many neighbours.
_FEWEST_LETTERS = 5
# From this length on two edits are a slip, too.
_TWO_EDITS = 8
# Terms that are near, and words of these that are searched.
_NEAR_TERMS = 50
_MOST_WORDS = 3
# A longer query with more unknown words is a text in another language, or a log.
_MOST_UNKNOWN = 8
# How much a passage with the word that was meant counts, compared with one that holds what was typed.
_WEIGHT = 0.8
_ABBREVIATED_HASH = re.compile(r"(?=[a-f]*\d)[0-9a-f]{7,64}")
_MOST_HASHES = 20


@dataclass(frozen=True)
class Correction:
    """`typed`: a word that no passage holds; `meant`: words that were searched in its place."""

    typed: str
    meant: tuple[str, ...]


def corrected(
    snapshot: Snapshot, text: str, words: Sequence[Word], is_word: Callable[[str], bool]
) -> tuple[list[Word], list[Correction]]:
    """`words`, those of the query `text`, with the nearest words for what occurs nowhere; and what was changed.

    A word that the model knows (`is_word`) is meant as it is. The beginning of a hash stands for the whole.
    """
    words = list(words)
    corrections: list[Correction] = []
    unknown = unknown_words(snapshot, text, words)
    for typed, group in unknown.items() if len(unknown) <= _MOST_UNKNOWN else ():
        if _ABBREVIATED_HASH.fullmatch(typed.lower()):
            hashes = snapshot.completions([SEPARATOR + typed.lower()], _MOST_HASHES)
            keys = tuple(Key(key, _WEIGHT) for key in hashes)
        else:
            meant = () if is_word(typed) else _meant(snapshot, lower(typed))
            languages = snapshot.languages()
            groups = (query_words(word, languages)[0] for word in meant)
            keys = tuple(key._replace(weight=key.weight * _WEIGHT) for own in groups for key in own)
            corrections += [Correction(typed, meant)] if meant else []
        if keys:
            words = [keys if word == group else word for word in words]
    return words, corrections


def unknown_words(snapshot: Snapshot, text: str, words: Sequence[Word]) -> dict[str, Word]:
    """The words of the query `text` that no passage holds, as they are typed, with their keys, which are of `words`."""
    if not words:
        return {}
    unknown = {word for word, count in zip(words, snapshot.frequencies(words).tolist(), strict=True) if not count}
    languages = snapshot.languages()
    groups = {typed: query_words(typed, languages) for typed in words_of(text)} if unknown else {}
    return {typed: own[0] for typed, own in groups.items() if len(own) == 1 and own[0] in unknown}


def _meant(snapshot: Snapshot, typed: str) -> tuple[str, ...]:
    """The words of the index that may be meant by `typed`: the nearest, the most frequent first.

    Of words that are as near, those are meant that have the same letters, as most slips swap, double or forget one of
    two: `acount` is account, not amount.
    """
    from rapidfuzz.distance import OSA

    if is_unspaced(typed) or not typed.isalpha() or len(typed) < _FEWEST_LETTERS:
        return ()
    distance = 2 if len(typed) >= _TWO_EDITS else 1
    keys = snapshot.similar(written_keys(form_of(typed)), distance, _NEAR_TERMS)
    near = dict.fromkeys(word for _, word in map(parted, keys) if word.isalpha())
    ranks = {word: (OSA.distance(typed, word), set(word) != set(typed)) for word in near}
    return tuple(word for word in near if ranks[word] == min(ranks.values()))[:_MOST_WORDS]
