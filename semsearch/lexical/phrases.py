"""Whether a phrase stands in a text as it is written, and where.

Words are compared in lower case and without accents, compounds by what stands between their hyphens and dots, numbers
by their value, and scripts without spaces by character. A text is read in two ways: strictly, and loosely, where
"1 000" is two numbers, "Anna's" is Anna, and "Müller" is Mueller.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

from semsearch.lexical.analyzer import written_group
from semsearch.lexical.folding import folded
from semsearch.lexical.forms import Form, apostrophe_pieces, form_of, forms_of, is_elided, number_in, segments_of
from semsearch.lexical.markup import without_markup
from semsearch.lexical.query_word import Key, Word
from semsearch.lexical.term_key import SEPARATOR
from semsearch.lexical.words import is_unspaced, lower, word_spans, words_of

_MARK = "\x1f"
_CUT_AT_LINE_END = re.compile(r"(?<=[^\W\d_])-[ \t]*\n[ \t]*(?=[^\W\d_])")
_NO_LETTERS = bytes(code for code in range(128) if not chr(code).isalnum())


class Phrase:
    """The phrase `text`."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.units = phrase_units(text)
        letters = "".join(self.units)
        # Most texts that hold the words do not hold the phrase, which their bare letters tell.
        self._letters = letters.encode() if letters.isascii() and letters.isalpha() else None

    def stands_in(self, text: str, type_name: str = "") -> bool:
        """Whether it stands in `text`, of a document of type `type_name`."""
        plain = without_markup(text, type_name)
        if not self._may_stand_in(text) and (plain is text or not self._may_stand_in(plain)):
            return False
        # Nothing tells whether a hyphen at the end of a line belongs to the word.
        return any(self._is_in(one) for one in dict.fromkeys((text, plain, _CUT_AT_LINE_END.sub("", text))))

    def spans_in(self, text: str) -> list[tuple[int, int]]:
        """(start, end) of each place of `text` in which it stands."""
        spans: dict[tuple[int, int], None] = {}
        words, length = word_spans(text), len(self.units)
        for units_of in (_units, _loose_units):
            placed = [(start, end, unit) for start, end, word in words for unit in units_of(word)]
            for number in range(len(placed) - length + 1):
                if all(placed[number + at][2] == unit for at, unit in enumerate(self.units)):
                    spans[placed[number][0], placed[number + length - 1][1]] = None
        return sorted(spans)

    def words(self, languages: frozenset[str]) -> list[Word]:
        """Groups of term keys, all of which a passage holds in which the phrase stands."""
        groups: list[Word] = []
        for word in words_of(self.text):
            if is_unspaced(word):
                # Not pairs of characters, as a line may end between them.
                groups += [(Key(SEPARATOR + character),) for character in word]
            elif "'" in word:
                groups.append(tuple(key for form in forms_of(word).wholes for key in written_group(form, languages)))
            else:
                groups += [written_group(form, languages) for form in _written(word)]
        return groups

    def _may_stand_in(self, text: str) -> bool:
        if self._letters is None or not text.isascii():
            return True
        lowered = text.lower()
        texts = (lowered, lowered.replace("'s", "")) if "'s" in lowered else (lowered,)
        return any(self._letters in one.encode().translate(None, _NO_LETTERS) for one in texts)

    def _is_in(self, text: str) -> bool:
        words = words_of(text)
        strict = [unit for word in words for unit in _units(word)]
        if _holds(strict, self.units):
            return True
        loose = [unit for word in words for unit in _loose_units(word)]
        return loose != strict and _holds(loose, self.units)


def _holds(units: Sequence[str], wanted: Sequence[str]) -> bool:
    return _MARK + _MARK.join(wanted) + _MARK in _MARK + _MARK.join(units) + _MARK


def phrase_units(text: str) -> list[str]:
    """What `text` is compared by, in order."""
    return [unit for word in words_of(text) for unit in _units(word)]


@lru_cache(maxsize=100_000)
def _units(word: str) -> tuple[str, ...]:
    if is_unspaced(word):
        return tuple(word)
    return tuple((folded(form.text) or (form.text,))[0] for form in _written(word))


@lru_cache(maxsize=100_000)
def _loose_units(word: str) -> tuple[str, ...]:
    if is_unspaced(word):
        return tuple(word)
    if number_in(word) is not None:
        pieces = word.split()
        return _units(word) if len(pieces) < 2 else tuple(unit for piece in pieces for unit in _units(piece))
    owner, _, ending = word.partition("'")
    return tuple((folded(form.text) or (form.text,))[-1] for form in _written(owner if ending.lower() == "s" else word))


def _written(word: str) -> list[Form]:
    """The words that `word` is written of."""
    if number_in(word) is not None:
        return list(forms_of(word).wholes[:1])
    if "'" in word and (pieces := apostrophe_pieces(word)):
        return [form_of(piece) for piece in (pieces if is_elided(pieces) else ["".join(pieces)])]
    segments = [lower(segment) for segment in segments_of(word)] or [lower(word)]
    sign = word[len(word.rstrip("+#")) :]
    return [form_of(segment) for segment in (*segments[:-1], segments[-1] + sign)]
