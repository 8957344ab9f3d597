"""`semsearch ask`: answers a question from the documents, with quotations or through a language model."""

from typing import TYPE_CHECKING, Annotated

import typer

from semsearch.cli.flags import (
    After,
    Alpha,
    BaseUrl,
    Before,
    Expand,
    Fusion,
    Indexes,
    Mode,
    NoService,
    PathGlobs,
    Queries,
    Rerank,
    Since,
    Types,
    Update,
    Where,
    chosen_filters,
    chosen_llm,
    chosen_reranker,
)
from semsearch.cli.query_files import read_queries
from semsearch.errors import UsageError

if TYPE_CHECKING:
    from semsearch.answering.llm import LlmSettings


def command(
    question: Annotated[
        str | None,
        typer.Argument(metavar="QUESTION", help='What you want to know; the word "log" alone lists earlier questions.'),
    ] = None,
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
    max_answer_tokens: Annotated[
        int | None, typer.Option(metavar="N", help="Most tokens of the answer, thoughts included. Default: 1024.")
    ] = None,
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", help="How long to wait for a sign of the model. Default: 60.")
    ] = 60.0,
    chat: Annotated[bool, typer.Option("--chat", help="Hold a conversation: ask one question after another.")] = False,
    continue_: Annotated[
        bool, typer.Option("--continue", "-c", help="Go on with the last conversation about this index.")
    ] = False,
    expand: Expand = False,
    save: Annotated[
        str | None,
        typer.Option("--save", metavar="FILE.md", help="Add question, answer and sources to this Markdown file."),
    ] = None,
    number: Annotated[
        int | None, typer.Option("-n", metavar="N", help="With ask log: how many questions are listed. Default: 20.")
    ] = None,
    forget: Annotated[
        bool,
        typer.Option("--forget", help="With ask log: forget all questions about this index, and its last results."),
    ] = False,
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
    min_score: Annotated[
        float | None,
        typer.Option(
            "--min-score",
            metavar="X",
            help="Read only passages with this score or more. Default: none when all are below 0.1, for quotes 0.2.",
        ),
    ] = None,
    queries: Queries = None,
    update: Update = False,
    after: After = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object (semsearch.ask/1).")] = False,
    as_jsonl: Annotated[bool, typer.Option("--jsonl", help="One JSON object a line, for --queries.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing; the exit code tells.")] = False,
    no_service: NoService = False,  # see `service_client`
) -> int:
    """Answer a question from the documents, with the place of every statement.

    Without a language model the best sentences are quoted as they stand. With one (--llm, or SEMSEARCH_LLM), it writes
    the answer and every citation is checked against the text; where it fails, the documents are quoted. Questions and
    answers are remembered on this machine, for -c and `ask log`, unless SEMSEARCH_HISTORY is 0; those of --queries are
    not. Exits with 0 when answered, 1 when the documents do not say, 2 on an error, also one of the model.

    \b
    Examples:
      semsearch ask "how often is the main bearing greased"
      semsearch ask "who approves refunds" --path 'policies/' --show-context
      semsearch ask "what changed in the tariff" --llm qwen3 --base-url http://localhost:11434/v1
      semsearch ask -c "and how much of it" --save notes.md
      semsearch ask --chat
      semsearch ask log -n 5
      semsearch ask --queries questions.txt --jsonl > answers.jsonl
    """
    from semsearch.cli.answers import AnswerPrinter
    from semsearch.cli.search import opened_expander, opened_searcher
    from semsearch.cli.session import Session, check_save, opened_log
    from semsearch.retrieval.options import SearchOptions

    if question == "log" and queries is None and not chat and not continue_:
        from semsearch.cli.asked import SHOWN, show

        shown = SHOWN if number is None else number
        if shown < 1:
            raise UsageError(f"-n {number} is out of range", "use 1 or more")
        return show(index or [], shown, as_json=as_json or as_jsonl, forget=forget)
    if number is not None or forget:
        raise UsageError(
            "-n and --forget are about earlier questions: semsearch ask log", "the number of passages to read is -k"
        )
    if queries is not None and (chat or continue_):
        raise UsageError(
            f"--queries asks questions that stand alone, {'--chat' if chat else '--continue'} does not go with it",
            "leave one of them out",
        )
    if (question is None) == (queries is None) and not chat:
        raise UsageError("give a QUESTION or --queries FILE, one of the two", "see: semsearch ask --help")
    if question is not None and not question.strip():
        raise UsageError("the question is empty", 'say what you want to know: semsearch ask "QUESTION"')
    if queries is not None and as_json:
        raise UsageError("--queries does not print one JSON object", "use --jsonl")
    if chat and (as_json or as_jsonl or quiet):
        raise UsageError("--chat prints text", "for scripts there is -c: semsearch ask -c QUESTION --json")
    chosen = _model(llm, base_url, context_window, max_answer_tokens, timeout)
    model = None if no_llm else chosen
    expander = opened_expander(chosen) if expand else None
    if save is not None:
        check_save(save)
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

    def printer() -> AnswerPrinter:
        style = "json" if as_json or as_jsonl else "text"
        return AnswerPrinter(style, show_context=show_context, batch=queries is not None, quiet=quiet)

    if update:
        from semsearch.cli.updating import bring_up_to_date

        bring_up_to_date(index or [])
    with opened_searcher(index or [], after) as searcher:
        log = opened_log(searcher) if queries is None else None
        session = Session(searcher, options, model, expander=expander, log=log, save=save)
        if continue_:
            session.go_on()
        if chat:
            from semsearch.cli.chat import Chat

            return Chat(session, printer).hold(question)
        if queries is None:
            answered = session.ask(question or "", None, printer(), follows=continue_).answered
            if session.failure is not None:
                raise session.failure
            return 0 if answered else 1
        of_all, answered = printer(), False
        for query_id, text in read_queries(queries):
            answered = session.ask(text, query_id, of_all).answered or answered
        if (failure := session.failures.of_batch()) is not None:
            raise failure
    return 0 if answered else 1


def _model(
    llm: str | None, base_url: str | None, context_window: int, max_answer_tokens: int | None, timeout: float
) -> "LlmSettings | None":
    """The language model that the flags or the settings name; None: none. Raises `UsageError`."""
    from semsearch import settings

    name = llm or settings.llm_model()
    if name is not None and context_window < 1024:
        raise UsageError(f"--context-window {context_window} is too small", "use 1024 or more")
    if name is not None and max_answer_tokens is not None and not 0 < max_answer_tokens < context_window:
        raise UsageError(
            f"--max-answer-tokens {max_answer_tokens} is not between 1 and the context of {context_window} tokens",
            "if the model can read more, say so with --context-window",
        )
    if name is not None and not 0 < timeout < 1e6:
        raise UsageError(f"--timeout {timeout:g} is no time to wait", "use a number of seconds")
    return chosen_llm(name, base_url, timeout=timeout, context_window=context_window, answer_tokens=max_answer_tokens)
