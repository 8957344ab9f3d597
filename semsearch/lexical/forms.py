"""The ways in which one word may be written, and the words that it is made of.

`Wi-Fi` is written wifi, too, and made of wi and fi; `1,234.50` is 1234.50 to some and 1.23450 to nobody; `iPhones` is
one word that is made of two; `l'eau` is eau.
"""

import re
from dataclasses import dataclass
from hashlib import blake2b

from semsearch.lexical.words import lower

# Longer words keep their beginning, by which hashes are looked for, and a digest of the whole.
_MAX_TERM = 64
_KEPT_CHARACTERS = 40
# Longer runs of letters and digits are no number with a unit or name: 10km, FY2018, utf8.
_LONGEST_MEASURE = 24
_RUN = re.compile(r"[^-_.'+#\s]+")
# A version inside of a compound is one part: redis-7.2.4, python3.11.
_VERSION = r"\d+(?:\.\d+)+(?![^\W_])"
_SEGMENT = re.compile(rf"[^\W\d_]+(?={_VERSION})|(?<!\d){_VERSION}|{_RUN.pattern}")
_HUMP = re.compile(r"(?<=[^\WA-Z_\d])(?=[A-Z])|(?<=\d)(?=[A-Z][a-z])|(?<=[A-Z])(?=[A-Z][a-z])")
_ACRONYM_PLURAL = re.compile(r"[A-Z]{2,}s")
_UNSTEMMED = re.compile(r"[\d+#]|^\.")
_DIGITS_AND_LETTERS = re.compile(r"(\d+)([^\W\d_]+)|([^\W\d_]+)(\d+)")
_NUMBER = re.compile(r"(?P<digits>\d(?:[\d.,' ]*\d)?)[., ]?(?P<unit>°?[^\W\d_]+[23]?)?")
# By thousands, or as in India by a thousand and then by hundreds: 1,50,000.
_GROUPED = re.compile(r"\d{1,3}(?:([,. '])\d{3})(?:\1\d{3})*(?P<decimals>[.,]\d+)?|\d{1,2}(?:,\d\d)+,\d{3}(?:\.\d+)?")
_DECIMAL = re.compile(r"\d+[.,]\d+")
# What is written before a word with an apostrophe: l'eau, qu'il, dell'arte. And what after: Anna's, we're.
_ELISIONS = frozenset(
    re.findall(
        r"\w+",
        """l d c j m n s t qu jusqu lorsqu puisqu quoiqu presqu quelqu un all dall
    dell nell sull coll quest bell sant gl""",
    )
)
_FEWEST_LETTERS_OF_A_BASE = 3
_ENDINGS = frozenset(("s", "re", "ve", "ll", "d", "m"))


@dataclass(frozen=True)
class Form:
    """One way to write a word, in lower case; `stemmed`: it is a word of a language, and has a stem."""

    text: str
    stemmed: bool


@dataclass(frozen=True)
class Forms:
    """`wholes`: the ways to write a word, the usual one first; `parts`: words that it is made of; `held`: parts that
    are found in a passage, but do not stand for the word in a query: a decimal is not two numbers."""

    wholes: tuple[Form, ...]
    parts: tuple[Form, ...] = ()
    held: tuple[Form, ...] = ()


def forms_of(word: str) -> Forms:
    """The ways to write `word`, one of a script with spaces, as `words_of` gives it."""
    if (number := number_in(word)) is not None:
        return _number_forms(number)
    if not any(map(str.isalnum, word)):
        return Forms((form_of(word),))  # an emoji
    owner, _, ending = word.rpartition("'")
    if owner and ending.lower() in _ENDINGS:
        base = forms_of(owner)
        return Forms((*base.wholes, form_of(lower((owner + ending).replace("'", "")))), base.parts, base.held)
    if owner and (pieces := apostrophe_pieces(word)):
        return _apostrophe_forms(word, pieces)
    segments = segments_of(word)
    if len(segments) == 1:
        return _one_segment(word, segments[0])
    written = _clipped(lower(re.sub(r"\s+", "", word)))
    wholes = [Form(written, False)]
    if "." not in word or all(segment.isalpha() for segment in segments):
        wholes.append(form_of(lower("".join(segments))))  # wifi, nodejs
    parts = tuple(dict.fromkeys(form for segment in segments for form in (form_of(lower(segment)), *_pieces(segment))))
    if all(len(segment) == 1 for segment in segments):
        return Forms(tuple(wholes), held=parts)  # U.S.A. is not looked for by its letters
    held = []
    if sign := sign_of(word):
        held.append(form_of(lower(segments[-1]) + sign))  # Objective-C++
    has_version = any("." in segment for segment in segments)
    held += [form_of(lower(run)) for run in _RUN.findall(word)] if has_version else []
    return Forms(tuple(wholes), parts, tuple(held))


def number_in(word: str) -> re.Match[str] | None:
    """The digits and the unit of `word`; None where it is no number."""
    if word[0] == "." and word[1:].isdecimal():
        word = "0" + word
    return _NUMBER.fullmatch(word) if word[0].isdigit() else None


def segments_of(word: str) -> list[str]:
    """What stands between the hyphens, dots and signs of `word`; a version is one piece."""
    return _SEGMENT.findall(word)


def sign_of(word: str) -> str:
    """The sign at the end of `word`, as in `C++` and `F#`; empty where it has none."""
    return word[len(word.rstrip("+#")) :]


def apostrophe_pieces(word: str) -> list[str]:
    """What `word` is made of around its apostrophes, in lower case; nothing if there are other signs."""
    pieces = lower(word).split("'")
    return pieces if all(piece.isalnum() for piece in pieces) else []


def is_elided(pieces: list[str]) -> bool:
    """Whether `pieces` are an article or the like and a word: l'eau. In other words an apostrophe is a letter that is
    left out, or an ending."""
    return len(pieces) == 2 and pieces[0] in _ELISIONS and pieces[1] not in _ENDINGS and len(pieces[1]) > 1


def form_of(text: str) -> Form:
    """The form of `text`, which is in lower case."""
    return Form(_clipped(text), text.isalpha() or (_UNSTEMMED.search(text) is None and any(map(str.isalnum, text))))


def _apostrophe_forms(word: str, pieces: list[str]) -> Forms:
    joined = form_of("".join(pieces))
    if is_elided(pieces):
        rest = word.split("'")[1]
        base = _one_segment(rest, rest)
        return Forms((*base.wholes, joined), base.parts)
    if len(pieces) == 2 and len(pieces[0]) == 1:
        return Forms((joined, form_of(pieces[1])))  # O'Brien
    longest = max(pieces, key=len)
    if pieces[-1] == "t" or len(longest) < _FEWEST_LETTERS_OF_A_BASE:
        return Forms((joined,))  # don't
    return Forms((joined, form_of(longest)))  # Qur'an, and İstanbul'un, which is İstanbul


def _one_segment(word: str, segment: str) -> Forms:
    """The forms of a word without hyphens and dots inside; `segment`: the word without its sign, as in `C++`."""
    if segment != word:
        own = Form(_clipped(lower(word)), False)
        # Who looks for C++ does not look for C; who looks for C may mean C++.
        letters = tuple(_pieces(segment))
        return Forms((own,), held=letters) if len(segment) < 3 else Forms((own,), letters)
    if _ACRONYM_PLURAL.fullmatch(segment):
        return Forms((form_of(lower(segment[:-1])), form_of(lower(segment))))
    pieces = tuple(dict.fromkeys(_pieces(segment)))
    return Forms((form_of(lower(segment)),), pieces if len(pieces) > 1 else ())


def _pieces(segment: str) -> list[Form]:
    """The words in a run of letters and digits: `shedFeeders`, `10km`, `FY2018`; the run itself where it is one."""
    humps = [hump for hump in _HUMP.split(segment) if hump]
    if len(humps) > 1 and not _ACRONYM_PLURAL.fullmatch(segment):
        return [form_of(lower(hump)) for hump in humps]
    if len(segment) <= _LONGEST_MEASURE and (halves := _DIGITS_AND_LETTERS.fullmatch(segment)):
        return [form_of(lower(half)) for half in halves.groups() if half]
    return [form_of(lower(segment))]


def _number_forms(number: re.Match[str]) -> Forms:
    """The forms of a number: without separators of thousands, with a point before decimals; of its unit."""
    digits, unit = number.group("digits").strip(), number.group("unit")
    parts: list[str] = []
    held: list[str] = []
    if grouped := _GROUPED.fullmatch(digits):
        separator = grouped.group(1) or ","
        decimals = grouped.group("decimals") or ""
        whole = digits[: len(digits) - len(decimals)] if decimals else digits
        values = [whole.replace(separator, "") + decimals.replace(",", ".")]
        if decimals and not decimals.strip(".,0"):
            values.append(whole.replace(separator, ""))
        if digits.count(separator) == 1 and separator in ".," and not decimals:
            values.append(digits.replace(",", "."))  # 1,234 is a decimal to some
        if separator == " ":
            parts = whole.split(separator)
        elif separator != ".":
            held = whole.split(separator)  # 12,345,678 may be a list
    elif _DECIMAL.fullmatch(digits):
        values = [digits.replace(",", ".")]
        held = digits.split(",") if "," in digits else []
    elif digits.isdigit():
        values = [digits]
    else:  # a date, an address, a version
        segments = tuple(Form(lower(one), False) for one in _RUN.findall(number.group()))
        own = (Form(_clipped(lower(number.group())), False),)
        return Forms(own, held=segments) if "." in digits else Forms(own, segments)
    if not unit:
        return Forms(_bare(values), _bare(parts), _bare(held))
    measure = lower(unit)
    return Forms(_bare([value + measure for value in values]), (*_bare(values), form_of(measure)))


def _bare(texts: list[str]) -> tuple[Form, ...]:
    return tuple(Form(_clipped(text), False) for text in texts)


def _clipped(text: str) -> str:
    if len(text) <= _MAX_TERM:
        return text
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    return f"{text[:_KEPT_CHARACTERS]}\x1e{digest}"
