"""A retrieved passage, parsed for checking claims against it: its sentences, clauses, numbers and terms."""

import re
from dataclasses import dataclass, field
from functools import lru_cache

from semsearch.answering.numbers_in_text import is_number, numbers_of
from semsearch.answering.quantities import Quantity, quantities_of
from semsearch.lexical.analyzer import analyze, analyze_query
from semsearch.lexical.language import detect
from semsearch.lexical.words import words_of
from semsearch.retrieval.hit import Hit
from semsearch.retrieval.sentences import sentence_spans

_NEGATION = re.compile(
    r"\b(?:not|no|never|none|nobody|nothing|cannot|without|neither|nor|hardly|"
    r"nicht|nichts|kein\w*|nie|niemals|ohne|weder|pas|jamais|aucune?|sans|nunca|jamás|sin|ning[uú]na?|ningún|"
    r"mai|senza|nessun\w*|não|sem|nenhuma?|niet|geen|nooit|zonder|inte|ej|aldrig|не|нет|никогда|без)\b"
    r"|n['’]t\b|[不没沒無无未]|ません|ない",
    re.IGNORECASE,
)
# Where one clause of a sentence ends and the next begins.
_CLAUSE = re.compile(
    r"[;:|\n]|,(?=\s)|\s(?:and|while|whereas|but|although|though|unless|except|und|aber|während|sondern|et|mais|y|pero)\s"
)


@dataclass(frozen=True)
class Clause:
    """One statement within a sentence.

    `keys`: term keys of its words (`lexical.analyzer`); `numbers`: each number as the set of values it may have;
    `words`: its words in lower case; `negations`: how many negating words it holds.
    """

    keys: frozenset[str]
    numbers: tuple[frozenset[str], ...]
    words: frozenset[str]
    negations: int


@dataclass(frozen=True)
class ParsedSentence:
    """A sentence of a passage: `text` is `hit.text[start:end]`; `keys` are the term keys of its words."""

    start: int
    end: int
    text: str
    keys: frozenset[str]
    clauses: tuple[Clause, ...] = field(repr=False)


@dataclass(frozen=True)
class ParsedPassage:
    """A hit with its parsed sentences.

    `language`: its ISO 639-1 code; `context_keys`: term keys of its path, title and heading; `quantities`: every number
    of the passage and of its path, title and heading, with its unit.
    """

    hit: Hit
    language: str
    sentences: tuple[ParsedSentence, ...]
    context_keys: frozenset[str]
    quantities: tuple[Quantity, ...] = field(repr=False)

    @property
    def keys(self) -> frozenset[str]:
        """Term keys of the passage and of its path, title and heading."""
        return self.context_keys.union(*(sentence.keys for sentence in self.sentences))


def parse_passage(hit: Hit) -> ParsedPassage:
    """`hit` parsed; its language is detected from its text."""
    language = detect(hit.text)
    sentences = []
    for start, end in sentence_spans(hit.text):
        text = hit.text[start:end]
        clauses = tuple(_clause(piece, language) for piece in clauses_of(text))
        sentences.append(ParsedSentence(start, end, text, frozenset(analyze(text, language)), clauses))
    context = _context(hit)
    quantities = (*quantities_of(hit.text, loose=True), *quantities_of(context, loose=True))
    return ParsedPassage(hit, language, tuple(sentences), frozenset(analyze(context, language)), quantities)


def content_terms(text: str, languages: frozenset[str]) -> list[tuple[str, ...]]:
    """The content words of `text` without numbers, each as the term keys it has in any of `languages`."""
    groups = [tuple(key.text for key in group) for group in analyze_query(text, languages)]
    return [keys for keys in groups if not is_number(keys[0].lstrip("\x1f"))]


def count_negations(text: str) -> int:
    """How many words of `text` negate ("not", "kein", "jamais" ...)."""
    return len(_NEGATION.findall(text))


def clauses_of(text: str) -> list[str]:
    """The clauses of `text`, one sentence: cut at conjunctions and punctuation.

    A piece of fewer than two words joins the one before it.
    """
    pieces: list[str] = []
    start = 0
    for match in _CLAUSE.finditer(text):
        pieces.append(text[start : match.start()])
        start = match.end()
    pieces.append(text[start:])
    joined: list[str] = []
    for piece in pieces:
        if (joined and len(words_of(piece)) < 2) or (joined and len(words_of(joined[-1])) < 2):
            joined[-1] += " " + piece
        else:
            joined.append(piece)
    return joined


@lru_cache(maxsize=4096)
def _clause(text: str, language: str) -> Clause:
    return Clause(
        frozenset(analyze(text, language)),
        tuple(readings for _, readings in numbers_of(text, loose=True)),
        frozenset(word.lower() for word in words_of(text)),
        count_negations(text),
    )


def _context(hit: Hit) -> str:
    return " ".join((hit.path, hit.title, *hit.heading))
