"""Splits text into terms, for passages and for queries alike.

A term key is a string: the language, \\x1f and the stem (`en\\x1fevict`), or the bare word where nothing is stemmed
(numbers, identifiers, scripts without spaces). So keys of two languages never collide: German stems "news" to "new". A
query word becomes a group of keys, one for each language of the index, so that the language of a query need not be
guessed.
"""

import re
import unicodedata
from functools import cache, lru_cache
from typing import Any

from semsearch.lexical.language import FUNCTION_WORDS, STEMMERS

# Scripts written without spaces between words, and Hangul, where particles are attached to words. They are indexed by
# characters and character bigrams.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Myanmar, Khmer
    "\u1100-\u11ff\u3040-\u30ff\u3130-\u318f\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
    "\U00020000-\U0003134f"
)
_TOKEN = re.compile(rf"(?P<unspaced>[{_UNSPACED}]+)|[^\W_{_UNSPACED}]+(?:[-_.'’][^\W_{_UNSPACED}]+)*|_+\w+")
_PART = re.compile(r"[^\W_]+")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_MAX_TERM = 64


def analyze(text: str, language: str) -> list[str]:
    """The term keys of a passage, in order, function words included. `language`: its ISO 639-1 code, may be empty."""
    terms: list[str] = []
    for token, unspaced in _tokens(text):
        terms += _passage_keys(token, unspaced, language)
    return terms


@lru_cache(maxsize=100_000)
def _passage_keys(token: str, unspaced: bool, language: str) -> tuple[str, ...]:
    """The term keys of one token of a passage. Cached, because most tokens of a folder occur many times."""
    if unspaced:
        # Single characters too, so that a query of one character finds the words that contain it.
        return (*token, *_bigrams(token))
    plain, stems = _keys(token)
    prefix = _prefix(language)
    return (*plain, *(prefix + stem for stem in _stem(stems, language)))


def analyze_query(text: str, languages: frozenset[str]) -> list[tuple[str, ...]]:
    """The words of a query, each as a tuple of term keys: one key for each of `languages`, those of the index.

    Function words are left out, unless the query holds nothing else.
    """
    words = list(_tokens(text))
    spaced = [token.lower() for token, unspaced in words if not unspaced]
    dropped = _function_words(spaced, languages)
    groups: list[tuple[str, ...]] = []
    for keep_all in (False, True):
        for token, unspaced in words:
            if unspaced:
                groups += [(key,) for key in (_bigrams(token) or token)]
            elif keep_all or token.lower() not in dropped:
                plain, stems = _keys(token)
                groups += [(key,) for key in plain]
                for position in range(len(stems)):
                    groups.append(
                        tuple(
                            dict.fromkeys(
                                _prefix(language) + stem
                                for language in sorted(languages)
                                for stem in _stem(stems[position : position + 1], language)
                            )
                        )
                    )
        groups = [group for group in groups if group]
        if groups:
            break
    return groups


def words_of(text: str) -> list[str]:
    """The words of `text`. Fertility, the number of subwords for each word, counts them."""
    return [token for token, _ in _tokens(text)]


def matchable(text: str) -> list[str]:
    """The parts of `text` that a query can match: words, and character bigrams of scripts without spaces."""
    pieces: list[str] = []
    for token, unspaced in _tokens(text):
        pieces += (_bigrams(token) or [token]) if unspaced else [token]
    return pieces


def _tokens(text: str) -> list[tuple[str, bool]]:
    """(token, whether it is of a script without spaces) of `text`, normalised to NFKC."""
    normal = unicodedata.normalize("NFKC", text)
    return [(match.group()[:1000], match.group("unspaced") is not None) for match in _TOKEN.finditer(normal)]


def _keys(token: str) -> tuple[list[str], list[str]]:
    """(keys that are not stemmed, lower-case words that are to be stemmed) of one token.

    A compound gives itself and its parts: `maxmemory-policy`, `maxmemory` and `policy`; `shedFeeders`, `shed` and
    `feeders`; `E-417`, `e` and `417`. A word with an apostrophe gives its longest part only.
    """
    lowered = token.lower()[:_MAX_TERM]
    if "'" in token or "’" in token:
        parts = re.split("['’]", token)
        if all(part.isalpha() for part in parts):
            # As in don't, l'eau, Redis's.
            return [], [max(parts, key=len).lower()[:_MAX_TERM]]
    parts = [hump for part in _PART.findall(token) for hump in _HUMP.split(part)]
    plain = [lowered] if len(parts) > 1 else []
    stems = []
    for part in parts:
        word = part.lower()[:_MAX_TERM]
        if word.isalpha():
            stems.append(word)
        else:
            plain.append(word)
    return plain, stems


def _bigrams(run: str) -> list[str]:
    """Every pair of neighbouring characters; none for a single character."""
    return [run[start : start + 2] for start in range(len(run) - 1)]


def _prefix(language: str) -> str:
    """What stands before the stem in a key; languages without a stemmer share one prefix."""
    return (language if language in STEMMERS else "") + "\x1f"


def _stem(words: list[str], language: str) -> list[str]:
    stemmer = _stemmer(language)
    return stemmer.stemWords(words) if stemmer and words else words


@cache
def _stemmer(language: str) -> Any:
    """The Snowball stemmer of `language`; None where there is none."""
    name = STEMMERS.get(language)
    if name is None:
        return None
    import Stemmer

    return Stemmer.Stemmer(name)


def _function_words(words: list[str], languages: frozenset[str]) -> frozenset[str]:
    """The function words of the language of a query: the one with the most of its function words among `words`.

    Two of them are needed, else none are left out. One is enough for English, and where the index holds one language.
    """
    best: frozenset[str] = frozenset()
    most = 0
    for language in sorted(languages, key=lambda code: (code != "en", code)):
        function_words = FUNCTION_WORDS.get(language, frozenset())
        count = sum(word in function_words for word in words)
        if count > most and (count >= 2 or len(languages) == 1 or language == "en"):
            best, most = function_words, count
    return best
