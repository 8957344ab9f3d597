"""Tells text of the western languages in Windows-1252 from text in other old encodings, by what it would say.

Where only some letters have accents, the bytes above ASCII are too few for a detector that counts them. But they stand
alone among ASCII letters, as they do in no text of another script, and as Windows-1252 they are letters and signs where
these can be: in the encodings of DOS, Macintosh and Central Europe many of them are not.
"""

import re

_RUN = re.compile(r"[^\x00-\x7f]+")
# So many runs are looked at.
_MOST_RUNS = 2000
# Letters with accents that are words.
_WORDS = frozenset("àáâãäåæèéêíìîòóôöøùúýÀÁÅÄÆÈÉÊÍÒÓÔÖØÙÚ")
_OPENING = frozenset("¿¡‚„‹")
_CLOSING = frozenset("»›")
# Between two letters they say nothing.
_SIGNS = frozenset("“”‘•€£§©®°±½¼¾™«×÷²³¹ªº¢¥¶†‡")
# They may stand anywhere; the last is typed for an apostrophe.
_ANYWHERE = frozenset("’…–—·\xa0\xad´")


def is_western(data: bytes) -> bool:
    """Whether `data`, which is not all ASCII, reads as text of a western language in Windows-1252."""
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError:
        return False
    for number, run in enumerate(_RUN.finditer(text)):
        if number == _MOST_RUNS:
            break
        before = text[run.start() - 1 : run.start()] or " "
        after = text[run.end() : run.end() + 1] or " "
        if not _can_stand(before + run.group() + after):
            return False
    return True


def _can_stand(text: str) -> bool:
    """Whether what is not ASCII in `text`, all but the first and the last character, can stand between these."""
    inner = text[1:-1]
    letters = [letter for letter in inner if letter.isalpha() and letter not in "ªºµ"]
    if letters and not any(letter.isascii() and letter.isalpha() for letter in (text[0], text[-1])):
        # Beside no letter: a word of one letter, as the signs around it tell.
        if len(letters) > 1 or letters[0] not in _WORDS:
            return False
    elif len(letters) > 2:
        return False
    return all(_fits(*text[at - 1 : at + 2]) for at in range(1, len(text) - 1))


def _fits(before: str, letter: str, after: str) -> bool:
    """Whether `letter` can stand between two others."""
    if letter in _ANYWHERE:
        return True
    if letter in _OPENING:
        return not before.isalnum()
    if letter in _CLOSING:
        return not after.isalnum()
    if letter in _SIGNS:
        return not (before.isalpha() and after.isalpha())
    if letter == "µ":
        return not before.isalpha()
    # "ƒ" and "ˆ" are letters to Python.
    return letter.isalpha() and letter not in "ƒˆ" and not (letter.isupper() and before.islower())
