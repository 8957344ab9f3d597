"""Whether a passage bears a sentence out, told by its words: numbers, names, polarity, and the bulk of the rest.

What words cannot tell, and this does not claim to: who does what to whom ("A sends to B" and "B sends to A" have the
same words), cause and effect, quantifiers beyond the listed ones, a number right in its clause but of another unit's
meaning, and anything across languages, where without `similarity` all but the numbers counts as missing.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from semsearch.lexical.analyzer import analyze, analyze_query, words_of
from semsearch.lexical.language import detect
from semsearch.retrieval.hit import Hit
from semsearch.retrieval.sentences import sentence_spans

Similarity = Callable[[str, str], float]

# Share of a claim's content words that must stand in the cited passages, and of those in one stretch of two of its
# sentences. Set on the labelled pairs in tests/support/labelled_sentences.py, whose test prints precision and recall.
WORDS_IN_PASSAGE = 0.75
WORDS_TOGETHER = 0.6
# Cosine from which a passed-in `similarity` stands in for the words; never for numbers, names and polarity.
SIMILAR = 0.8

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
# Read as numbers where the passage writes them, but not asked for: in an answer they are articles and pronouns.
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
_OPPOSITES = [
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
for _pair in _OPPOSITES:
    _left, _right = (frozenset(side.split()) for side in _pair.split("|"))
    for _side, _other in ((_left, _right), (_right, _left)):
        for _word in _side:
            _OPPOSITE[_word] = _OPPOSITE.get(_word, frozenset()) | _other
_PREFIXES = ("un", "in", "im", "ir", "non", "dis", "de")
# Where one statement of a sentence ends and the next begins.
_CLAUSE = re.compile(
    r"[;:|\n]|,(?=\s)|\s(?:and|while|whereas|but|although|though|unless|except|und|aber|während|sondern|et|mais|y|pero)\s"
)
_NAME = re.compile(r"(?<=[^\W_][,;]\s)[A-Z][^\W_]+|(?<=[^\W_]\s)[A-Z][^\W_]+")
_NOUNS_ARE_CAPITALISED = {"de"}


@dataclass(frozen=True)
class Verdict:
    """`supported`, or the reason it is not: `numbers`, `names`, `words`, `negation` or `nothing to check`."""

    supported: bool
    reason: str = ""
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sentence:
    """A sentence of a passage: where it stands in the hit's text, and what is looked for in it."""

    start: int
    end: int
    text: str
    keys: frozenset[str]
    clauses: tuple["Clause", ...] = field(repr=False)


@dataclass(frozen=True)
class Clause:
    """A statement within a sentence. `numbers`: each with its possible readings."""

    keys: frozenset[str]
    numbers: tuple[frozenset[str], ...]
    words: frozenset[str]
    negations: int


@dataclass(frozen=True)
class Passage:
    """A hit, read for checking. `surroundings`: term keys of its path, title and heading."""

    hit: Hit
    language: str
    sentences: tuple[Sentence, ...]
    surroundings: frozenset[str]

    @property
    def keys(self) -> frozenset[str]:
        return self.surroundings.union(*(sentence.keys for sentence in self.sentences))


def read_passage(hit: Hit) -> Passage:
    """`hit` as `bears_out` needs it; its language is told from its text."""
    language = detect(hit.text)
    sentences = []
    for start, end in sentence_spans(hit.text):
        text = hit.text[start:end]
        clauses = tuple(_clause(piece, language, loose=True) for piece in _clauses(text))
        sentences.append(Sentence(start, end, text, frozenset(analyze(text, language)), clauses))
    around = " ".join((hit.path, hit.title, *hit.heading))
    return Passage(hit, language, tuple(sentences), frozenset(analyze(around, language)))


def bears_out(
    claim: str, passages: Sequence[Passage], similarity: Similarity | None = None, similar: float = SIMILAR
) -> Verdict:
    """Whether the words of `passages` say `claim` (without its citation marks). See the module for what is not told."""
    languages = frozenset(passage.language for passage in passages)
    groups = content_groups(claim, languages)
    numbers = [readings for _, readings in numbers_of(claim)]
    if not passages or (not groups and not numbers):
        return Verdict(False, "nothing to check")
    clauses = [clause for passage in passages for sentence in passage.sentences for clause in sentence.clauses]
    present = frozenset[str]().union(*(passage.keys for passage in passages))

    known = [number for clause in clauses for number in clause.numbers]
    known += [readings for passage in passages for _, readings in numbers_of(_around(passage.hit), loose=True)]
    missing = [min(readings) for readings in numbers if not any(readings & number for number in known)]
    if missing:
        return Verdict(False, "numbers", tuple(missing))
    if strange := _strange_names(claim, present, languages):
        return Verdict(False, "names", tuple(strange))
    if groups and not _bulk(claim, groups, passages, present, similarity, similar):
        absent = [group[0].rpartition("\x1f")[2] for group in groups if not present.intersection(group)]
        return Verdict(False, "words", tuple(absent))
    for piece in _clauses(claim):
        verdict = _clause_verdict(piece, languages, clauses)
        if verdict is not None:
            return verdict
    return Verdict(True)


def overlap(claim_groups: Sequence[tuple[str, ...]], numbers: Sequence[frozenset[str]], sentence: Sentence) -> float:
    """How much of a claim one sentence holds: content words, and numbers twice, for they are what is looked up."""
    found = [number for clause in sentence.clauses for number in clause.numbers]
    score = float(sum(bool(sentence.keys.intersection(group)) for group in claim_groups))
    return score + 2 * sum(any(readings & number for number in found) for readings in numbers)


def content_groups(text: str, languages: frozenset[str]) -> list[tuple[str, ...]]:
    """The content words of `text`, each as the group of term keys that stand for it; numbers are left out."""
    groups = analyze_query(text, languages)
    return [group for group in groups if not (len(group) == 1 and _NUMBER.fullmatch(group[0]))]


def numbers_of(text: str, *, loose: bool = False) -> list[tuple[int, frozenset[str]]]:
    """(position, readings) of each number in `text`; `1.000` may be one or a thousand. `loose`: also "one", "ein"."""
    found = [(match.start(), _readings(match.group())) for match in _NUMBER.finditer(text)]
    for match in re.finditer(r"[^\W\d_]+", text):
        word = match.group().lower()
        value = _NUMBER_WORDS.get(word) if word not in _MAYBE_NUMBERS else None
        if loose and word in _MAYBE_NUMBERS:
            value = _MAYBE_NUMBERS[word]
        if value:
            found.append((match.start(), frozenset({value})))
    return sorted(found, key=lambda item: item[0])


def _readings(number: str) -> frozenset[str]:
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


def _bulk(
    claim: str,
    groups: Sequence[tuple[str, ...]],
    passages: Sequence[Passage],
    present: frozenset[str],
    similarity: Similarity | None,
    similar: float,
) -> bool:
    anywhere = sum(bool(present.intersection(group)) for group in groups) / len(groups)
    together = 0.0
    for passage in passages:
        for first, second in _neighbours(passage.sentences):
            keys = first.keys | second.keys | passage.surroundings
            together = max(together, sum(bool(keys.intersection(group)) for group in groups) / len(groups))
    if len(passages) > 1:
        # A sentence that cites several sources joins what each of them says.
        together = max(together, anywhere)
    if anywhere >= WORDS_IN_PASSAGE and together >= WORDS_TOGETHER:
        return True
    if similarity is None:
        return False
    return any(similarity(claim, sentence.text) >= similar for passage in passages for sentence in passage.sentences)


def _neighbours(sentences: Sequence[Sentence]) -> Iterator[tuple[Sentence, Sentence]]:
    yield from zip(sentences, (*sentences[1:], *sentences[-1:]), strict=True)


def _clause_verdict(piece: str, languages: frozenset[str], clauses: Sequence[Clause]) -> Verdict | None:
    """What speaks against one statement of the claim: its number stands elsewhere, or it says the opposite."""
    groups = content_groups(piece, languages)

    def shared(clause: Clause) -> int:
        return sum(bool(clause.keys.intersection(group)) for group in groups)

    for _, readings in numbers_of(piece):
        having = [shared(clause) for clause in clauses if any(readings & number for number in clause.numbers)]
        others = [
            shared(clause)
            for clause in clauses
            if clause.numbers and not any(readings & number for number in clause.numbers)
        ]
        # Another number stands nearer to these words than this one does: swapped, or taken from elsewhere.
        if having and others and max(others) > max(having):
            return Verdict(False, "numbers", (min(readings),))
    best = max(map(shared, clauses), default=0)
    if (best < 2 and best < len(groups)) or not best:
        return None  # too little in common to say what the clause would negate
    negations = len(_NEGATION.findall(piece))
    words = frozenset(word.lower() for word in words_of(piece))
    if all(
        (negations + clause.negations + _opposites(words, clause.words)) % 2
        for clause in clauses
        if shared(clause) == best
    ):
        return Verdict(False, "negation")
    return None


def _opposites(claim: frozenset[str], source: frozenset[str]) -> int:
    """How many words of the claim stand in the source only as their opposite."""
    return sum(bool(_opposites_of(word) & (source - claim)) for word in claim - source)


@lru_cache(maxsize=4096)
def _opposites_of(word: str) -> frozenset[str]:
    """From the list, and by prefix: `supported` and `unsupported`, `able` and `unable`."""
    found = set(_OPPOSITE.get(word, frozenset()))
    if len(word) > 3:
        found.update(prefix + word for prefix in _PREFIXES)
    found.update(word[len(p) :] for p in _PREFIXES if word.startswith(p) and len(word) > len(p) + 3)
    return frozenset(found)


def _clauses(text: str) -> list[str]:
    """The statements of a sentence. A piece of fewer than two words joins the one before it."""
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
def _clause(text: str, language: str, *, loose: bool) -> Clause:
    return Clause(
        frozenset(analyze(text, language)),
        tuple(readings for _, readings in numbers_of(text, loose=loose)),
        frozenset(word.lower() for word in words_of(text)),
        len(_NEGATION.findall(text)),
    )


def _strange_names(claim: str, present: frozenset[str], languages: frozenset[str]) -> list[str]:
    """Words written like names within the claim that no cited passage holds."""
    if detect(claim) in _NOUNS_ARE_CAPITALISED:
        return []
    names = []
    for match in _NAME.finditer(claim):
        groups = analyze_query(match.group(), languages)
        if match.group() != "I" and groups and not any(present.intersection(group) for group in groups):
            names.append(match.group())
    return names


def _around(hit: Hit) -> str:
    return " ".join((hit.path, hit.title, *hit.heading))
