"""Answers a question from an index: search, then quote the best sentences or let a chat model write the answer."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from semsearch.answering.answer import Answer
from semsearch.answering.extractive import extract_answer

if TYPE_CHECKING:
    from semsearch.answering.llm.client import LlmSettings
    from semsearch.retrieval.hit import SearchResult
    from semsearch.retrieval.options import SearchOptions
    from semsearch.retrieval.protocol import SearchEngine


def ask(
    engine: "SearchEngine",
    question: str,
    options: "SearchOptions | None" = None,
    model: "LlmSettings | None" = None,
    on_text: Callable[[str], None] | None = None,
    on_search: "Callable[[SearchResult], None] | None" = None,
) -> Answer:
    """The answer to `question` from the hits of one search with `options`; `Answer.notices` holds its notices, too.

    Without a `model` the best sentences are quoted. With one, it writes the answer, which `on_text` is handed as it
    comes. `on_search` is told the search result before the answer is made: it is valid even where the model fails.
    Raises `SemsearchError`; `LlmError` where the model fails.
    """
    result = engine.search(question, options)
    if on_search is not None:
        on_search(result)
    if model is None or not result.hits:
        answer = extract_answer(engine, question, result.hits)
    else:
        from semsearch.answering.generative import answer_with_llm

        answer = answer_with_llm(
            question,
            result.hits,
            model,
            on_text,
            count=engine.count_tokens,
            similarity=engine.similarity,
        )
        rows = (one.in_full(answer.contexts[one.n - 1]) for one in answer.citations)
        answer = replace(answer, citations=tuple(rows))
    return replace(answer, notices=(*result.notices, *answer.notices))
