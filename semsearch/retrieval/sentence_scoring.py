"""Which sentence of a passage answers: scored by its words, for marking hits, and by its meaning, too, for quoting.

Measured on XQuAD-en, 1,190 questions: the best sentence (one of the best three) of the first four passages holds a gold
answer for 81.7 % (95.1 %); where the first hit holds one, the marked sentence does for 85.0 %
(`python -m benchmarks.extractive_answers`).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from semsearch.lexical.query_word import Word, numbers_by_key
from semsearch.retrieval.sentences import label_spans, sentence_spans
from semsearch.retrieval.snippets import keys_held
from semsearch.retrieval.tables import labelled, rows_in

Scores = NDArray[np.float32]

_DENSE_WEIGHT = 0.35
# What the words of the question count that a sentence holds: each by its idf, and once more by how few of the sentences
# hold it.
_OWN = 0.5
_LOCAL = 0.5
# "He was 36." answers what was said before it: words that this sentence does not hold and others of its passage do.
_BEFORE = 0.2
_PREVIOUS = 0.3
_NEXT = 0.1
_NUMBER_BONUS = 0.15
# Below every sentence: a heading is shown where there is nothing else.
_LABEL_LOSS = 2.0
_ASKS_NUMBER = re.compile(
    r"\b(how (many|much|long|old|far|large|big|tall|high|often|deep|heavy)|when|(what|which) (year|date|"
    r"percent\w*|number|time|century|age|day|month)|wann|wie ?(viele?|lange|alt|weit|groß|"
    r"hoch|oft|tief|schwer)|welche[ms]? (jahr|datum)|"
    r"quand|combien|cuándo|cuánt[oa]s?|quando|quant[oiae]s?|wanneer|hoeveel|när|hur (många|mycket|långt?|stor))\b",
    re.IGNORECASE,
)
_NUMBER = re.compile(
    r"\d|\b(two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|hundred|thousand|million|billion|half|"
    r"zwei|drei|vier|fünf|sechs|sieben|acht|neun|zehn|hundert|tausend|millionen|deux|trois|quatre|cinq|cent|mille|"
    r"dos|tres|cuatro|cinco|cien|mil|due|tre|quattro|cinque|cento)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class SentenceSpan:
    """A sentence of the passage number `passage`: its span in the passage's text."""

    passage: int
    start: int
    end: int


class TypedText(NamedTuple):
    """The text of a passage, the type and the language of its document (None: not known); `table_head` as in `Hit`."""

    text: str
    type: str
    language: str | None = None
    table_head: str | None = None


def sentences_of(passages: Sequence[TypedText]) -> list[SentenceSpan]:
    """All sentences of `passages`, one passage after another, in order."""
    return [
        SentenceSpan(number, *span)
        for number, one in enumerate(passages)
        for span in sentence_spans(one.text, one.type)
    ]


def sentence_texts(passages: Sequence[TypedText], sentences: Sequence[SentenceSpan]) -> list[TypedText]:
    """What each of `sentences` of `passages` says; of a row of a table each cell with its head."""
    rows = [rows_in(one.text, one.type, one.table_head) for one in passages]
    return [
        passages[one.passage]._replace(
            text=labelled(rows[one.passage].get((one.start, one.end), ()))
            or passages[one.passage].text[one.start : one.end]
        )
        for one in sentences
    ]


def words_held(texts: Sequence[TypedText], words: Sequence[Word], languages: frozenset[str]) -> NDArray[np.bool_]:
    """(n, words) bool: which words of a query (groups of term keys) each of `texts` holds.

    By the rules of its own language, as stems of others mislead ("without" is a form of "with" in Catalan), or where
    that is not known, by those of `languages`.
    """
    held = np.zeros((len(texts), len(words)), np.bool_)
    numbers = numbers_by_key(words)
    asked = frozenset(numbers)
    for row, one in zip(held, texts, strict=True):
        own = languages if one.language is None else frozenset((one.language,))
        for found in keys_held(one.text, asked, own, one.type):
            row[numbers[found]] = True
    return held


def sentence_scores(
    question: str,
    sentences: Sequence[SentenceSpan],
    held: NDArray[np.bool_],
    weights: NDArray[np.float32],
    cosines: Scores | None,
    passages: Sequence[TypedText],
    reliability: float = 1.0,
) -> Scores:
    """(n,) float32, higher is better, not bounded: how well each of `sentences` answers `question`.

    `held` (n, words) and `weights` (words,): which words of the question each holds, and their idf; `cosines` (n,) with
    the question, None where their meaning is not looked at; `reliability`, 0 to 1: how far it is believed.
    """
    share = weights / max(float(weights.sum()), 1e-6)
    own = held @ share
    scores = _OWN * own + _LOCAL * _standing_out(held, share)
    for others, weight in zip(_around(sentences, held), (_BEFORE, _PREVIOUS, _NEXT), strict=True):
        scores = scores + weight * ((others & ~held) @ share)
    scores = (1 - _DENSE_WEIGHT) * scores
    if cosines is not None:
        scores = scores + _DENSE_WEIGHT * np.float32(reliability) * cosines
    if _ASKS_NUMBER.search(question):
        holds = [bool(_NUMBER.search(passages[s.passage].text, s.start, s.end)) for s in sentences]
        scores = scores + _NUMBER_BONUS * np.array(holds, np.float32)
    spans = [label_spans(one.text, one.type, one.table_head) for one in passages]
    labels = np.array(
        [any(start <= s.start and s.end <= end for start, end in spans[s.passage]) for s in sentences], np.bool_
    )
    # Where words of the question stand in labels alone, they are what was looked for.
    only = not own[~labels].any() and own.any()
    scores = scores - np.float32(_LABEL_LOSS) * (labels & ((own == 0) if only else True))
    result: Scores = scores.astype(np.float32)
    return result


def _standing_out(held: NDArray[np.bool_], share: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n,) in [0, 1]: how many of the words that tell the sentences apart each holds; `held` (n, words), `share`
    (words,)."""
    rare = np.log((len(held) + 1) / (held.sum(axis=0) + 1))
    own = held @ (share * rare)
    result: NDArray[np.float32] = (own / max(float((share * rare).sum()), 1e-6)).astype(np.float32)
    return result


def _around(sentences: Sequence[SentenceSpan], held: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], ...]:
    """Three of (n, words): which words are held by those of the passage before each of `sentences`, by the one just
    before it, and by the one after it; `held` (n, words): by itself."""
    before, previous, following = (np.zeros_like(held) for _ in range(3))
    for number in range(1, len(sentences)):
        if sentences[number].passage == sentences[number - 1].passage:
            previous[number] = held[number - 1]
            before[number] = before[number - 1] | held[number - 1]
            following[number - 1] = held[number]
    return before, previous, following
