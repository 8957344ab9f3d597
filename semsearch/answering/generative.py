"""Answers written by a chat model from the retrieved passages, every sentence checked against what it cites."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from semsearch.answering.answer import Answer
from semsearch.answering.asides import unwrapped
from semsearch.answering.citations import check_citations
from semsearch.answering.groundedness import Similarity
from semsearch.answering.llm.client import LlmClient, LlmSettings
from semsearch.answering.llm.errors import ContextOverflowError, LlmError
from semsearch.answering.llm.stream import Listener, Reply
from semsearch.answering.prompt import Count, Prompt, build_prompt, halved, worth_sending
from semsearch.answering.refusal import REFUSAL_TEXT, TokenFilter, without_token
from semsearch.errors import UsageError
from semsearch.retrieval.hit import Hit

_TOLD_SOURCES = 10
# How often fewer sources are sent where the server says that they are too many.
_MOST_CUTS = 3
# A server that read fewer tokens than this share of what was estimated cut the prompt: estimates are up to twice too
# high. No server cuts to fewer than the least number; such figures are none (test servers, cached prompts).
_CUT_SHARE = 0.4
_FEWEST_READ = 64


def answer_with_llm(
    question: str,
    hits: Sequence[Hit],
    model: LlmSettings,
    on_text: Callable[[str], None] | None = None,
    *,
    count: Count | None = None,
    similarity: Similarity | None = None,
    on_thought: Callable[[str], None] | None = None,
    on_wait: Callable[[str], None] | None = None,
) -> Answer:
    """The answer of `model` to `question` from `hits`, best first, its citations checked against them.

    `on_text` is handed the text as it comes, `on_thought` what the model thinks, `on_wait` one sentence where the
    server is waited for. `count` counts the tokens of a text by the embedding model's tokenizer, for chat models
    tiktoken does not know; `similarity` is the cosine of two sentences, for the citation check. Without hits no model
    is asked. Raises LlmError, and UsageError for a question that is too long.
    """
    if not hits:
        return Answer(question, "", False, None, (), ())
    client = LlmClient(model)
    shown = TokenFilter(on_text or (lambda text: None))
    listener = Listener(shown.feed, on_thought, on_wait)
    prompt, reply = _ask(client, question, worth_sending(hits), model, listener, count)
    text, refused = without_token(reply.text)
    if not text:
        text = REFUSAL_TEXT
    if not shown.end() and on_text is not None:
        on_text(text)
    text = unwrapped(text) or text
    checked = check_citations(text, prompt.sources, similarity, refused=refused, incomplete=reply.incomplete)
    notices = [*prompt.notices, *_cut_context(prompt, reply, model), *reply.notices]
    if checked.invalid:
        names = ", ".join(f"[{n}]" for n in checked.invalid[:_TOLD_SOURCES])
        names += " and others" if len(checked.invalid) > _TOLD_SOURCES else ""
        notices.append(f"the answer cites sources that do not exist: {names}")
    return Answer(
        question,
        checked.text,
        checked.answered,
        model.model,
        checked.citations,
        prompt.sources,
        checked.unsupported,
        tuple(notices),
        tuple(claim.statement() for claim in checked.claims),
        text,
    )


def _ask(
    client: LlmClient,
    question: str,
    hits: Sequence[Hit],
    model: LlmSettings,
    listener: Listener,
    count: Count | None,
) -> tuple[Prompt, Reply]:
    """The prompt that was answered, and the reply; where the server says it is too long, asks again with less."""
    window = model.context_window
    notices: tuple[str, ...] = ()
    fewer = f"the sources overflowed the context of {model.model}: asked again with fewer of them"
    believed = False  # whether what the server says of its context was tried
    failure: LlmError | None = None
    for _ in range(1 + _MOST_CUTS):
        try:
            prompt = build_prompt(
                question, hits, model.model, context_window=window, reserve=model.reserved_tokens, count=count
            )
        except UsageError:
            if window == model.context_window:
                raise
            window, hits = model.context_window, _fewer(hits)  # by what is estimated here, no source fits into that
            notices = (fewer,)
            continue
        prompt = replace(prompt, notices=(*notices, *prompt.notices))
        try:
            return prompt, client.ask(prompt.messages, listener)
        except ContextOverflowError as overflow:
            failure, told = overflow.error, overflow.window
        if told is not None and told < window and not believed:
            window, believed = told, True
            notices = (f"{model.model} can read {told:,} tokens, not {model.context_window:,}: sent it fewer sources",)
            continue
        hits = _fewer(prompt.sources)
        notices = (fewer,)
    # Raised here, not above: an exception in its chain would show the request with its headers.
    assert failure is not None
    raise failure


def _fewer(hits: Sequence[Hit]) -> list[Hit]:
    """The better half of `hits`; half of the last one."""
    return list(hits[: len(hits) // 2]) or [halved(hits[0])]


def _cut_context(prompt: Prompt, reply: Reply, model: LlmSettings) -> list[str]:
    """A notice where the server read far less than what was sent, which some do without a word."""
    read = reply.prompt_tokens
    if read is None or not _FEWEST_READ <= read < _CUT_SHARE * prompt.tokens:
        return []
    return [
        f"the server read only {read:,} of about {prompt.tokens:,} tokens, so the answer may miss sources: let it read "
        f"more (Ollama: num_ctx), or name what it can read with --context-window"
    ]
