"""Whether a phrase stands in a text as it is written, and where.

Words are compared in lower case and without accents, compounds by what stands between their hyphens and dots, numbers
by their value, and scripts without spaces by character. A word of a text may be read in several ways: "1 000" is two
numbers, too, "Anna's" is Anna, and "Müller" is Mueller.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from semsearch.lexical.analyzer import written_keys
from semsearch.lexical.folding import folded
from semsearch.lexical.forms import (
    Form,
    apostrophe_pieces,
    form_of,
    forms_of,
    is_elided,
    number_in,
    segments_of,
    sign_of,
)
from semsearch.lexical.markup import without_markup
from semsearch.lexical.query_word import Key, Word
from semsearch.lexical.term_key import SEPARATOR
from semsearch.lexical.words import is_unspaced, lower, word_spans, words_of

# The ways in which a word may be read, each in units.
_Readings = tuple[tuple[str, ...], ...]
_CUT_AT_LINE_END = re.compile(r"(?<=[^\W\d_])-[ \t]*\n[ \t]*(?=[^\W\d_])")
_NO_LETTERS = bytes(code for code in range(128) if not chr(code).isalnum())


class Phrase:
    """The phrase `text`."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.units = tuple(phrase_units(text))
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
        words = word_spans(text)
        found = _found([_readings(word) for _, _, word in words], self.units)
        return [(words[first][0], words[last][1]) for first, last in found]

    def words(self) -> list[Word]:
        """Groups of term keys, all of which a passage holds in which the phrase stands."""
        groups: list[Word] = []
        for word in words_of(self.text):
            if is_unspaced(word):
                # Not pairs of characters, as a line may end between them.
                groups += [(Key(SEPARATOR + character),) for character in word]
            elif "'" in word:
                groups.append(tuple(Key(key) for form in forms_of(word).wholes for key in written_keys(form)))
            else:
                groups += [tuple(map(Key, written_keys(form))) for form in _written(word)]
        return groups

    def _may_stand_in(self, text: str) -> bool:
        if self._letters is None or not text.isascii():
            return True
        lowered = text.lower()
        texts = (lowered, lowered.replace("'s", "")) if "'s" in lowered else (lowered,)
        return any(self._letters in one.encode().translate(None, _NO_LETTERS) for one in texts)

    def _is_in(self, text: str) -> bool:
        readings = [_readings(word) for word in words_of(text)]
        usual = (unit for reading in readings for unit in reading[0])
        if SEPARATOR + SEPARATOR.join(self.units) + SEPARATOR in SEPARATOR + SEPARATOR.join(usual) + SEPARATOR:
            return True
        return any(len(reading) > 1 for reading in readings) and any(_found(readings, self.units))


def _found(readings: Sequence[_Readings], wanted: tuple[str, ...]) -> Iterator[tuple[int, int]]:
    """(number of the first word, of the last) of each place where `wanted` stands in words with these `readings`."""
    for first, own in enumerate(readings):
        # How many of the wanted units the first words hold, which may begin with others: "known" is in "well-known".
        held = {
            min(len(reading) - at, len(wanted))
            for reading in own
            for at in range(len(reading))
            if reading[at : at + len(wanted)] == wanted[: len(reading) - at]
        }
        last = first
        while held and len(wanted) not in held and last + 1 < len(readings):
            last += 1
            held = {
                min(count + len(reading), len(wanted))
                for count in held
                for reading in readings[last]
                if reading[: len(wanted) - count] == wanted[count : count + len(reading)]
            }
        if len(wanted) in held:
            yield first, last


def phrase_units(text: str) -> list[str]:
    """What `text` is compared by, in order."""
    return [unit for word in words_of(text) for unit in _units(word)]


@lru_cache(maxsize=100_000)
def _units(word: str) -> tuple[str, ...]:
    if is_unspaced(word):
        return tuple(word)
    return tuple((folded(form.text) or (form.text,))[0] for form in _written(word))


@lru_cache(maxsize=100_000)
def _readings(word: str) -> _Readings:
    """What `word` of a text may be read as, in units; as it is first."""
    if is_unspaced(word):
        return (_units(word),)
    if number_in(word) is not None:
        pieces = tuple(unit for piece in word.split() for unit in _units(piece))
        return tuple(dict.fromkeys((_units(word), pieces)))
    owner, _, ending = word.rpartition("'")
    words = [word, *([owner] if owner and ending.lower() == "s" else [])]
    ways = (
        tuple((folded(form.text) or (form.text,))[way] for form in _written(one)) for one in words for way in (0, -1)
    )
    return tuple(dict.fromkeys(ways))


def _written(word: str) -> list[Form]:
    """The words that `word` is written of."""
    if number_in(word) is not None:
        return list(forms_of(word).wholes[:1])
    if "'" in word and (pieces := apostrophe_pieces(word)):
        return [form_of(piece) for piece in (pieces if is_elided(pieces) else ["".join(pieces)])]
    segments = [lower(segment) for segment in segments_of(word)] or [lower(word)]
    return [form_of(segment) for segment in (*segments[:-1], segments[-1] + sign_of(word))]
