"""Whether a phrase stands in a text as it is written, and where.

Words are compared in lower case and without accents, compounds by what stands between their hyphens and dots, numbers
by their value, and scripts without spaces by character.
"""

from functools import lru_cache

from semsearch.lexical.analyzer import unspaced_keys, word_group
from semsearch.lexical.folding import folded
from semsearch.lexical.forms import Form, apostrophe_pieces, form_of, forms_of, is_elided, number_in, segments_of
from semsearch.lexical.query_word import Word
from semsearch.lexical.words import is_unspaced, lower, word_spans, words_of

_MARK = "\x1f"


def phrase_units(text: str) -> list[str]:
    """What `text` is compared by, in order."""
    return [unit for word in words_of(text) for unit in _units(word)]


def holds_phrase(text: str, units: list[str]) -> bool:
    """Whether the `units` of a phrase follow one another in `text`."""
    # Cheaper than to compare lists.
    wanted = _MARK + _MARK.join(units) + _MARK
    return wanted in _MARK + _MARK.join(phrase_units(text)) + _MARK


def phrase_spans(text: str, units: list[str]) -> list[tuple[int, int]]:
    """(start, end) of each place of `text` in which the `units` of a phrase follow one another."""
    placed = [(start, end, unit) for start, end, word in word_spans(text) for unit in _units(word)]
    length = len(units)
    found = (number for number in range(len(placed) - length + 1) if placed[number][2] == units[0])
    return [
        (placed[number][0], placed[number + length - 1][1])
        for number in found
        if all(placed[number + at][2] == unit for at, unit in enumerate(units))
    ]


def phrase_words(text: str, languages: frozenset[str]) -> list[Word]:
    """Groups of term keys, all of which a passage holds in which the phrase `text` stands."""
    groups: list[Word] = []
    for word in words_of(text):
        if is_unspaced(word):
            groups += unspaced_keys(word)
        elif "'" in word:
            groups.append(word_group(forms_of(word).wholes, languages))
        else:
            groups += [word_group([form], languages) for form in _written(word)]
    return groups


@lru_cache(maxsize=100_000)
def _units(word: str) -> tuple[str, ...]:
    if is_unspaced(word):
        return tuple(word)
    return tuple((folded(form.text) or (form.text,))[0] for form in _written(word))


def _written(word: str) -> list[Form]:
    """The words that `word` is written of."""
    if number_in(word) is not None:
        return list(forms_of(word).wholes[:1])
    if "'" in word and (pieces := apostrophe_pieces(word)):
        return [form_of(piece) for piece in (pieces if is_elided(pieces) else ["".join(pieces)])]
    segments = [lower(segment) for segment in segments_of(word)] or [lower(word)]
    sign = word[len(word.rstrip("+#")) :]
    return [form_of(segment) for segment in (*segments[:-1], segments[-1] + sign)]
