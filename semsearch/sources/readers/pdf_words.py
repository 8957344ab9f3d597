"""Words that a PDF cuts at line ends, or sets in spaced or stacked letters, put together. Pure functions."""

import re
import unicodedata
from collections.abc import Set
from itertools import pairwise

_CUT_WORD = re.compile(r"(?<!\w)(\w{2,})[-\u00ad\u2010][ \t]*\n[ \t]*([a-zà-öø-ÿа-я]\w*)")
_SPACED = re.compile(r"(?<!\S)(?:[^\W\d_] {1,3}){3,}[^\W\d_](?!\S)")
_STACKED = re.compile(r"(?:^[^\W\d_]\n){4,}", re.MULTILINE)
_GAP = re.compile(r"\s{2,}")
_WORD = re.compile(r"\w+")
_HYPHENATED = re.compile(r"(?<!\w)\w+-\w+")
_VOWELS = frozenset("aeiouаеиоуыэюяєіїαειηουω")
# Letters that stand apart are a word where the document has it elsewhere, or where they are so many small ones.
_FEWEST_LETTERS = 5
_FEWEST_KNOWN_LETTERS = 3
_LAST_ANSWER = "f"


def joined_words(pages: list[str]) -> list[str]:
    """`pages` with the words put together that they have whole elsewhere, or that can be nothing else."""
    cut = any(_CUT_WORD.search(page) for page in pages)
    apart = any(_SPACED.search(page) or _STACKED.search(page) for page in pages)
    if not cut and not apart:
        return pages
    whole = "\n".join(pages).lower()
    words = frozenset(_WORD.findall(whole))
    if apart:
        pages = [_joined_letters(page, words) for page in pages]
    return _joined_cut_words(pages, words, frozenset(_HYPHENATED.findall(whole))) if cut else pages


def _joined_cut_words(pages: list[str], words: Set[str], hyphenated: Set[str]) -> list[str]:
    """`pages` with words that are cut at line ends put together, if the document has them whole elsewhere.

    With a hyphen where it has them so. Others keep hyphen and line end: the words leg then looks for both.
    """

    def join(match: re.Match[str]) -> str:
        first, second = match.groups()
        if f"{first}-{second}".lower() in hyphenated:
            return f"{first}-{second}\n"
        return f"{first}{second}\n" if f"{first}{second}".lower() in words else match.group()

    return [_CUT_WORD.sub(join, page) for page in pages]


def _joined_letters(page: str, words: Set[str]) -> str:
    """`page` with words in spaced or stacked letters put together; `words`: those of the document.

    Single letters are as often the answers of a test, grades, columns of a table or names of points.
    """

    def join_stacked(match: re.Match[str]) -> str:
        word = match.group().replace("\n", "")
        return word + "\n" if _is_word(word, words) else match.group()

    def join_spaced(match: re.Match[str]) -> str:
        parts = [word for part in _GAP.split(match.group()) for word in _split_at_capitals(part.replace(" ", ""))]
        return " ".join(parts) if any(_is_word(part, words) for part in parts) else match.group()

    return _SPACED.sub(join_spaced, _STACKED.sub(join_stacked, page))


def _split_at_capitals(letters: str) -> list[str]:
    """ "TheHeartbeat" -> "The", "Heartbeat": words that are set in letters with the same gap between all of them."""
    starts = [at for at in range(1, len(letters)) if letters[at - 1].islower() and letters[at].isupper()]
    return [letters[start:end] for start, end in pairwise([0, *starts, len(letters)])]


def _is_word(letters: str, words: Set[str]) -> bool:
    if len(letters) >= _FEWEST_KNOWN_LETTERS and letters.lower() in words:
        return True
    if len(letters) < _FEWEST_LETTERS or not letters[1:].islower():
        return False
    small = letters.lower()
    # "a b c d e" and "i j k l m" are lists, "a c c b d" are the answers of a test.
    if sorted(set(small)) == list(small) or max(small) <= _LAST_ANSWER:
        return False
    return bool(_VOWELS.intersection(unicodedata.normalize("NFD", small)))
