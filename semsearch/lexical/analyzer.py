"""Turns text into terms, for passages and for queries alike.

A term key is a string: the language, \\x1f and the stem (`en\\x1fevict`), or \\x1f and the bare word where nothing is
stemmed (numbers, identifiers, scripts without spaces). So keys of two languages never collide: German stems "news" to
"new". A word with accents has a key without them, too, with \\x1f\\x1f in it (`fr\\x1f\\x1fcafe`), so that `cafe` finds
`café`, and finds `cafe` first.

A query word becomes a group of keys, any of which counts as the word: one for each language of the index, so that the
language of a query need not be guessed, and those of other ways to write it.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache
from hashlib import blake2b
from itertools import chain, repeat
from typing import Any

from semsearch.lexical.folding import folded
from semsearch.lexical.language import FUNCTION_WORDS, STEMMERS
from semsearch.lexical.markup import without_markup
from semsearch.lexical.query_word import Key, Word
from semsearch.lexical.words import is_unspaced, lower, words_of

# How much a word counts that is the query's but for its accents.
FOLDED_WEIGHT = 0.7
# Longer words keep their beginning, by which hashes are looked for, and a digest of the whole.
_MAX_TERM = 64
_KEPT_CHARACTERS = 40
# Longer runs of letters and digits are no number with a unit or name: 10km, FY2018, utf8.
_LONGEST_MEASURE = 24
_SEPARATOR = "\x1f"
_RUN = re.compile(r"[^-_.'’\s]+")
_SEGMENT = re.compile(r"[^-_.'’+#\s]+")
_HUMP = re.compile(r"(?<=[^\WA-Z_\d])(?=[A-Z])|(?<=\d)(?=[A-Z][a-z])|(?<=[A-Z])(?=[A-Z][a-z])")
_ACRONYM_PLURAL = re.compile(r"[A-Z]{2,}s")
_UNSTEMMED = re.compile(r"[\d+#]|^\.")
_DIGITS_AND_LETTERS = re.compile(r"(\d+)([^\W\d_]+)|([^\W\d_]+)(\d+)")
_NUMBER = re.compile(r"(?P<digits>\d[\d.,'’ ]*)(?P<unit>°?[^\W\d_]+[23]?)?")
_GROUPED = re.compile(r"\d{1,3}(?:([,. '’])\d{3})(?:\1\d{3})*(?P<decimals>[.,]\d+)?")
_DECIMAL = re.compile(r"\d+[.,]\d+")


@dataclass(frozen=True)
class _Form:
    """One way to write a word, in lower case; `stemmed`: it is a word of a language, and has a stem."""

    text: str
    stemmed: bool


@dataclass(frozen=True)
class _Forms:
    """`wholes`: the ways to write a word; `parts`: words that it is made of.

    `exact`: in a query, the parts do not count: a decimal is not two numbers.
    """

    wholes: tuple[_Form, ...]
    parts: tuple[_Form, ...] = ()
    exact: bool = False


def analyze(text: str, language: str, type_name: str = "") -> list[str]:
    """The term keys of a passage, in order, function words included.

    `language`: its ISO 639-1 code, may be empty; `type_name`: the type of its document, whose notation is not words.
    """
    return list(chain.from_iterable(map(passage_keys, words_of(without_markup(text, type_name)), repeat(language))))


@lru_cache(maxsize=100_000)
def passage_keys(word: str, language: str) -> tuple[str, ...]:
    """The term keys of one word of a passage, as `words_of` gives it. Cached: most occur many times."""
    if is_unspaced(word):
        # Single characters too, so that a query of one character finds the words that contain it.
        return tuple(_SEPARATOR + piece for piece in (*word, *_bigrams(word)))
    forms = _forms(word)
    keys: dict[str, None] = {}
    for form in (*forms.wholes, *forms.parts):
        keys[_key(form, language)] = None
        for way in folded(form.text):
            keys[_key(_Form(way, form.stemmed), language, bare=True)] = None
    return tuple(keys)


def analyze_query(text: str, languages: frozenset[str]) -> list[Word]:
    """The words of a query, each as a group of term keys by the rules of `languages`, those of the index.

    Function words are left out, unless the query holds nothing else.
    """
    found = words_of(text)
    dropped = _function_words(found, languages)
    kept = [word for number, word in enumerate(found) if number not in dropped] or found
    return [group for word in kept for group in query_words(word, languages)]


def query_words(word: str, languages: frozenset[str]) -> list[Word]:
    """The groups of keys of one word of a query, as `words_of` gives it: a compound gives itself and its parts."""
    if is_unspaced(word):
        return [(Key(_SEPARATOR + piece),) for piece in (_bigrams(word) or word)]
    forms = _forms(word)
    whole = _group(forms.wholes, languages)
    if forms.exact:
        return [whole]
    # Who wrote the compound in one has written its parts.
    return [whole, *(_group((part, *forms.wholes), languages) for part in forms.parts)]


def key_beginnings(text: str, languages: frozenset[str]) -> list[str]:
    """What the keys of all words begin with that begin with `text`."""
    beginnings = [lower(text), *folded(lower(text))]
    marks = [_language_mark(language) for language in sorted(languages)]
    joints = (_SEPARATOR, _SEPARATOR * 2)
    return list(dict.fromkeys(mark + joint + one for mark in (*marks, "") for joint in joints for one in beginnings))


def phrase_units(text: str) -> list[str]:
    """The words of `text` as phrases are compared: in lower case, without accents, compounds taken apart.

    Numbers are compared by value, and scripts without spaces by character.
    """
    return [unit for word in words_of(text) for unit in _units(word)]


@lru_cache(maxsize=100_000)
def _units(word: str) -> tuple[str, ...]:
    if is_unspaced(word):
        return tuple(word)
    if word[0].isdigit() and _NUMBER.fullmatch(word):
        return (_forms(word).wholes[0].text,)
    lowered = lower(word)
    segments = _RUN.findall(lowered)
    return tuple((folded(segment) or (segment,))[0] for segment in segments) or (lowered,)


def phrase_words(text: str, languages: frozenset[str]) -> list[Word]:
    """Groups of keys, all of which a passage holds in which the phrase `text` stands as it is written."""
    groups: list[Word] = []
    for word in words_of(text):
        if is_unspaced(word):
            groups += [(Key(_SEPARATOR + piece),) for piece in (_bigrams(word) or word)]
        elif word[0].isdigit() and _NUMBER.fullmatch(word):
            groups.append(_group(_forms(word).wholes[:1], languages))
        else:
            groups += [_group([_form(segment)], languages) for segment in _RUN.findall(lower(word))]
    return groups


def _group(forms: Iterable[_Form], languages: frozenset[str]) -> Word:
    keys: dict[str, float] = {}
    for form in forms:
        bare = folded(form.text)
        for language in sorted(languages) if form.stemmed else ("",):
            keys[_key(form, language)] = 1.0
            if not bare and not form.text.isdigit():
                keys.setdefault(_key(form, language, bare=True), FOLDED_WEIGHT)
            for way in bare:
                keys.setdefault(_key(_Form(way, form.stemmed), language), FOLDED_WEIGHT)
                keys.setdefault(_key(_Form(way, form.stemmed), language, bare=True), FOLDED_WEIGHT)
    return tuple(Key(text, weight) for text, weight in keys.items())


def _key(form: _Form, language: str, bare: bool = False) -> str:
    joint = _SEPARATOR * 2 if bare else _SEPARATOR
    if not form.stemmed:
        return joint + form.text
    return _language_mark(language) + joint + _stem(form.text, language)


def _forms(word: str) -> _Forms:
    """The ways to write one word of a script with spaces, and its parts."""
    if word[0].isdigit() and (number := _NUMBER.fullmatch(word)):
        return _number_forms(word, number)
    if "'" in word or "’" in word:
        pieces = re.split("['’]", word)
        if all(piece.isalpha() for piece in pieces):
            # As in don't, l'eau, Redis's: the longest piece is the word. O'Brien is also written OBrien.
            longest = lower(max(pieces, key=len))
            joined = lower("".join(pieces))
            is_name = len(pieces) == 2 and len(pieces[0]) == 1 and word[0].isupper() and pieces[1][:1].isupper()
            return _Forms((_form(longest), *([_form(joined)] if is_name else ())))
    segments = _SEGMENT.findall(word)
    if not any(letter.isalnum() for letter in word):
        return _Forms((_Form(word, False),))  # an emoji
    if len(segments) == 1:
        return _one_segment(word, segments[0])
    written = lower(re.sub(r"\s+", "", word))
    wholes = [_Form(_clipped(written), False)]
    if "." not in word:
        wholes.append(_form(lower("".join(segments))))
    parts = [form for segment in segments for form in _pieces(segment)]
    return _Forms(tuple(wholes), tuple(dict.fromkeys(parts)))


def _one_segment(word: str, segment: str) -> _Forms:
    """The forms of a word without hyphens and dots inside; `segment`: the word without its sign, as in `C++`."""
    if segment != word:
        own = _Form(_clipped(lower(word)), False)
        # Who looks for C++ does not look for C; who looks for C may mean C++.
        return _Forms((own,), tuple(_pieces(segment)), exact=len(segment) < 3)
    pieces = _pieces(segment)
    if _ACRONYM_PLURAL.fullmatch(segment):
        return _Forms((_form(lower(segment[:-1])), _form(lower(segment))))
    if len(pieces) == 1:
        return _Forms(tuple(pieces))
    return _Forms((_form(lower(segment)),), tuple(dict.fromkeys(pieces)))


def _pieces(segment: str) -> list[_Form]:
    """The words in a run of letters and digits: `shedFeeders`, `10km`, `FY2018`; the run itself where it is one."""
    humps = [hump for hump in _HUMP.split(segment) if hump]
    if len(humps) > 1 and not _ACRONYM_PLURAL.fullmatch(segment):
        return [_form(lower(hump)) for hump in humps]
    if len(segment) <= _LONGEST_MEASURE and (halves := _DIGITS_AND_LETTERS.fullmatch(segment)):
        return [_form(lower(half)) for half in halves.groups() if half]
    return [_form(lower(segment))]


def _number_forms(word: str, number: re.Match[str]) -> _Forms:
    """The forms of a number: without separators of thousands, with a point before decimals; of its unit."""
    digits, unit = number.group("digits").strip(), number.group("unit")
    grouped = _GROUPED.fullmatch(digits)
    values: list[str] = []
    parts: list[str] = []
    exact = False
    if grouped:
        separator, decimals = grouped.group(1), grouped.group("decimals") or ""
        whole = digits[: len(digits) - len(decimals)] if decimals else digits
        values.append(whole.replace(separator, "") + decimals.replace(",", "."))
        if decimals and not decimals.strip(".,0"):
            values.append(whole.replace(separator, ""))
        if digits.count(separator) == 1 and separator in ".," and not decimals:
            values.append(digits.replace(",", "."))  # 1,234 is a decimal to some
        parts = [] if separator == "." else whole.split(separator)  # 12,345,678 may be a list
        exact = separator != " "
    elif _DECIMAL.fullmatch(digits):
        values.append(digits.replace(",", "."))
        parts = digits.split(",") if "," in digits else []
        exact = True
    elif digits.isdigit():
        values.append(digits)
    else:  # a date, an address, a version
        segments = _SEGMENT.findall(word)
        parts_of = tuple(_Form(lower(one), False) for one in segments)
        return _Forms((_Form(_clipped(lower(word)), False),), parts_of, exact="." in digits)
    if not unit:
        return _Forms(tuple(_Form(_clipped(value), False) for value in values),
                      tuple(_Form(part, False) for part in parts), exact)  # fmt: skip
    measure = lower(unit)
    return _Forms(
        tuple(_Form(_clipped(value + measure), False) for value in values),
        (*(_Form(_clipped(value), False) for value in values), _form(measure)),
    )


def _form(text: str) -> _Form:
    """The form of `text`, which is in lower case."""
    return _Form(_clipped(text), text.isalpha() or _UNSTEMMED.search(text) is None)


def _clipped(text: str) -> str:
    if len(text) <= _MAX_TERM:
        return text
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    return f"{text[:_KEPT_CHARACTERS]}\x1e{digest}"


def _bigrams(run: str) -> list[str]:
    """Every pair of neighbouring characters; none for a single character."""
    return [run[start : start + 2] for start in range(len(run) - 1)]


def _language_mark(language: str) -> str:
    """What a key of a stem begins with; languages without a stemmer share one mark."""
    return language if language in STEMMERS else ""


def _stem(word: str, language: str) -> str:
    stemmer = _stemmer(language)
    return stemmer.stemWord(word) if stemmer else word


@cache
def _stemmer(language: str) -> Any:
    """The Snowball stemmer of `language`; None where there is none."""
    name = STEMMERS.get(language)
    if name is None:
        return None
    import Stemmer

    return Stemmer.Stemmer(name)


def _function_words(found: list[str], languages: frozenset[str]) -> frozenset[int]:
    """The numbers of the function words among the words `found` of a query.

    They are those of the language with the most of them. Two of them are needed, else none is left out; one is enough
    for English, and where the index holds one language. A capital in a query that has small letters, too, names
    something: vitamin A, ask IT.
    """
    lowered = [lower(word) for word in found]
    named = _names(found)
    best: frozenset[int] = frozenset()
    for language in sorted(languages, key=lambda code: (code != "en", code)):
        own = FUNCTION_WORDS.get(language, frozenset())
        held = frozenset(number for number, word in enumerate(lowered) if word in own and number not in named)
        if len(held) > len(best) and (len(held) >= 2 or len(languages) == 1 or language == "en"):
            best = held
    return best


def _names(found: list[str]) -> frozenset[int]:
    """The numbers of the words in capitals that are not there because all are, or a sentence begins, or to say I."""
    if all(word.isupper() for word in found if word.isalpha()):
        return frozenset()
    return frozenset(
        number for number, word in enumerate(found) if word.isupper() and word != "I" and (number or len(word) > 1)
    )
