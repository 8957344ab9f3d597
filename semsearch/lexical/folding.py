"""Words without their accents, points and vowel marks, for people who do not type them."""

import unicodedata
from functools import lru_cache

# Letters that Unicode does not decompose, and variants of one letter; й stays, it is a letter of its own.
_LETTERS = str.maketrans({
    "ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "ł": "l", "þ": "th", "ı": "i", "ħ": "h", "ŧ": "t",
    "ŋ": "n", "ς": "σ",
    "أ": "ا", "إ": "ا", "آ": "ا", "ٱ": "ا", "ى": "ی", "ي": "ی", "ك": "ک", "ة": "ه", "ؤ": "و", "ئ": "ی",
    "ँ": "ं",
})  # fmt: skip
_TRANSLITERATED = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe"})
# Blocks of scripts whose marks are accents or points that many leave out. In others (Devanagari, Tamil, ...) they are
# vowels.
_OPTIONAL_MARKS = ((0x300, 0x36F), (0x591, 0x5C7), (0x610, 0x61A), (0x640, 0x640), (0x64B, 0x65F), (0x670, 0x670),
                   (0x6D6, 0x6ED), (0x93C, 0x93C), (0x9BC, 0x9BC))  # fmt: skip


@lru_cache(maxsize=50_000)
def folded(word: str) -> tuple[str, ...]:
    """The ways to write `word` (in lower case) without accents, the usual first; none where it has no accents.

    >>> folded("müller")
    ('muller', 'mueller')
    """
    if word.isascii():
        return ()
    composed = unicodedata.normalize("NFC", word)
    ways = (_bare_word(composed), _bare_word(composed.translate(_TRANSLITERATED)))
    return tuple(dict.fromkeys(way for way in ways if way and way != word))


def _bare_word(word: str) -> str:
    # Letter by letter, as й would lose its mark if all were decomposed.
    letters = "".join(letter if letter == "й" else _bare(letter) for letter in word.translate(_LETTERS))
    return unicodedata.normalize("NFC", letters)


def _bare(letter: str) -> str:
    """`letter` without the marks that are optional."""
    if letter.isascii():
        return letter
    parts = unicodedata.normalize("NFD", letter)
    return "".join(part for part in parts if not _is_optional(ord(part)))


def _is_optional(code: int) -> bool:
    return any(first <= code <= last for first, last in _OPTIONAL_MARKS)
