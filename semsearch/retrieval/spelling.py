"""Words of a query that the index does not hold: what was meant may be a word that it holds."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from string import ascii_lowercase
from typing import TYPE_CHECKING

from semsearch.lexical.analyzer import query_words
from semsearch.lexical.query_word import Key, Word
from semsearch.lexical.words import is_unspaced, lower, words_of

if TYPE_CHECKING:
    from semsearch.store.protocol import Snapshot

# Shorter stems have too many neighbours.
_FEWEST_LETTERS = 5
# From this length on two edits are a slip, too.
_TWO_EDITS = 8
# A slip in the ending of a word changes where its stem ends: implementaiton.
_LETTERS_OF_ENDING = 7
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
    corrections: list[Correction] = []
    for typed, group in unknown_words(snapshot, text, words).items():
        is_hash = _ABBREVIATED_HASH.fullmatch(typed.lower()) is not None
        keys = (
            snapshot.completions(["\x1f" + typed.lower()], _MOST_HASHES)
            if is_hash
            else []
            if is_word(typed)
            else _meant(snapshot, typed, group)
        )
        if not keys:
            continue
        meant = tuple(Key(key, _WEIGHT) for key in keys)
        words = [meant if word == group else word for word in words]
        if not is_hash:
            corrections.append(Correction(typed, tuple(keys)))
    return words, corrections


def unknown_words(snapshot: Snapshot, text: str, words: Sequence[Word]) -> dict[str, Word]:
    """The words of the query `text` that no passage holds, as they are typed, with their keys, which are of `words`."""
    if not words:
        return {}
    unknown = {word for word, count in zip(words, snapshot.frequencies(words).tolist(), strict=True) if not count}
    languages = snapshot.languages()
    groups = {typed: query_words(typed, languages) for typed in words_of(text)} if unknown else {}
    return {typed: own[0] for typed, own in groups.items() if len(own) == 1 and own[0] in unknown}


def _meant(snapshot: Snapshot, typed: str, group: Word) -> list[str]:
    """The term keys that may be meant by `typed`, whose keys are `group`."""
    if is_unspaced(typed) or not typed.isalpha():
        return []
    exact = [key.text for key in group if key.weight == 1.0]
    letters = min((len(key.rpartition("\x1f")[2]) for key in exact), default=0)
    if letters < _FEWEST_LETTERS:
        return []
    near = snapshot.similar(exact, 2 if letters >= _TWO_EDITS else 1, _MOST_TERMS)
    return near or (_by_ending(snapshot, lower(typed)) if letters >= _TWO_EDITS else [])


def _by_ending(snapshot: Snapshot, typed: str) -> list[str]:
    """The term keys of the words that `typed` may be with one slip in its ending."""
    languages = snapshot.languages()
    keys = {
        key.text: (key,)
        for other in _other_endings(typed)
        for key in query_words(other, languages)[0]
        if key.weight == 1.0
    }
    counts = snapshot.frequencies(list(keys.values())).tolist()
    held = sorted((-count, key) for key, count in zip(keys, counts, strict=True) if count)
    return [key for _, key in held[:_MOST_TERMS]]


def _other_endings(typed: str) -> Iterator[str]:
    """`typed` with two letters swapped, or one left out, put in or changed, near its end."""
    for at in range(len(typed) - _LETTERS_OF_ENDING, len(typed)):
        before, letter, after = typed[:at], typed[at], typed[at + 1 :]
        yield before + after
        yield before + after[:1] + letter + after[1:]
        for other in ascii_lowercase:
            yield before + other + after
            yield before + other + letter + after
