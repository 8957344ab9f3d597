"""Groundedness: whether the passages an answer cites support a claim, decided by numbers, names, words and polarity.

Not decided, for words cannot tell: who does what to whom ("A sends to B" and "B sends to A" have the same words), cause
and effect, and quantifiers beyond the listed ones. Across languages only numbers with their units are compared, and
sentences by `similarity`; see `judge_foreign_claim`.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from semsearch.answering.numbers_in_text import numbers_of
from semsearch.answering.parsed_passage import (
    Clause,
    ParsedPassage,
    ParsedSentence,
    clauses_of,
    content_terms,
    count_negations,
)
from semsearch.answering.quantities import has_another_unit, in_other_units, is_calculated, quantities_of, unit_words
from semsearch.lexical.analyzer import analyze_query
from semsearch.lexical.language import detect
from semsearch.lexical.words import words_of

# The cosine of two sentences.
Similarity = Callable[[str, str], float]

# Share of a claim's content words that must stand in the cited passages, and of those in two consecutive sentences of
# one of them. Set on the labelled claims in tests/support/labelled_sentences.py; a test prints precision and recall.
WORDS_IN_PASSAGES = 0.75
WORDS_IN_TWO_SENTENCES = 0.6
# A sentence with a calculation has words of its own for it.
WORDS_OF_A_CALCULATION = 0.5
# Cosine from which `similarity` stands in for the words; never for numbers, names and polarity.
SIMILAR = 0.8

_OPPOSITE_WORDS = [
    "enable enabled enables|disable disabled disables", "on|off", "allow allowed allows permit permitted|"
    "forbid forbids forbidden deny denies denied prohibit prohibited prohibits reject rejects rejected",
    "increase increases increased rise rises rose grow grew|"
    "decrease decreases decreased fall falls fell shrink reduce reduces reduced",
    "before|after", "minimum least|maximum most", "more|less fewer", "always|never",
    "higher highest high|low lower lowest",
    "true|false", "first|last", "above|below", "start starts started|stop stops stopped", "open opens opened|"
    "close closes closed", "include includes included|exclude excludes excluded", "accept accepts accepted|"
    "refuse refuses refused decline declined", "win won wins|lose lost loses", "pass passed passes|fail failed fails",
    "required mandatory|optional", "synchronous|asynchronous", "faster|slower", "larger bigger|smaller",
    "hot|cold", "add adds added|remove removes removed", "same|different", "early earlier|late later",
    "internal|external", "public|private", "read|write", "all|none", "success|failure",
    "aktiviert|deaktiviert", "mehr|weniger", "vor|nach", "immer|nie", "erlaubt|verboten", "steigt stieg|sinkt sank",
    "activé|désactivé", "avant|après", "toujours|jamais", "antes|después", "siempre|nunca",
]  # fmt: skip
_OPPOSITE: dict[str, frozenset[str]] = {}
for _pair in _OPPOSITE_WORDS:
    _left, _right = (frozenset(side.split()) for side in _pair.split("|"))
    for _side, _other in ((_left, _right), (_right, _left)):
        for _word in _side:
            _OPPOSITE[_word] = _OPPOSITE.get(_word, frozenset()) | _other
_PREFIXES = ("un", "in", "im", "ir", "non", "dis", "de")
# These say something of the question alone.
_YES_OR_NO = re.compile(
    r"\W*(?:yes|no|correct|ja|nein|oui|non|si|sí|sì|sim|não|nee|nej|da|tak|nie|да|нет|是的?|不是|はい|いいえ|네|아니요)\W*",
    re.IGNORECASE,
)
_NAME = re.compile(r"(?<=[^\W_][,;]\s)[A-Z][^\W_]+|(?<=[^\W_]\s)[A-Z][^\W_]+")
_NOUNS_ARE_CAPITALISED = {"de"}


@dataclass(frozen=True)
class Verdict:
    """Whether a claim is supported; else the `reason`, and the words or numbers that are `missing`.

    `reason`: `numbers`, `units`, `names`, `words`, `negation` or `uncited`; `calculation`, `language`, `nothing to
    check` and `too many sentences`: whether it is supported cannot be told; "" when supported.
    """

    supported: bool
    reason: str = ""
    missing: tuple[str, ...] = ()


def judge_claim(
    claim: str,
    passages: Sequence[ParsedPassage],
    similarity: Similarity | None = None,
    least_similarity: float = SIMILAR,
) -> Verdict:
    """Whether `passages` support `claim`, a sentence without its citation marks.

    `similarity` may stand in for missing words from `least_similarity` (a cosine) on. The module's docstring says what
    is not decided.
    """
    languages = frozenset(passage.language for passage in passages)
    terms = content_terms(claim, languages)
    if not passages or _YES_OR_NO.fullmatch(claim) or (not terms and not numbers_of(claim)):
        return Verdict(False, "nothing to check")
    clauses = [clause for passage in passages for sentence in passage.sentences for clause in sentence.clauses]
    keys = frozenset[str]().union(*(passage.keys for passage in passages))

    numbers = _judge_numbers(claim, passages)
    if numbers is not None and numbers.reason != "calculation":
        return numbers
    # Units were compared with their numbers, however they are written.
    units = {key for term in content_terms(" ".join(unit_words(claim)), languages) for key in term}
    terms = [term for term in terms if units.isdisjoint(term) or keys.intersection(term)]
    if unknown := _unknown_names(claim, keys | units, languages):
        return Verdict(False, "names", tuple(unknown))
    if numbers is not None and _count_held(terms, keys) >= WORDS_OF_A_CALCULATION * len(terms):
        return numbers
    if terms and not _words_supported(terms, passages, keys):
        sentences = (sentence for passage in passages for sentence in passage.sentences)
        if similarity is None or not any(similarity(claim, s.text) >= least_similarity for s in sentences):
            absent = [term[0].rpartition("\x1f")[2] for term in terms if not keys.intersection(term)]
            return Verdict(False, "words", tuple(absent))
    for piece in clauses_of(claim):
        verdict = _contradicted(piece, languages, clauses)
        if verdict is not None:
            return verdict
    return Verdict(True)


def judge_foreign_claim(claim: str, passages: Sequence[ParsedPassage], similarity: Similarity | None = None) -> Verdict:
    """Whether `passages`, in another language than `claim`, support it, as far as that can be told.

    Numbers and their units are compared as always; of the rest the `similarity` may speak for the claim, and nothing
    against it.
    """
    numbers = _judge_numbers(claim, passages)
    if numbers is not None:
        return numbers
    sentences = (sentence for passage in passages for sentence in passage.sentences)
    if similarity is not None and any(similarity(claim, sentence.text) >= SIMILAR for sentence in sentences):
        return Verdict(True)
    return Verdict(False, "language")


def _judge_numbers(claim: str, passages: Sequence[ParsedPassage]) -> Verdict | None:
    """The verdict against the numbers of `claim`; None where `passages` hold all of them, with their units."""
    claimed = quantities_of(claim)
    known = [quantity for passage in passages for quantity in passage.quantities]
    missing = [
        quantity
        for quantity in claimed
        if not any(quantity.values & other.values for other in known) and not in_other_units(quantity, known)
    ]
    if missing:
        reason = "calculation" if is_calculated(missing, claimed, known) else "numbers"
        return Verdict(False, reason, tuple(min(quantity.values) for quantity in missing))
    other_unit = tuple(min(quantity.values) for quantity in claimed if has_another_unit(quantity, known))
    return Verdict(False, "units", other_unit) if other_unit else None


def match_score(terms: Sequence[tuple[str, ...]], numbers: Sequence[frozenset[str]], sentence: ParsedSentence) -> float:
    """How many of a claim's content words `sentence` holds, plus two for each of its numbers.

    Numbers count twice, for they are what a reader looks up.
    """
    held = [number for clause in sentence.clauses for number in clause.numbers]
    score = float(_count_held(terms, sentence.keys))
    return score + 2 * sum(any(readings & number for number in held) for readings in numbers)


def _count_held(terms: Sequence[tuple[str, ...]], keys: frozenset[str]) -> int:
    return sum(bool(keys.intersection(term)) for term in terms)


def _words_supported(terms: Sequence[tuple[str, ...]], passages: Sequence[ParsedPassage], keys: frozenset[str]) -> bool:
    """Whether `passages`, whose term keys are `keys`, hold enough of `terms`, and enough of them close together."""
    in_passages = _count_held(terms, keys) / len(terms)
    together = 0.0
    for passage in passages:
        for first, second in _consecutive(passage.sentences):
            together = max(together, _count_held(terms, first.keys | second.keys | passage.context_keys) / len(terms))
    if len(passages) > 1:
        # A sentence that cites several sources joins what each of them says.
        together = max(together, in_passages)
    return in_passages >= WORDS_IN_PASSAGES and together >= WORDS_IN_TWO_SENTENCES


def _consecutive(sentences: Sequence[ParsedSentence]) -> Iterator[tuple[ParsedSentence, ParsedSentence]]:
    """Each sentence with the next one; the last with itself."""
    yield from zip(sentences, (*sentences[1:], *sentences[-1:]), strict=True)


def _contradicted(piece: str, languages: frozenset[str], clauses: Sequence[Clause]) -> Verdict | None:
    """The verdict against `piece`, one clause of a claim; None when `clauses` do not contradict it.

    Contradicted: a number that stands in another clause than the words around it, or the opposite polarity.
    """
    terms = content_terms(piece, languages)

    def shared(clause: Clause) -> int:
        return _count_held(terms, clause.keys)

    told = [readings for _, readings in numbers_of(piece)]
    for readings in told:
        having = [shared(clause) for clause in clauses if any(readings & number for number in clause.numbers)]
        others = [
            shared(clause)
            for clause in clauses
            if clause.numbers and not any(own & number for own in told for number in clause.numbers)
        ]
        # Another number stands nearer to these words than this one does: swapped, or taken from elsewhere.
        if having and others and max(others) > max(having):
            return Verdict(False, "numbers", (min(readings),))
    best = max(map(shared, clauses), default=0)
    if (best < 2 and best < len(terms)) or not best:
        return None  # too little in common to say what the clause would negate
    negations = count_negations(piece)
    words = frozenset(word.lower() for word in words_of(piece))
    if all(
        (negations + clause.negations + _count_opposites(words, clause.words)) % 2
        for clause in clauses
        if shared(clause) == best
    ):
        return Verdict(False, "negation")
    return None


def _count_opposites(claim: frozenset[str], source: frozenset[str]) -> int:
    """How many of the words of the claim are not in the source while an opposite of them is."""
    return sum(bool(_opposites_of(word) & (source - claim)) for word in claim - source)


@lru_cache(maxsize=4096)
def _opposites_of(word: str) -> frozenset[str]:
    """Opposites of `word`: from the list above, and by prefix (`supported`, `unsupported`)."""
    opposites = set(_OPPOSITE.get(word, frozenset()))
    if len(word) > 3:
        opposites.update(prefix + word for prefix in _PREFIXES)
    opposites.update(word[len(p) :] for p in _PREFIXES if word.startswith(p) and len(word) > len(p) + 3)
    return frozenset(opposites)


def _unknown_names(claim: str, keys: frozenset[str], languages: frozenset[str]) -> list[str]:
    """Capitalised words within `claim` that no cited passage, with the term keys `keys`, holds."""
    if detect(claim) in _NOUNS_ARE_CAPITALISED:
        return []
    names = []
    for match in _NAME.finditer(claim):
        terms = analyze_query(match.group(), languages)
        if match.group() != "I" and terms and not any(key.text in keys for term in terms for key in term):
            names.append(match.group())
    return names
