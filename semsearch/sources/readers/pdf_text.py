"""Whether the text of a PDF page is what the page shows. Pure functions."""

import re
from enum import IntEnum

# Ligatures become letters, so that a search for "filled" finds them.
_REPLACED = str.maketrans({"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st", "\ufffe": "-",
                           "\u0002": "-"})  # fmt: skip
# Without the pieces of high brackets (U+F8E5 and on).
_PRIVATE = "\ue000-\uf8e4\uf8ff\U000f0000-\U0010fffd"
# Fonts of symbols give their bullets as characters for private use.
_BULLET = re.compile(rf"^([ \t]*)[{_PRIVATE}](?![{_PRIVATE}])", re.MULTILINE)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f]")
_UNKNOWN = re.compile(rf"[\ufffd{_PRIVATE}]")
_GLYPH_NAMES = re.compile(r"(?:/[A-Za-z]{0,3}\d{1,5}){3,}|\(cid:\d+\)")
_PIECE = re.compile(r"[^\W_]+")
# Words, numbers and codes have large and small letters in some orders only.
_CASED = re.compile(r"[A-Z0-9]+s?|[a-z0-9]+|[A-Z][a-z]+|[A-Z]?[a-z]+[A-Z][A-Za-z]*|\d+[A-Za-z]{1,3}|[A-Za-z]{1,3}\d+")
_LONGEST_WORD = 30
# Of text in ASCII without blanks between its words.
_LONGEST_MEAN = 14
# Share of the letters of a page that must stand in what looks like words or numbers.
_READABLE = 0.4
_FEWEST_CHARACTERS = 20
# Rules, dots and boxes are few signs many times; a cipher in signs has more.
_MOST_SIGNS = 6


class Quality(IntEnum):
    """How far a text can be trusted to be what its page shows."""

    UNDECODED = 0  # names of glyphs, control characters, signs instead of letters
    DOUBTFUL = 1  # letters and digits, but hardly a word: codes, or a cipher
    READABLE = 2


def cleaned(text: str) -> str:
    """`text` of a page with letters for ligatures and one sign for bullets."""
    if "\0" in text:
        # Some fonts give NUL for signs they lack, such as a minus; text of two bytes a letter has one beside each.
        text = text.replace("\0", "" if text.count("\0") * 3 > len(text) else " ")
    return _BULLET.sub("\\1\u2022", text.translate(_REPLACED))


def quality(text: str) -> Quality:
    """How far `text`, cleaned, can be trusted."""
    text = text.strip()
    if len(_CONTROL.findall(text)) * 20 > len(text):
        return Quality.UNDECODED
    if len("".join(_GLYPH_NAMES.findall(text))) * 4 > len(text):
        return Quality.UNDECODED
    if len(_UNKNOWN.findall(text)) * 20 <= len(text) and _has_words(text):
        return Quality.READABLE
    signs = [character for character in text if not character.isspace()]
    # Marks that are combined with letters (Hindi, Thai, Arabic) belong to them.
    letters = sum(character.isalnum() or character >= "\u0300" for character in signs)
    letters -= len(_UNKNOWN.findall(text))
    return Quality.DOUBTFUL if letters * 2 >= len(signs) else Quality.UNDECODED


def _has_words(text: str) -> bool:
    if len(text) < _FEWEST_CHARACTERS:
        return True
    words = _PIECE.findall(text)
    if not words:
        return len({sign for sign in text if sign.isascii() and not sign.isspace()}) <= _MOST_SIGNS
    if text.isascii() and sum(map(len, words)) > _LONGEST_MEAN * len(words):
        return False
    return readable_share(text) >= _READABLE


def readable_share(text: str) -> float:
    """The share of the letters and digits of `text` that stand in words or numbers."""
    seen = readable = 0
    for piece in _PIECE.findall(text):
        seen += len(piece)
        if piece[0] >= "\u2e80" or (len(piece) <= _LONGEST_WORD and (not piece.isascii() or _CASED.fullmatch(piece))):
            readable += len(piece)
    return readable / seen if seen else 0.0


def better(text: str, other: str) -> bool:
    """Whether `other` tells more of a page than `text`."""
    if not other.strip():
        return False
    if text.strip() and quality(text) is Quality.UNDECODED:  # the other may have left out what tells that of a cipher
        return quality(other) is Quality.READABLE
    return not text.strip() or (quality(other), readable_share(other)) > (quality(text), readable_share(text))


def readable_lines(text: str) -> str:
    """The lines of a page that were decoded, where those are most of its `text`; else none.

    A page often has one font that cannot be decoded, such as that of its formulas or headings.
    """
    lines = [line for line in text.split("\n") if quality(line) is not Quality.UNDECODED]
    kept = "\n".join(lines)
    return kept if len(kept) * 2 >= len(text) else ""
