"""Answers written by a chat model from the retrieved passages, every sentence checked against what it cites."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from semsearch.answering.answer import Answer
from semsearch.answering.citations import check_citations
from semsearch.answering.groundedness import Similarity
from semsearch.answering.llm.client import LlmClient, LlmSettings
from semsearch.answering.llm.errors import ContextOverflowError
from semsearch.answering.llm.stream import Reply
from semsearch.answering.prompt import Count, Prompt, build_prompt, halved
from semsearch.retrieval.hit import Hit

_TOLD_SOURCES = 10


def answer_with_llm(
    question: str,
    hits: Sequence[Hit],
    model: LlmSettings,
    on_text: Callable[[str], None] | None = None,
    *,
    count: Count | None = None,
    similarity: Similarity | None = None,
) -> Answer:
    """The answer of `model` to `question` from `hits`, best first, its citations checked against them.

    `on_text` is handed the text as it comes (streaming); without it the answer comes whole. `count` counts the tokens
    of a text by the embedding model's tokenizer, for chat models tiktoken does not know; `similarity` is the cosine of
    two sentences, for the citation check. Without hits no model is asked. Raises LlmError, and UsageError for a
    question that is too long.
    """
    if not hits:
        return Answer(question, "", False, None, (), ())
    client = LlmClient(model)
    prompt, (text, reply_notices) = _ask(client, question, hits, model, on_text, count)
    checked = check_citations(text, prompt.sources, similarity)
    notices = [*prompt.notices, *reply_notices]
    if checked.invalid:
        names = ", ".join(f"[{n}]" for n in checked.invalid[:_TOLD_SOURCES])
        names += " and others" if len(checked.invalid) > _TOLD_SOURCES else ""
        notices.append(f"the answer cites sources that do not exist: {names}")
    return Answer(
        question,
        text,
        checked.answered,
        model.model,
        checked.citations,
        prompt.sources,
        checked.unsupported,
        tuple(notices),
    )


def _ask(
    client: LlmClient,
    question: str,
    hits: Sequence[Hit],
    model: LlmSettings,
    on_text: Callable[[str], None] | None,
    count: Count | None,
) -> tuple[Prompt, Reply]:
    """The prompt that was answered, and the reply; where the server says it is too long, asks once more with half."""
    prompt = _prompt(question, hits, model, count)
    try:
        return prompt, client.ask(prompt.messages, on_text)
    except ContextOverflowError:
        fewer = list(prompt.sources[: len(prompt.sources) // 2]) or [halved(prompt.sources[0])]
    prompt = _prompt(question, fewer, model, count)
    notice = f"the sources overflowed the context of {model.model}: asked again with half of them"
    prompt = replace(prompt, notices=(notice, *prompt.notices))
    try:
        return prompt, client.ask(prompt.messages, on_text)
    except ContextOverflowError as overflow:
        failure = overflow.error
    # Raised here, not above: an exception in its chain would show the request with its headers.
    raise failure


def _prompt(question: str, hits: Sequence[Hit], model: LlmSettings, count: Count | None) -> Prompt:
    return build_prompt(
        question, hits, model.model, context_window=model.context_window, reserve=model.answer_tokens, count=count
    )
