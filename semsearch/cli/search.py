"""`semsearch search`: prints the hits for one query or many."""

import os
import sys
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated

import typer

from semsearch.cli import render
from semsearch.cli.flags import (
    After,
    Alpha,
    BaseUrl,
    Before,
    Expand,
    Fusion,
    Indexes,
    MinScore,
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
    values,
)
from semsearch.cli.formats import COLORS, FORMATS, Printer
from semsearch.cli.query_files import read_queries
from semsearch.errors import UsageError
from semsearch.settings import llm_model

if TYPE_CHECKING:
    from semsearch.answering.expansion import Expander
    from semsearch.answering.llm import LlmSettings
    from semsearch.retrieval.hit import SearchResult
    from semsearch.retrieval.multi_searcher import MultiSearcher
    from semsearch.retrieval.options import SearchOptions
    from semsearch.retrieval.saved_search import SavedSearches
    from semsearch.retrieval.searcher import Searcher

    Search = Callable[[str, SearchOptions], SearchResult]


def command(
    query: Annotated[str | None, typer.Argument(metavar="QUERY", help="What to look for.")] = None,
    index: Indexes = None,
    k: Annotated[int, typer.Option("-k", metavar="N", help="How many results.")] = 10,
    mode: Mode = "hybrid",
    alpha: Alpha = None,
    fusion: Fusion = "convex",
    smoothing: Annotated[
        bool,
        typer.Option(
            "--smoothing/--no-smoothing",
            help="In hybrid mode, let passages that are alike lift each other where many answer. Default: on.",
        ),
    ] = True,
    rerank: Rerank = None,
    expand: Expand = False,
    llm: Annotated[str | None, typer.Option("--llm", metavar="MODEL", help="The language model of --expand.")] = None,
    base_url: BaseUrl = None,
    group: Annotated[
        str | None,
        typer.Option(
            metavar="chunk|file",
            help="One result for each passage or for each file.",
            autocompletion=values("chunk", "file"),
        ),
    ] = None,
    path: PathGlobs = None,
    type_: Types = None,
    where: Where = None,
    since: Since = None,
    before: Before = None,
    min_score: MinScore = None,
    like: Annotated[
        str | None,
        typer.Option("--like", metavar="FILE[:LINE]", help="Search by example: what is like that passage."),
    ] = None,
    unlike: Annotated[
        list[str] | None, typer.Option("--unlike", metavar="TEXT", help="Push down what is like TEXT. Repeatable.")
    ] = None,
    new_since: Annotated[
        str | None,
        typer.Option(
            "--new-since", metavar="STATE_FILE", help="Only what is new since the last search with this file; for cron."
        ),
    ] = None,
    literal: Annotated[
        bool, typer.Option("--literal", help='The query has no syntax: " - * and fields are text like any other.')
    ] = False,
    fold: Annotated[
        bool | None,
        typer.Option("--fold/--no-fold", help="Copies as one result, neighbouring passages joined. Default: on."),
    ] = None,
    context: Annotated[
        int, typer.Option("-C", "--context", metavar="N", help="Show N lines around the best sentence.")
    ] = 0,
    explain: Annotated[bool, typer.Option("--explain", help="Show how each score came about.")] = False,
    after: After = "",
    update: Update = False,
    queries: Queries = None,
    format_: Annotated[
        str | None,
        typer.Option(
            "--format", metavar="|".join(FORMATS), help="How results are printed.", autocompletion=values(*FORMATS)
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Same as --format json (semsearch.search/1).")] = False,
    as_jsonl: Annotated[bool, typer.Option("--jsonl", help="Same as --format jsonl: one result a line.")] = False,
    only_paths: Annotated[bool, typer.Option("-l", help="Same as --format paths: each file once.")] = False,
    nul: Annotated[bool, typer.Option("-0", "--null", help="Paths end with a NUL byte, for xargs -0.")] = False,
    absolute: Annotated[
        bool, typer.Option("--absolute", help="With -l: absolute paths, for commands that run elsewhere.")
    ] = False,
    color: Annotated[
        str,
        typer.Option("--color", metavar="auto|always|never", help="Colours and links.", autocompletion=values(*COLORS)),
    ] = "auto",
    raw: Annotated[
        bool,
        typer.Option("--raw", help="With --format csv: no apostrophe before what a spreadsheet takes for a formula."),
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing; the exit code tells.")] = False,
    no_service: NoService = False,  # see `service_client`
) -> int:
    """Search an index. Exits with 0 when something was found, 1 when nothing was, 2 on an error.

    \b
    Examples:
      semsearch search "how do I renew the permit"
      semsearch search E-417 --mode lexical --path 'logs/**' -C 2
      semsearch search storm --since 2024 --where author='*aldous*'
      semsearch search '"battery warranty" -lease type:pdf' --json | jq '.results[0].path'
      semsearch search "pump failure" -l -0 --absolute | xargs -0 less
      semsearch search --like notes/pump.md:12 --unlike "spare parts list"
      semsearch search "new tenders" --new-since ~/.cache/tenders.json
      semsearch search --queries questions.txt --format trec > run.trec
    """
    from semsearch.retrieval.options import SearchOptions

    style = _style(format_, as_json, as_jsonl, only_paths)
    given = 3 - [query, queries, like].count(None)
    if given != 1:
        only = "only " if given else ""
        raise UsageError(
            f"give {only}one of QUERY, --queries FILE and --like FILE:LINE", "see: semsearch search --help"
        )
    if queries is not None and style == "json":
        raise UsageError("--queries does not print one JSON object", "use --jsonl")
    if (nul or absolute) and style != "paths":
        raise UsageError("-0 and --absolute are about paths", "use them with -l")
    if raw and style != "csv":
        raise UsageError("--raw is about the cells of CSV", "use it with --format csv")
    if color not in COLORS:
        raise UsageError(f"--color {color} is not known", "use one of: " + ", ".join(COLORS))
    if style == "trec" or like is not None:
        # A TREC run is evaluated with all its hits; an example shares few words with similar passages.
        min_score = min_score or 0.0
    if not expand and (llm is not None or base_url is not None):
        raise UsageError("--llm and --base-url are about --expand", "say --expand, or leave them out")
    if expand and like is not None:
        raise UsageError("--expand is about the words of a query, --like has an example", "leave one of them out")
    expander = opened_expander(chosen_llm(llm or llm_model(), base_url)) if expand else None
    options = SearchOptions(
        k=k,
        mode=mode,
        alpha=alpha,
        fusion=fusion,
        smoothing=smoothing,
        rerank=chosen_reranker(rerank),
        group=group or ("file" if style == "paths" else "chunk"),
        filters=chosen_filters(path, type_, where, since, before),
        min_score=min_score,
        unlike=tuple(unlike or ()),
        fold=style in ("text", "json", "jsonl") if fold is None else fold,
        context=context,
        explain=explain,
        snippets=style not in ("trec", "paths") and not quiet,
        # The queries of a test collection are text.
        syntax=not literal and style != "trec",
    )
    printer = Printer(
        style,
        group=options.group,
        nul=nul,
        absolute=absolute,
        color=color,
        raw=raw,
        batch=queries is not None,
    )
    if update:
        from semsearch.cli.updating import bring_up_to_date

        bring_up_to_date(index or [])
    has_hits = False
    with ExitStack() as stack:
        search, finish = _opened(stack, index or [], like, new_since, after)
        searches: Iterable[tuple[str | None, str]] = [(None, query or "")] if queries is None else read_queries(queries)
        for query_id, text in searches:
            result = search(text, options) if expander is None else _expanded(search, text, options, expander)
            has_hits = has_hits or bool(result.hits)
            if not quiet:
                printer.print(result, query_id)
        finish()
        if style == "text" and queries is None and not quiet:
            _remember(result, index or [])
    return 0 if has_hits else 1


def opened_expander(model: "LlmSettings | None") -> "Expander":
    """What gives other ways to say queries, by `model`. Raises `UsageError` where there is none."""
    from semsearch.answering.expansion import Expander

    if model is None:
        raise UsageError("--expand needs a language model", "name one with --llm, or in the setting llm")
    return Expander(model)


def _expanded(search: "Search", query: str, options: "SearchOptions", expander: "Expander") -> "SearchResult":
    from semsearch.answering.expansion import search_expanded

    return search_expanded(search, query, options, expander)


def _opened(
    stack: ExitStack, indexes: list[str], like: str | None, new_since: str | None, after: str
) -> "tuple[Search, Callable[[], None]]":
    """(the function that searches for a query, the function to call after the last query)."""
    from dataclasses import replace

    from semsearch.retrieval.searcher import Searcher

    searcher = opened_searcher(indexes, after)
    stack.callback(searcher.close)
    if not isinstance(searcher, Searcher):
        if like is not None or new_since is not None:
            raise UsageError("--like and --new-since look at one index", "name one --index")
        return searcher.search, lambda: None
    if like is not None:
        from semsearch.retrieval.more_like_this import passage_named

        # `./-rf:1`, as paths are printed for other commands, is shown as `-rf:1`.
        example, ids = passage_named(searcher, os.path.normpath(like) if like else like)
        return lambda _, options: searcher.search(
            example, replace(options, exclude=ids, syntax=False, correct=False)
        ), lambda: None
    if new_since is not None:
        from semsearch.retrieval.saved_search import SavedSearches

        saved = SavedSearches(new_since)
        return lambda text, options: saved.search(searcher, text, options), lambda: _save(saved)
    return searcher.search, lambda: None


def opened_searcher(indexes: list[str], after: str) -> "Searcher | MultiSearcher":
    """A searcher over one index or several; without `indexes`, over the default one."""
    if len(indexes) > 1:
        if after:
            raise UsageError("--after is about one index", "name one --index")
        from semsearch.retrieval.multi_searcher import MultiSearcher

        return MultiSearcher(indexes, render.announce)
    from semsearch.retrieval.searcher import Searcher

    return Searcher(indexes[0] if indexes else None, render.announce, after=after)


def _remember(result: "SearchResult", indexes: list[str]) -> None:
    """Remembers where the hits of `result` stand, for `semsearch open`, once they are printed."""
    from semsearch.cli.last_results import place_of, remember

    sys.stdout.flush()
    index = result.coverage.path if len(indexes) < 2 else ""
    remember([place_of(hit, hit.page, hit.sentence_lines()[0], index) for hit in result.hits])


def _save(saved: "SavedSearches") -> None:
    """Saves which hits were shown, after they were: if the pipe is closed, flushing raises and nothing is saved."""
    from semsearch.cli.interrupts import interruptible

    sys.stdout.flush()
    with interruptible(commits=False):
        saved.save()


def _style(format_: str | None, as_json: bool, as_jsonl: bool, only_paths: bool) -> str:
    """The one of `FORMATS` that the flags name; text for none. Raises `UsageError` for several."""
    names = [name for name, flag in (("json", as_json), ("jsonl", as_jsonl), ("paths", only_paths)) if flag]
    names += [format_] if format_ is not None else []
    if len(set(names)) > 1:
        raise UsageError("more than one output format: " + ", ".join(names), "choose one")
    style = names[0] if names else "text"
    if style not in FORMATS:
        raise UsageError(f"--format {style} is not known", "use one of: " + ", ".join(FORMATS))
    return style
