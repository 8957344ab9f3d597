r"""The language of queries: what of a query is syntax, and what it asks for. A pure function.

    "closed to lorries"    the words as they are written, one after another
    -draft  -"old price"   not in passages that hold this, the word in any of its forms; -tomat*, -type:pdf, too
    tomat*                 words that begin so, in scripts with spaces between words
    path:notes/2024  type:pdf  title:"annual report"

Everything else is words, also what looks like syntax but is not complete: a single quote mark, `-5`, `-rf`, `--all`,
`a-b`, `5*3`, `note: this`, a type that does not exist. A backslash before `"`, `-`, `*`, `:` or a space makes it a
plain character.
"""

import re
import unicodedata
from dataclasses import dataclass, field, replace

from semsearch.lexical.forms import number_in
from semsearch.lexical.phrases import phrase_units
from semsearch.lexical.words import is_unspaced, words_of
from semsearch.store.records import Filters

_ITEM = re.compile(
    r"""(?:(?<!\S)|(?<="))(?P<minus>-?)(?:(?P<field>path|type|title):)?"""
    r"""(?:"(?P<phrase>(?:[^"\\]|\\.)*)"|(?P<word>\S+(?:(?<=\\)\s\S+)*))""",
    re.DOTALL,
)
_QUOTED = re.compile(r"[“”„«»]")
_ESCAPED = re.compile(r'\\(["*:\s-])')
# Shorter ones are options that are looked for, unless they are capitals: rm -rf, but -EU.
_FEWEST_LETTERS_EXCLUDED = 3
_FEWEST_LETTERS_OF_A_PREFIX = 2


@dataclass(frozen=True)
class ParsedQuery:
    """What a query asks for.

    `text`: its words without syntax, for the model, empty where nothing is looked for; `words`: those of them that are
    looked for in any of their forms, which phrases and beginnings are not; `phrases`: what passages must hold as it is
    written; `prefixes`: what words begin with, one of each must count; `excluded`, `excluded_phrases`,
    `excluded_prefixes`: what they must not hold; `filters`: of the files, to be added to those of the search.
    """

    text: str
    words: str
    phrases: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    excluded_phrases: tuple[str, ...] = ()
    excluded_prefixes: tuple[str, ...] = ()
    filters: Filters = field(default_factory=Filters)

    @property
    def restricts(self) -> bool:
        """Whether it lets in only some of the passages."""
        excluded = self.excluded or self.excluded_phrases or self.excluded_prefixes
        return bool(self.filters or self.phrases or excluded)


def parse_query(query: str) -> ParsedQuery:
    """What `query` asks for."""
    kept: list[str] = []
    words: list[str] = []
    phrases: list[str] = []
    prefixes: list[str] = []
    excluded: list[str] = []
    excluded_phrases: list[str] = []
    excluded_prefixes: list[str] = []
    filters = Filters()
    for match in _ITEM.finditer(_QUOTED.sub('"', query)):
        named, minus = match.group("field"), bool(match.group("minus"))
        value = _ESCAPED.sub(r"\1", match.group("phrase") or match.group("word") or "")
        is_phrase = match.group("phrase") is not None
        if named and (narrowed := _narrowed(Filters() if minus else filters, named, value)) is not None:
            filters = replace(filters, none_of=(*filters.none_of, narrowed)) if minus else narrowed
        elif named or not value.strip() or (minus and not _can_be_excluded(value, is_phrase)):
            words.append(_ESCAPED.sub(r"\1", match.group()).strip('"'))
            kept.append(words[-1])
        elif minus:
            beginning = "" if is_phrase else _beginning(match.group("word"))
            (excluded_prefixes if beginning else excluded_phrases if is_phrase else excluded).append(beginning or value)
        elif is_phrase:
            (phrases if phrase_units(value) else words).append(value)
            kept.append(value)
        elif beginning := _beginning(match.group("word")):
            prefixes.append(beginning)
            kept.append(beginning)
        else:
            words.append(value)
            kept.append(value)
    text = " ".join(part for part in kept if part)
    return ParsedQuery(
        text if words_of(text) else "",
        " ".join(word for word in words if word),
        tuple(phrases),
        tuple(prefixes),
        tuple(excluded),
        tuple(excluded_phrases),
        tuple(excluded_prefixes),
        filters,
    )


def plain_query(query: str) -> ParsedQuery:
    """`query` without syntax: every character of it is text."""
    return ParsedQuery(query if words_of(query) else "", query)


def _narrowed(filters: Filters, name: str, value: str) -> Filters | None:
    """`filters` with one more; None where this is no filter."""
    if not words_of(value):
        return None
    if name == "path":
        return replace(filters, paths=(*filters.paths, value))
    if name == "title":
        return replace(filters, titles=(*filters.titles, value))
    from semsearch.sources.document_types import type_named  # 10 ms, for queries that ask for a type

    return replace(filters, types=(*filters.types, value)) if type_named(value) else None


def _can_be_excluded(value: str, is_phrase: bool) -> bool:
    """Whether `-value` excludes: -x and -5 are options and numbers that are looked for."""
    if is_phrase:
        return bool(phrase_units(value))
    letters = value.removeprefix(".")
    is_long = len(letters) >= _FEWEST_LETTERS_EXCLUDED or letters.isupper() or not letters.isascii()
    return letters[:1].isalpha() and len(letters) > 1 and is_long


def _beginning(word: str | None) -> str:
    """What `word` is a pattern of words with, as in `tomat*`; empty where it is none."""
    if word is None or not word.endswith("*") or word.endswith("\\*"):
        return ""
    beginning = unicodedata.normalize("NFC", word[:-1])
    is_word = words_of(beginning) == [beginning] and not is_unspaced(beginning)
    is_word = is_word and (beginning.isdigit() or number_in(beginning) is None)
    letters = sum(letter.isalnum() for letter in beginning)
    return beginning if is_word and letters >= _FEWEST_LETTERS_OF_A_PREFIX else ""
