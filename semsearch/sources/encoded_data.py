"""Pictures and other bytes that stand in text files as base64: nobody reads them, and they are no words."""

import re

# An address that holds its content. JSON may write `/` as `\/`.
_DATA_ADDRESS = re.compile(
    r"data:[\w/+.\\-]{0,100}(?:;[\w=.-]{1,60}){0,3};base64,(?P<content>[A-Za-z0-9+/=%_\\-]{40,}"
    r"(?:[ \t]*\n[ \t]*[A-Za-z0-9+/=]{40,})*(?:[ \t]*\n[ \t]*[A-Za-z0-9+/]*={1,2}(?![\w=]))?)",
    re.IGNORECASE,
)
_ENCODED = re.compile(r"[A-Za-z0-9+/=_\s-]*")
_LOWER_RUN = re.compile(r"[a-z]{4,}")
_SHORTEST = 200
_SHORTEST_ADDRESS = 100


def without_data_addresses(text: str) -> str:
    """`text` without the `data:` addresses in it that hold a picture or the like; the lines stay as many."""
    if ";base64," not in text:
        return text
    return _DATA_ADDRESS.sub(_line_ends, text)


def _line_ends(match: re.Match[str]) -> str:
    content = match.group("content")
    return match.group() if len(content) < _SHORTEST_ADDRESS else "\n" * content.count("\n")


def is_encoded(text: str) -> bool:
    """Whether all of `text`, which is not short, is base64 and not words that are written without blanks.

    Chance seldom puts four small letters in a row, and words consist of them; bytes need letters of both sizes and
    digits, unlike the sequence of a protein.
    """
    if len(text) <= _SHORTEST or _ENCODED.fullmatch(text) is None:
        return False
    letters = "".join(text.split())
    # Prose has a blank every few letters, base64 a line end every 60 or 76.
    if len(letters) <= _SHORTEST or len(text.split()) * 30 > len(letters):
        return False
    kinds = (str.isupper, str.islower, str.isdigit)
    if not all(any(kind(letter) for letter in letters) for kind in kinds):
        return False
    return sum(len(match.group()) for match in _LOWER_RUN.finditer(letters)) * 3 < len(letters)
