"""Text -> terms. The same code makes the terms of passages and of queries.

A term is a byte-safe string key: the stem with its language in front (`en\x1fevict`), or bare where no stemming
applies: numbers, identifiers, CJK. Keys of two languages never collide (German stems "news" to "new"), and a
query word becomes a group of keys, one for each language the index holds, so that no query language is guessed.
"""

import re
import unicodedata
from functools import cache, lru_cache
from typing import Any

from semsearch.lexical.language import FUNCTION_WORDS, STEMMERS

# Scripts written without spaces between words, and Hangul, whose words carry their particles: character n-grams.
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
    """The term keys of a passage in `language`, in order, function words included."""
    terms: list[str] = []
    for token, unspaced in _tokens(text):
        terms += _passage_keys(token, unspaced, language)
    return terms


@lru_cache(maxsize=100_000)
def _passage_keys(token: str, unspaced: bool, language: str) -> tuple[str, ...]:
    """The term keys of one token of a passage; most tokens of a folder are repetitions."""
    if unspaced:
        # Single characters too, so that a query of one character finds the words it is part of.
        return (*token, *_bigrams(token))
    plain, stems = _keys(token)
    prefix = _prefix(language)
    return (*plain, *(prefix + stem for stem in _stem(stems, language)))


def analyze_query(text: str, languages: frozenset[str]) -> list[tuple[str, ...]]:
    """The words of a query, each as the group of term keys that stand for it in `languages` of the index.

    Function words of the query's own language are left out unless nothing else is left.
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
    """The words of `text`: what fertility counts."""
    return [token for token, _ in _tokens(text)]


def matchable(text: str) -> list[str]:
    """The pieces of `text` that a query can match each by itself: words, and bigrams where words have no spaces."""
    pieces: list[str] = []
    for token, unspaced in _tokens(text):
        pieces += (_bigrams(token) or [token]) if unspaced else [token]
    return pieces


def _tokens(text: str) -> list[tuple[str, bool]]:
    normal = unicodedata.normalize("NFKC", text)
    return [(match.group()[:1000], match.group("unspaced") is not None) for match in _TOKEN.finditer(normal)]


def _keys(token: str) -> tuple[list[str], list[str]]:
    """(keys without a language, lower-case words to be stemmed) of one token.

    `maxmemory-policy` gives itself and its two words; `shedFeeders` itself, `shed` and `feeders`; `E-417`
    itself, `e` and `417`; a word with an apostrophe is that word without what follows it.
    """
    lowered = token.lower()[:_MAX_TERM]
    if "'" in token or "’" in token:
        parts = re.split("['’]", token)
        if all(part.isalpha() for part in parts):
            # don't, l'eau, Redis's: the long part is the word.
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
    return [run[start : start + 2] for start in range(len(run) - 1)]


def _prefix(language: str) -> str:
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
    """The list of the language whose function words `words` holds most of; empty when it holds fewer than two.

    English is not asked to prove itself twice: a single "the" is enough where the index holds English.
    """
    best: frozenset[str] = frozenset()
    most = 0
    for language in sorted(languages, key=lambda code: (code != "en", code)):
        known = FUNCTION_WORDS.get(language, frozenset())
        hits = sum(word in known for word in words)
        if hits > most and (hits >= 2 or len(languages) == 1 or language == "en"):
            best, most = known, hits
    return best
