"""A retrieved passage, parsed for checking claims against it: its sentences, clauses, numbers and terms."""

import re
from dataclasses import dataclass, field
from functools import lru_cache

from semsearch.lexical.analyzer import analyze, analyze_query
from semsearch.lexical.language import detect
from semsearch.lexical.words import words_of
from semsearch.retrieval.hit import Hit
from semsearch.retrieval.sentences import sentence_spans

_NUMBER = re.compile(r"(?<![^\W_])\d+(?:[.,’'\u00a0\u202f]\d+)*")
_GROUPED = re.compile(r"\d{1,3}(?:[.,’'\u00a0\u202f]\d{3})+")
_NUMBER_WORDS = {
    word: value
    for value, words in {
        "2": "two twice zwei zweimal deux dos due", "3": "three drei trois tres tre", "4": "four vier quatre cuatro",
        "5": "five fünf cinq cinco cinque", "6": "six sechs seis sei", "7": "seven sieben sept siete sette",
        "8": "eight acht huit ocho otto", "9": "nine neun neuf nueve nove", "10": "ten zehn dix diez dieci",
        "11": "eleven elf onze once", "12": "twelve zwölf douze doce", "13": "thirteen", "14": "fourteen",
        "15": "fifteen", "16": "sixteen", "17": "seventeen", "18": "eighteen", "19": "nineteen",
        "20": "twenty zwanzig vingt veinte", "30": "thirty dreißig trente treinta", "40": "forty", "50": "fifty",
        "60": "sixty", "70": "seventy", "80": "eighty", "90": "ninety",
    }.items()
    for word in words.split()
}  # fmt: skip
# Read as numbers in a passage but not in an answer, where they are mostly articles and pronouns.
_MAYBE_NUMBERS = {"one": "1", "ein": "1", "eine": "1", "einen": "1", "un": "1", "une": "1", "una": "1", "uno": "1",
                  "once": "1", "single": "1", "zero": "0", "null": "0", "hundred": "100", "thousand": "1000",
                  "sei": "6", "sept": "7", "elf": "11", "due": "2", "dos": "2", "nove": "9"}  # fmt: skip
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

    `language`: its ISO 639-1 code; `context_keys`: term keys of its path, title and heading.
    """

    hit: Hit
    language: str
    sentences: tuple[ParsedSentence, ...]
    context_keys: frozenset[str]

    @property
    def keys(self) -> frozenset[str]:
        """Term keys of the passage and of its path, title and heading."""
        return self.context_keys.union(*(sentence.keys for sentence in self.sentences))

    @property
    def numbers(self) -> list[frozenset[str]]:
        """Every number of the passage and of its path, title and heading, each as the set of values it may have."""
        own = [number for sentence in self.sentences for clause in sentence.clauses for number in clause.numbers]
        return own + [readings for _, readings in numbers_of(_context(self.hit), loose=True)]


def parse_passage(hit: Hit) -> ParsedPassage:
    """`hit` parsed; its language is detected from its text."""
    language = detect(hit.text)
    sentences = []
    for start, end in sentence_spans(hit.text):
        text = hit.text[start:end]
        clauses = tuple(_clause(piece, language) for piece in clauses_of(text))
        sentences.append(ParsedSentence(start, end, text, frozenset(analyze(text, language)), clauses))
    return ParsedPassage(hit, language, tuple(sentences), frozenset(analyze(_context(hit), language)))


def content_terms(text: str, languages: frozenset[str]) -> list[tuple[str, ...]]:
    """The content words of `text` without numbers, each as the term keys it has in any of `languages`."""
    groups = [tuple(key.text for key in group) for group in analyze_query(text, languages)]
    return [keys for keys in groups if not _NUMBER.fullmatch(keys[0].lstrip("\x1f"))]


def numbers_of(text: str, *, loose: bool = False) -> list[tuple[int, frozenset[str]]]:
    """(position, possible values) of each number in `text`, in figures or in words, by position.

    A number may be read in two ways: `1.000` is one or a thousand. `loose` also reads words that are mostly articles or
    pronouns as numbers ("one", "ein").
    """
    numbers = [(match.start(), _readings(match.group())) for match in _NUMBER.finditer(text)]
    for match in re.finditer(r"[^\W\d_]+", text):
        word = match.group().lower()
        value = _NUMBER_WORDS.get(word) if word not in _MAYBE_NUMBERS else None
        if loose and word in _MAYBE_NUMBERS:
            value = _MAYBE_NUMBERS[word]
        if value:
            numbers.append((match.start(), frozenset({value})))
    return sorted(numbers, key=lambda item: item[0])


def _readings(number: str) -> frozenset[str]:
    """The values a number in figures may have, as decimal strings without leading or trailing zeros."""
    readings = set()
    if _GROUPED.fullmatch(number):
        readings.add(re.sub(r"\D", "", number).lstrip("0") or "0")
    if not _GROUPED.fullmatch(number) or len(_GROUPED.findall(number)) == 1:
        whole, *parts = re.split(r"\D", number)
        whole = whole.lstrip("0") or "0"
        if len(parts) == 1:
            decimals = parts[0].rstrip("0")
            readings.add(f"{whole}.{decimals}" if decimals else whole)
        readings.add(".".join((whole, *parts)))
    return frozenset(readings)


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
