"""Answers without a language model: the sentences of the best passages that answer best, quoted as they stand.

Measured on XQuAD-en (1,190 questions): see `retrieval.evidence` and `python -m benchmarks.extractive_answers`.
"""

from collections.abc import Sequence
from typing import Protocol

from semsearch.answering.answer import NOT_FOUND, Answer, Citation
from semsearch.retrieval.evidence import Sentence
from semsearch.retrieval.hit import Hit

# More passages change nothing: 79.9 % / 93.7 % with three, 80.0 % / 93.6 % with five; one alone loses 2 %.
_PASSAGES = 3
_QUOTES = 3
# What the rank of its passage counts beside the sentence itself.
_PASSAGE_WEIGHT = 0.2
# A sentence this much weaker than the best one adds nothing.
_WORTH_QUOTING = 0.4
# A sentence that is longer is cut where it pauses: a table row or a line of data may be a page.
_LONGEST_QUOTE = 1000


class SentenceJudge(Protocol):
    """A searcher: tells how well the sentences of passages answer a question."""

    def sentences(self, query: str, texts: Sequence[str]) -> list[tuple[Sentence, float]]: ...


def extract_answer(judge: SentenceJudge, question: str, hits: Sequence[Hit]) -> Answer:
    """The best sentences of the first of `hits`, each with its place; not answered when there are no hits."""
    read = hits[:_PASSAGES]
    if not read:
        return Answer(question, NOT_FOUND, False, None, (), ())
    best = max(hit.score for hit in read) or 1.0
    scored = [
        (score + _PASSAGE_WEIGHT * read[sentence.passage].score / best, sentence)
        for sentence, score in judge.sentences(question, [hit.text for hit in read])
    ]
    scored.sort(key=lambda pair: -pair[0])
    citations: list[Citation] = []
    for score, sentence in scored:
        if len(citations) == _QUOTES or score < _WORTH_QUOTING * scored[0][0]:
            break
        citation = _cite(sentence.passage + 1, read[sentence.passage], sentence.start, sentence.end)
        if all(citation.quote != other.quote for other in citations):
            citations.append(citation)
    text = "\n".join(f"{' '.join(citation.quote.split())} [{citation.n}]" for citation in citations)
    return Answer(question, text or NOT_FOUND, bool(citations), None, tuple(citations), tuple(hits))


def _cite(number: int, hit: Hit, start: int, end: int) -> Citation:
    if end - start > _LONGEST_QUOTE:
        pause = max(hit.text.rfind(mark, start, start + _LONGEST_QUOTE) for mark in ("\n", " "))
        end = pause if pause > start else start + _LONGEST_QUOTE
    first = last = None
    if hit.line_start is not None:
        first = hit.line_start + hit.text.count("\n", 0, start)
        last = first + hit.text.count("\n", start, end)
    return Citation(number, hit.path, hit.page, first, last, hit.text[start:end])
