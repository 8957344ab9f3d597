"""Where the words of a text stand, and how each is written once it is normalised.

A word is what a person would look for: a run of letters, digits and their combining marks, also with hyphens, dots and
underscores inside (`wi-fi`, `redis.conf`, `max_retry_count`), a number as it is written (`1,234,567`, `12,50`), a
number with its unit (`10 km`), a name with its sign (`C++`, `F#`, `.NET`), or an emoji. Scripts without spaces between
words come as runs of characters.
"""

import re
import unicodedata
from functools import cache, lru_cache

# Scripts written without spaces between words, and Hangul, where particles are attached to words.
UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Myanmar, Khmer
    "\u1100-\u11ff\u3040-\u30ff\u3130-\u318f\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
    "\U00020000-\U0003134f"
)
# Blocks outside of `UNSPACED` that have combining marks.
_MARKED_BLOCKS = (
    (0x300, 0xE00), (0xF00, 0x1000), (0x1700, 0x1780), (0x1800, 0x1E00), (0x20D0, 0x2100), (0xA660, 0xAC00),
    (0xFB1E, 0xFB1F), (0xFE20, 0xFE30), (0x11000, 0x11A00),
)  # fmt: skip
_EMOJI = "\u231a-\u23ff\u2600-\u27bf\u2b50\u2b55\U0001f000-\U0001faff"
# Characters that are not seen: soft hyphens (also at the end of a line, where one is), joiners, spaces without width,
# marks of direction, variation selectors, skin tones.
_INVISIBLE = re.compile(
    "\u00ad[ \t]*\n[ \t]*"
    "|[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufe00-\ufe0f\ufeff"
    "\U0001f3fb-\U0001f3ff\U000e0100-\U000e01ef]"
)
# Apostrophes of all kinds, and letters that stand for one.
_APOSTROPHES = re.compile("(?<=\\w)[\u2018\u2019\u00b4\uff07\u2032\u02b9\u02bb\u02bc\u02be\u02bf](?=\\w)")
# Marks inside of abbreviations of Hebrew, the middle dot of Catalan.
_INSIDE = re.compile("(?<=[\u05d0-\u05ea])[\"'\u05f3\u05f4](?=[\u05d0-\u05ea])|(?<=[lL])[\u00b7\u2027](?=[lL])")
_TIMES = re.compile("(?<=\\d)\u00d7(?=\\d)")
_FOREIGN_DIGIT = re.compile("[^\\D0-9]")
_HYPHENS = re.compile("[\u2010\u2011\u2013\u2212\ufe63\uff0d]")
# No-break and thin spaces between groups of three digits.
_THOUSANDS_SPACE = re.compile("(?<=\\d)[\u00a0\u202f\u2008\u2009](?=\\d{3}(?!\\d))")

# Units of measure that are written with and without a space after the number. Those that are words, too (`in`, `a`),
# are left out.
_UNITS = """km m cm mm µm nm mi ft yd km2 m2 cm2 m3 cm3 kg g mg µg lb lbs oz l ml cl dl hl gal s sec ms ns µs min h hr
    hrs kb mb gb tb pb kib mib gib tib bit bits kbit mbit gbit kbps mbps gbps hz khz mhz ghz w kw mw gw kwh mwh gwh wh
    v kv mv ma mah ah ohm °c °f c f am pm px pt em rem dpi ppm rpm fps mph kmh kph bar mbar psi pa kpa hpa mpa n j kj
    cal kcal eur usd gbp chf th""".split()  # noqa: SIM905
_UNIT = "|".join(sorted((unicodedata.normalize("NFKC", unit) for unit in _UNITS), key=lambda unit: -len(unit)))
_NUMBER = (
    r"\d{4}-\d\d-\d\d(?=[T_])"  # a date before its time
    r"|(?<![\w.,-])\d{1,3}(?:(?:,\d{3})+|(?:\.\d{3})+|(?: \d{3})+|(?:'\d{3})+|(?:,\d\d)+,\d{3})"
    r"(?:[.,]\d+)?(?![^\W_]|[-.,:/_]\d)"
    r"|(?<![\w.])\.\d+(?![\w.])"
    rf"|\d+(?:[.,]\d+)?[ ]?(?i:{_UNIT})(?![^\W_]|[-_.][^\W_])"
    r"|(?<![\w.,])\d+,\d+(?![^\W_]|[,.]\d)"
)
_GOES_ON = r"[-_.'+#\d]"
_CUT = r"-[ \t]*\n[ \t]*(?=[^\W\d_A-Z])"  # a word that is hyphenated at the end of a line


def _pattern(letters: str, before: str = "", after: str = "") -> re.Pattern[str]:
    """The pattern of a word; `letters`: a pattern of a run of letters, digits and marks.

    Most words are letters alone, and few are numbers: asking that first takes two thirds of the time.
    """
    word = rf"(?:(?<![\w.])\.(?=[^\W\d_]))?{letters}(?:(?:[-_.']|{_CUT}){letters})*(?:\+\+(?![^\W\d]|\+)|\#(?!\w))?"
    return re.compile(f"{before}(?=[.\\d])(?:{_NUMBER})|{word}|(?<!_)_++[^\\W_]\\w*{after}")


# Marks, letters of other scripts, and emoji; between them stand the punctuation marks of typography.
_NOT_LATIN = re.compile("[\u0300-\u1fff\u20d0-\u20ff\u231a-\U0010ffff]")
_BETWEEN_LATIN = re.compile(r"[\W_]+")
_LATIN = _pattern(r"[^\W_]+", before=rf"[^\W\d_]++(?!{_GOES_ON})|")


@cache
def _combining_marks() -> str:
    return "".join(
        chr(code)
        for first, end in _MARKED_BLOCKS
        for code in range(first, end)
        if unicodedata.category(chr(code)) in ("Mn", "Mc", "Me")
    )


@cache
def _any_script() -> re.Pattern[str]:
    marks = _combining_marks()
    letters = rf"[^\W_{UNSPACED}](?:[^\W_{UNSPACED}]++|[{marks}]++)*+"
    plain = rf"[^\W\d_{UNSPACED}]++(?!{_GOES_ON}|[{marks}])"
    return _pattern(letters, before=f"[{UNSPACED}]+|{plain}|", after=f"|[{_EMOJI}]")


def normalised(text: str) -> str:
    """`text` in NFKC, without what is not seen, with one kind of hyphen, apostrophe, digit and thousands separator."""
    if text.isascii():
        return text
    text = _INVISIBLE.sub("", text)
    text = _INSIDE.sub("", _APOSTROPHES.sub("'", text))
    text = _HYPHENS.sub("-", _THOUSANDS_SPACE.sub(",", _TIMES.sub("x", text)))
    text = unicodedata.normalize("NFKC", text)
    return _FOREIGN_DIGIT.sub(lambda digit: str(unicodedata.decimal(digit.group())), text)


def words_of(text: str) -> list[str]:
    """The words of `text`, normalised, in order; those of scripts without spaces as whole runs."""
    normal = normalised(text)
    return _pattern_for(normal).findall(normal)  # the pattern has no groups, which `findall` would give in its place


def spaced_letters(text: str) -> str:
    """`text`, normalised, in lower case, with one space in the place of all that is no letter, digit or mark.

    Without what is written in scripts without spaces between words.
    """
    normal = normalised(text).replace("İ", "i").lower()  # as `lower` does it
    pattern = _between_letters() if not normal.isascii() and _NOT_LATIN.search(normal) else _BETWEEN_LATIN
    return pattern.sub(" ", f" {normal} ")


@cache
def _between_letters() -> re.Pattern[str]:
    return re.compile(f"(?:[^\\w{_combining_marks()}]|[_{UNSPACED}])+")


def word_spans(text: str) -> list[tuple[int, int, str]]:
    """(start, end, word) of the words of `text`: where they stand in it, and how they are written normalised.

    Where normalising changes how long something is, the span is that of everything up to the next spaces.
    """
    normal = normalised(text)
    if len(normal) == len(text):
        return [(*match.span(), match.group()) for match in _pattern_for(normal).finditer(normal)]
    # Position in `normal` -> position in `text`, piece by piece between spaces.
    spans: list[tuple[int, int, str]] = []
    for piece in re.finditer(r"\S+(?:[ \t]+\S+)*", text):
        own = normalised(piece.group())
        if len(own) == len(piece.group()):
            found = _pattern_for(own).finditer(own)
            spans += [(piece.start() + one.start(), piece.start() + one.end(), one.group()) for one in found]
            continue
        for word in re.finditer(r"\S+", piece.group()):
            begin, end = piece.start() + word.start(), piece.start() + word.end()
            spans += [(begin, end, one) for one in words_of(word.group())]
    return spans


def _pattern_for(normal: str) -> re.Pattern[str]:
    return _any_script() if not normal.isascii() and _NOT_LATIN.search(normal) else _LATIN


def is_unspaced(word: str) -> bool:
    """Whether `word` is a run of a script that is written without spaces."""
    return word[0] >= "\u0e00" and _UNSPACED_START.match(word) is not None


_UNSPACED_START = re.compile(f"[{UNSPACED}]")


@lru_cache(maxsize=50_000)
def lower(word: str) -> str:
    """`word` in lower case; the Turkish capital İ becomes i without a second dot."""
    return word.replace("İ", "i").lower()
