"""Answers without a language model: the best sentences of the best passages, quoted verbatim.

Measured on XQuAD-en (1,190 questions): see `retrieval.sentence_scoring` and `python -m benchmarks.extractive_answers`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from semsearch.answering.answer import NOT_FOUND, Answer, Citation
from semsearch.retrieval.hit import Hit
from semsearch.retrieval.sentence_scoring import TypedText

if TYPE_CHECKING:
    from semsearch.retrieval.protocol import SearchEngine

_PASSAGES = 4
_QUOTES = 3
# Weight of the passage's score, relative to the best passage, beside the score of the sentence.
_PASSAGE_WEIGHT = 0.4
# A sentence below this share of the best one's score is not quoted.
_WORTH_QUOTING = 0.4
# Characters; a longer sentence is cut at white space: a table row or a line of data may fill a page.
_LONGEST_QUOTE = 1000


def extract_answer(engine: SearchEngine, question: str, hits: Sequence[Hit], after: str = "") -> Answer:
    """Up to three of the best sentences of the first four of `hits`, each cited; not answered without hits.

    `after`: what was asked before, where the question follows on it.
    """
    passages = hits[:_PASSAGES]
    if not passages:
        return Answer(question, NOT_FOUND, False, None, (), ())
    best = max(hit.score for hit in passages) or 1.0
    scored = [
        (score + _PASSAGE_WEIGHT * passages[sentence.passage].score / best, sentence)
        for sentence, score in engine.sentences(
            question, [TypedText(hit.text, hit.type, hit.language, hit.table_head) for hit in passages], after
        )
    ]
    scored.sort(key=lambda pair: -pair[0])
    citations: list[Citation] = []
    for score, sentence in scored:
        if len(citations) == _QUOTES or score < _WORTH_QUOTING * scored[0][0]:
            break
        citation = _cite(sentence.passage + 1, passages[sentence.passage], sentence.start, sentence.end)
        if all(citation.quote != other.quote for other in citations):
            citations.append(citation)
    text = "\n".join(f"{citation.shown} [{citation.n}]" for citation in citations)
    return Answer(question, text or NOT_FOUND, bool(citations), None, tuple(citations), tuple(hits))


def _cite(number: int, hit: Hit, start: int, end: int) -> Citation:
    """Source `number`, quoting `hit.text[start:end]` or as much of it as a quote may hold."""
    if end - start > _LONGEST_QUOTE:
        pause = max(hit.text.rfind(mark, start, start + _LONGEST_QUOTE) for mark in ("\n", " "))
        end = pause if pause > start else start + _LONGEST_QUOTE
    citation = Citation(number, hit.path, hit.place_at(start)[0], *hit.lines_of(start, end), hit.text[start:end])
    return citation.in_full(hit)
