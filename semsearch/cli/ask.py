"""`semsearch ask`: answers a question from the documents, with quotations or through a language model."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from semsearch.cli.flags import (
    Alpha,
    BaseUrl,
    Before,
    Fusion,
    Indexes,
    MinScore,
    Mode,
    PathGlobs,
    Queries,
    Rerank,
    Since,
    Types,
    Where,
    chosen_filters,
    chosen_llm,
    chosen_reranker,
)
from semsearch.cli.query_files import read_queries
from semsearch.errors import SemsearchError, UsageError

if TYPE_CHECKING:
    from semsearch.answering.answer import Answer
    from semsearch.answering.llm import LlmSettings
    from semsearch.cli.answers import AnswerPrinter
    from semsearch.retrieval.hit import SearchResult
    from semsearch.retrieval.options import SearchOptions
    from semsearch.retrieval.protocol import SearchEngine


def command(
    question: Annotated[str | None, typer.Argument(metavar="QUESTION", help="What you want to know.")] = None,
    index: Indexes = None,
    k: Annotated[int, typer.Option("-k", metavar="N", help="How many passages to read.")] = 6,
    llm: Annotated[
        str | None, typer.Option("--llm", metavar="MODEL", help="Let this model write the answer (OPENAI_API_KEY).")
    ] = None,
    base_url: BaseUrl = None,
    no_llm: Annotated[
        bool, typer.Option("--no-llm", help="Quote the documents, even if a model is configured.")
    ] = False,
    context_window: Annotated[
        int, typer.Option(metavar="N", help="Tokens the model can read and write. Default: 8192.")
    ] = 8192,
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", help="How long to wait for a sign of the model. Default: 60.")
    ] = 60.0,
    show_context: Annotated[bool, typer.Option("--show-context", help="Show the passages that were read.")] = False,
    mode: Mode = "hybrid",
    alpha: Alpha = None,
    fusion: Fusion = "convex",
    rerank: Rerank = None,
    path: PathGlobs = None,
    type_: Types = None,
    where: Where = None,
    since: Since = None,
    before: Before = None,
    min_score: MinScore = None,
    queries: Queries = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object (semsearch.ask/1).")] = False,
    as_jsonl: Annotated[bool, typer.Option("--jsonl", help="One JSON object a line, for --queries.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing; the exit code tells.")] = False,
) -> int:
    """Answer a question from the documents, with the place of every statement.

    Without a language model the best sentences are quoted as they stand. With one (--llm, or SEMSEARCH_LLM), it writes
    the answer and every citation is checked against the text. Exits with 0 when answered, 1 when the documents do not
    say, 2 on an error.

    \b
    Examples:
      semsearch ask "how often is the main bearing greased"
      semsearch ask "who approves refunds" --path 'policies/' --show-context
      semsearch ask "what changed in the tariff" --llm qwen3 --base-url http://localhost:11434/v1
      semsearch ask --queries questions.txt --jsonl > answers.jsonl
    """
    from semsearch.cli.answers import AnswerPrinter
    from semsearch.cli.search import opened_searcher
    from semsearch.retrieval.options import SearchOptions

    if (question is None) == (queries is None):
        raise UsageError("give a QUESTION or --queries FILE, one of the two", "see: semsearch ask --help")
    if question is not None and not question.strip():
        raise UsageError("the question is empty", 'say what you want to know: semsearch ask "QUESTION"')
    if queries is not None and as_json:
        raise UsageError("--queries does not print one JSON object", "use --jsonl")
    model = None if no_llm else _model(llm, base_url, context_window, timeout)
    options = SearchOptions(
        k=k,
        mode=mode,
        alpha=alpha,
        fusion=fusion,
        rerank=chosen_reranker(rerank),
        filters=chosen_filters(path, type_, where, since, before),
        min_score=min_score,
        snippets=as_json or as_jsonl or show_context,
        syntax=False,  # a question may hold quotation marks
    )
    printer = AnswerPrinter(
        "json" if as_json or as_jsonl else "text", show_context=show_context, batch=queries is not None, quiet=quiet
    )
    questions: Iterable[tuple[str | None, str]] = [(None, question or "")] if queries is None else read_queries(queries)
    answered = False
    with opened_searcher(index or []) as searcher:
        for query_id, text in questions:
            answer = _answer(searcher, text, query_id, options, model, printer)
            printer.print(answer, query_id)
            answered = answered or answer.answered
    return 0 if answered else 1


def _model(llm: str | None, base_url: str | None, context_window: int, timeout: float) -> "LlmSettings | None":
    """The language model that the flags or the settings name; None: none. Raises `UsageError`."""
    from semsearch import settings

    name = llm or settings.llm_model()
    if name is not None and context_window < 1024:
        raise UsageError(f"--context-window {context_window} is too small", "use 1024 or more")
    if name is not None and not 0 < timeout < 1e6:
        raise UsageError(f"--timeout {timeout:g} is no time to wait", "use a number of seconds")
    return chosen_llm(name, base_url, timeout=timeout, context_window=context_window)


def _answer(
    searcher: "SearchEngine",
    question: str,
    query_id: str | None,
    options: "SearchOptions",
    model: "LlmSettings | None",
    printer: "AnswerPrinter",
) -> "Answer":
    """The answer to `question`. If the model fails, the passages are printed before its error is raised."""
    from semsearch.answering.pipeline import ask

    results: list[SearchResult] = []

    def on_search(result: "SearchResult") -> None:
        results.append(result)
        printer.notices(result.notices, query_id)

    try:
        return ask(searcher, question, options, model, printer.piece if printer.streams else None, on_search)
    except SemsearchError:
        if model is not None and results and results[0].hits:
            printer.print_passages(question, results[0].hits, model.model)
        raise
