r"""The language of queries: what of a query is syntax, and what it asks for. A pure function.

    "closed to lorries"    the words as they are written, one after another
    -draft  -"old price"   not in passages that hold this
    tomat*                 words that begin so
    path:notes/2024  type:pdf  title:"annual report"

Everything else is words, also what looks like syntax but is not complete: a single quote mark, `-5`, `--all`, `a-b`,
`5*3`, `note: this`, a type that does not exist. A backslash before `"`, `-`, `*` or `:` makes it a plain character.
"""

import re
from dataclasses import dataclass, field, replace

from semsearch.store.records import Filters

_ITEM = re.compile(
    r"""(?<!\S)(?P<minus>-?)(?:(?P<field>path|type|title):)?(?:"(?P<phrase>(?:[^"\\]|\\.)*)"|(?P<word>\S+))""",
    re.DOTALL,
)
_QUOTED = re.compile(r"[“”„«»]")
_ESCAPED = re.compile(r'\\(["*:-])')
_FEWEST_LETTERS_OF_A_PREFIX = 2


@dataclass(frozen=True)
class ParsedQuery:
    """What a query asks for.

    `text`: its words without syntax, for the model; `words`: those of them that are looked for in any of their forms,
    which beginnings are not; `phrases`: what passages must hold as it is
    written; `excluded`: words and phrases they must not hold; `prefixes`: what words begin with, one of each must
    count; `filters`: of the files, to be added to those of the search.
    """

    text: str
    words: str
    phrases: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    filters: Filters = field(default_factory=Filters)

    @property
    def is_plain(self) -> bool:
        """Whether it has no syntax."""
        return not (self.phrases or self.excluded or self.prefixes or self.filters)


def parse_query(query: str) -> ParsedQuery:
    """What `query` asks for. Where nothing is looked for but syntax that excludes, all of it is words."""
    kept: list[str] = []
    words: list[str] = []
    phrases: list[str] = []
    excluded: list[str] = []
    prefixes: list[str] = []
    filters = Filters()
    for match in _ITEM.finditer(_QUOTED.sub('"', query)):
        named, minus = match.group("field"), bool(match.group("minus"))
        value = _ESCAPED.sub(r"\1", match.group("phrase") or match.group("word") or "")
        is_phrase = match.group("phrase") is not None
        if named and not minus and (narrowed := _narrowed(filters, named, value)) is not None:
            filters = narrowed
        elif named or not value.strip() or (minus and not _can_be_excluded(value, is_phrase)):
            words.append(_ESCAPED.sub(r"\1", match.group()).strip('"'))
            kept.append(words[-1])
        elif minus:
            excluded.append(value)
        elif is_phrase:
            phrases.append(value)
            words.append(value)
            kept.append(value)
        elif beginning := _beginning(match.group("word")):
            prefixes.append(beginning)
            kept.append(beginning)
        else:
            words.append(value)
            kept.append(value)
    text = " ".join(part for part in kept if part)
    if not _has_words(text) and not _has_words(" ".join(phrases)):
        return ParsedQuery("", "", filters=filters) if filters and not excluded else plain_query(query)
    phrases = [phrase for phrase in phrases if _has_words(phrase)]
    return ParsedQuery(
        text, " ".join(word for word in words if word), tuple(phrases), tuple(excluded), tuple(prefixes), filters
    )


def plain_query(query: str) -> ParsedQuery:
    """`query` without syntax: every character of it is text."""
    return ParsedQuery(query, query)


def _narrowed(filters: Filters, name: str, value: str) -> Filters | None:
    """`filters` with one more; None where this is no filter."""
    if not _has_words(value):
        return None
    if name == "path":
        return replace(filters, paths=(*filters.paths, value))
    if name == "title":
        return replace(filters, titles=(*filters.titles, value))
    from semsearch.sources.document_types import type_named  # 10 ms, for queries that ask for a type

    return replace(filters, types=(*filters.types, value)) if type_named(value) else None


def _can_be_excluded(value: str, is_phrase: bool) -> bool:
    """Whether `-value` excludes: -x and -5 are options and numbers that are looked for."""
    return _has_words(value) and (is_phrase or (len(value) > 1 and value[0].isalpha()))


def _beginning(word: str | None) -> str:
    """What `word` is a pattern of words with, as in `tomat*`; empty where it is none."""
    if word is None or not word.endswith("*") or word.endswith("\\*"):
        return ""
    beginning = word[:-1]
    letters = sum(letter.isalnum() for letter in beginning)
    is_word = beginning.replace("-", "").replace("_", "").replace(".", "").isalnum()
    return beginning if is_word and letters >= _FEWEST_LETTERS_OF_A_PREFIX else ""


def _has_words(text: str) -> bool:
    return any(letter.isalnum() for letter in text) or any(ord(letter) > 0x2000 for letter in text)
