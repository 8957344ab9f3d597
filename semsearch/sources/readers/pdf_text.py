"""Whether the text of a PDF page is what the page shows. Pure functions."""

import re

# Ligatures become letters, so that a search for "filled" finds them. Some fonts give NUL for characters they lack.
_REPLACED = str.maketrans({"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st", "\0": "",
                           "\ufffe": "-", "\u0002": "-"})  # fmt: skip
_GLYPH_NAMES = re.compile(r"(?:/[A-Za-z]{0,3}\d{1,5}){3,}|\(cid:\d+\)")
_PIECE = re.compile(r"[^\W_]+")
# Words and numbers have large and small letters in some orders only.
_CASED = re.compile(r"\d+|[A-Z]?[a-z]+|[A-Z]+s?|[A-Z]?[a-z]+[A-Z][A-Za-z]*|\d+[A-Za-z]{1,3}|[A-Za-z]{1,3}\d+")
_LONGEST_WORD = 30
# Of text in ASCII without blanks between its words.
_LONGEST_MEAN = 14
# Share of the letters of a page that must stand in what looks like words or numbers.
_READABLE = 0.4
_FEWEST_CHARACTERS = 20


def cleaned(text: str) -> str:
    """`text` of a page with letters for ligatures."""
    return text.translate(_REPLACED)


def is_readable(text: str) -> bool:
    """Whether `text` of a page was decoded: not names of glyphs, control characters, or letters of a cipher."""
    text = text.strip()
    controls = sum(ord(letter) < 32 and letter not in "\n\t\r\f" for letter in text)
    unknown = sum(letter == "\ufffd" or "\ue000" <= letter <= "\uf8ff" for letter in text)
    if (controls + unknown) * 20 > len(text) or len("".join(_GLYPH_NAMES.findall(text))) * 4 > len(text):
        return False
    if len(text) < _FEWEST_CHARACTERS:
        return True
    words = _PIECE.findall(text)
    if text.isascii() and words and sum(map(len, words)) > _LONGEST_MEAN * len(words):
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
