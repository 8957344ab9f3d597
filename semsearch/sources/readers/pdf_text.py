"""The text of PDF pages as people read it: whether it could be decoded at all, heads and feet that run through the
pages, words that are cut at line ends or set in spaced letters. Pure functions."""

import re
from collections import defaultdict
from collections.abc import Sequence

from semsearch.sources.document_builder import plain

# Ligatures become letters, so that a search for "filled" finds them. Some fonts give NUL for characters they lack.
_REPLACED = str.maketrans({"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st", "\0": "",
                           "\ufffe": "-", "\u0002": "-"})  # fmt: skip
_CUT_WORD = re.compile(r"(\w{2,})[-\u00ad\u2010][ \t]*\n[ \t]*([a-zà-öø-ÿа-я]\w*)")
_SPACED = re.compile(r"(?<!\S)(?:[^\W\d_] {1,3}){3,}[^\W\d_](?!\S)")
_STACKED = re.compile(r"(?:^[^\W\d_]\n){4,}", re.MULTILINE)
_GAP = re.compile(r"\s{2,}")
_DIGITS = re.compile(r"\d+|\b[ivxlc]+\b", re.IGNORECASE)
_NUMBERS = re.compile(r"\d+")
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
# Running lines are looked for among so many lines at the top and the bottom of a page, in documents of at least so many
# pages, and on pages of at least so many lines.
_EDGE_LINES = 2
_MIN_PAGES = 4
_MIN_LINES = 6


def cleaned(text: str) -> str:
    """`text` of a page with letters for ligatures, and words in spaced letters put together."""
    text = text.translate(_REPLACED)
    text = _STACKED.sub(lambda match: match.group().replace("\n", "") + "\n", text)
    return _SPACED.sub(lambda match: _GAP.sub("\x00", match.group()).replace(" ", "").replace("\x00", " "), text)


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


def without_running_lines(pages: list[str]) -> list[str]:
    """`pages` with the first and last lines that half of them share, numbers aside, only where they come first.

    Those whose numbers are not those of the pages say something of each page, and are kept.
    """
    if len(pages) < _MIN_PAGES:
        return pages
    split = [page.split("\n") for page in pages]
    seen: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for page, lines in enumerate(split):
        for at in _edges(lines):
            seen[_shape(lines[at])].append((page, at))
    written = sum(bool(page.strip()) for page in pages)
    dropped: set[tuple[int, int]] = set()
    for shape, places in seen.items():
        count = len({page for page, _ in places})
        # Rows of numbers have one shape, but are content; a single number is the page number.
        if count < max(3, written * 0.5) or not (shape == "#" or any(letter.isalpha() for letter in shape)):
            continue
        texts = [(page, plain(split[page][at])) for page, at in places]
        if _are_page_numbers(texts):
            dropped.update(places if shape == "#" else places[1:])
        else:
            first_of: dict[str, tuple[int, int]] = {}
            for (_, text), place in zip(texts, places, strict=True):
                if first_of.setdefault(text, place) != place:
                    dropped.add(place)
    return [
        "\n".join(line for at, line in enumerate(lines) if (page, at) not in dropped)
        for page, lines in enumerate(split)
    ]


def _are_page_numbers(texts: Sequence[tuple[int, str]]) -> bool:
    """Whether the numbers in lines of one shape, (page, text) each, stay the same or rise with the pages."""
    rows = [(page, [int(number[-9:]) for number in _NUMBERS.findall(text)]) for page, text in texts]
    if len({len(numbers) for _, numbers in rows}) != 1:
        return len({text for _, text in texts}) > 1  # roman numbers, or a mixture of them
    for place in range(len(rows[0][1])):
        values = [numbers[place] for _, numbers in rows]
        offsets = {number - page for (page, _), number in zip(rows, values, strict=True)}
        if len(set(values)) > 1 and len(offsets) > 1:
            return False
    return True


def _edges(lines: list[str]) -> list[int]:
    """The positions in `lines` of the first and last ones that are not blank; none on a page of few lines."""
    written = [at for at, line in enumerate(lines) if line.strip()]
    if len(written) < _MIN_LINES:
        return []
    return sorted({*written[:_EDGE_LINES], *written[-_EDGE_LINES:]})


def _shape(line: str) -> str:
    """`line` in lower case with every number, arabic or roman, as `#`."""
    return _DIGITS.sub("#", plain(line)).lower()


def joined_words(pages: list[str]) -> list[str]:
    """`pages` with words that are cut at line ends put together, if the document has them whole elsewhere.

    With a hyphen where it has them so. Others keep hyphen and line end: the words leg then looks for both.
    """
    if not any(_CUT_WORD.search(page) for page in pages):
        return pages
    whole = "\n".join(pages).lower()
    hyphenated = set(re.findall(r"\w+-\w+", whole))
    words = set(re.findall(r"\w+", whole))

    def join(match: re.Match[str]) -> str:
        first, second = match.groups()
        if f"{first}-{second}".lower() in hyphenated:
            return f"{first}-{second}\n"
        return f"{first}{second}\n" if f"{first}{second}".lower() in words else match.group()

    return [_CUT_WORD.sub(join, page) for page in pages]
