"""Answers a question from an index: search, then quote the best sentences or let a chat model write the answer."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

from semsearch.answering.answer import Answer
from semsearch.answering.extractive import extract_answer
from semsearch.answering.turn import Found
from semsearch.retrieval.options import ANSWER_MIN_SCORE, SearchOptions

if TYPE_CHECKING:
    from semsearch.answering.expansion import Expander
    from semsearch.answering.llm.client import LlmSettings
    from semsearch.answering.turn import Turn
    from semsearch.retrieval.hit import SearchResult
    from semsearch.retrieval.protocol import SearchEngine


def to_be_quoted(options: SearchOptions) -> SearchOptions:
    """`options` for a search whose sentences are quoted as the answer."""
    return replace(options, least_score=ANSWER_MIN_SCORE)


def quoted(engine: "SearchEngine", question: str, result: "SearchResult", options: SearchOptions) -> Answer:
    """The answer to `question` in the words of what was found for it by a search with `options`, where a model failed:
    as if none had been asked."""
    answers = result.hits and result.hits[0].score >= to_be_quoted(options).least_best(result.mode)
    meant = result.query if result.query != question else ""
    found = extract_answer(engine, result.query, result.hits if answers else ())
    return replace(found, question=question, meant=meant)


def ask(
    engine: "SearchEngine",
    question: str,
    options: "SearchOptions | None" = None,
    model: "LlmSettings | None" = None,
    on_text: Callable[[str], None] | None = None,
    on_search: "Callable[[SearchResult], None] | None" = None,
    conversation: "Sequence[Turn]" = (),
    expander: "Expander | None" = None,
    while_asking: Callable[[], AbstractContextManager[None]] = nullcontext,
    *,
    on_thought: Callable[[str], None] | None = None,
    on_wait: Callable[[str], None] | None = None,
) -> Answer:
    """The answer to `question` from the hits of one search with `options`; `Answer.notices` holds its notices, too.

    Without a `model` the best sentences are quoted. With one, it writes the answer, which `on_text` is handed as it
    comes; `on_thought` gets what it thinks before, `on_wait` one sentence where its server is waited for. `on_search`
    is told the search result before the answer is made: it is valid even where the model fails, and
    `extractive.extract_answer` answers from it. `conversation`: what was asked before, if the question follows on it;
    `expander`: gives other ways to say it; `while_asking`: entered while the model is asked. Raises `SemsearchError`;
    `LlmError` where the model fails.
    """
    if model is None:
        options = to_be_quoted(options or SearchOptions())
    if not conversation and expander is None:
        found = Found(engine.search(question, options), question, question)
    else:
        from semsearch.answering.conversation import search_in_conversation

        found = search_in_conversation(
            engine, question, options or SearchOptions(), conversation, model, expander, while_asking
        )
    result = found.result
    if on_search is not None:
        on_search(result)
    if model is None or not result.hits:
        answer = extract_answer(engine, found.query, result.hits, found.after)
    else:
        from semsearch.answering.conversation import with_conversation
        from semsearch.answering.generative import answer_with_llm

        asked = with_conversation(question, found.meant, conversation, model, engine.count_tokens)
        with while_asking():
            answer = answer_with_llm(
                asked,
                result.hits,
                model,
                on_text,
                count=engine.count_tokens,
                similarity=engine.similarity,
                on_thought=on_thought,
                on_wait=on_wait,
            )
        rows = (one.in_full(answer.contexts[one.n - 1]) for one in answer.citations)
        answer = replace(answer, citations=tuple(rows))
    return replace(
        answer,
        question=question,
        meant=found.meant if found.meant != question else "",
        notices=(*result.notices, *answer.notices),
    )
