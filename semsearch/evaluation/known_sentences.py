"""Whether results show what was looked for: questions made of words of one sentence, which is then to be marked."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from semsearch.evaluation import metrics
from semsearch.evaluation.metrics import MeanEstimate
from semsearch.evaluation.synthetic_queries import known_sentences
from semsearch.retrieval.options import SearchOptions
from semsearch.retrieval.searcher import Searcher
from semsearch.retrieval.snippets import flatten
from semsearch.store.opening import read_index


@dataclass(frozen=True)
class ShownReport:
    """Of `questions`, the shares whose `first` hit is the passage with the sentence, whose first hit has that sentence
    `marked`, and whose first hit has it in its snippet, `shown`."""

    questions: int
    first: MeanEstimate
    marked: MeanEstimate
    shown: MeanEstimate

    def as_dict(self) -> dict[str, Any]:
        shares = metrics.as_record({"first": self.first, "marked": self.marked, "shown": self.shown})
        return {"questions": self.questions, **shares}


def measure_shown(index: str, count: int, done: Callable[[int, int], None]) -> ShownReport | None:
    """Searches `index`, as the command does by default, for up to `count` sentences of it; None: it has none.

    `done(questions, of all)` is called for each question. Raises `SemsearchError`.
    """
    asked = read_index(index, lambda snapshot: known_sentences(snapshot, count))
    if not asked:
        return None
    found = np.zeros((len(asked), 3))
    # Folded copies would be told by the passage that stands for them.
    options = SearchOptions(k=1, fold=False, syntax=False, correct=False, min_score=0)
    with Searcher(index, remember=False) as searcher:
        for number, question in enumerate(asked):
            sentence = flatten(question.sentence)
            for hit in searcher.search(question.text, options).hits:
                begin, end = hit.sentence or (0, 0)
                # A place where one sentence ends may be cut otherwise when the type of the document is known.
                marked = flatten(hit.text[begin:end])
                is_marked = bool(marked) and (sentence in marked or marked in sentence)
                found[number] = hit.chunk_id == question.chunk, is_marked, sentence in hit.snippet
            done(number + 1, len(asked))
    return ShownReport(len(asked), *(metrics.estimate(column) for column in found.T))
