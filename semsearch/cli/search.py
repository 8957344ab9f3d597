"""`semsearch search`: hits for one query or many."""

import json
import sys
from collections.abc import Iterable, Iterator
from typing import Annotated

import typer

from semsearch.cli import render
from semsearch.cli.flags import Before, Fusion, IndexPath, Mode, PathGlobs, Since, Types, Where, chosen_filters
from semsearch.errors import UsageError

_FORMATS = ("text", "json", "jsonl", "trec", "paths")


def command(
    query: Annotated[str | None, typer.Argument(metavar="QUERY", help="What to look for.")] = None,
    index: IndexPath = None,
    k: Annotated[int, typer.Option("-k", metavar="N", help="How many results.")] = 10,
    mode: Mode = "hybrid",
    alpha: Annotated[
        float | None,
        typer.Option(metavar="X", help="Weight of meaning, 0 to 1. Default: by what the model knows of the language."),
    ] = None,
    fusion: Fusion = "convex",
    group: Annotated[
        str | None, typer.Option(metavar="chunk|file", help="One result for each passage or for each file.")
    ] = None,
    path: PathGlobs = None,
    type_: Types = None,
    where: Where = None,
    since: Since = None,
    before: Before = None,
    explain: Annotated[bool, typer.Option("--explain", help="Show how each score came about.")] = False,
    queries: Annotated[
        str | None,
        typer.Option(metavar="FILE|-", help="Many queries: one a line, or JSON lines with _id and text."),
    ] = None,
    format_: Annotated[
        str | None, typer.Option("--format", metavar="text|json|jsonl|trec|paths", help="How results are printed.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Same as --format json (semsearch.search/1).")] = False,
    as_jsonl: Annotated[bool, typer.Option("--jsonl", help="Same as --format jsonl: one result a line.")] = False,
    only_paths: Annotated[bool, typer.Option("-l", help="Same as --format paths: each file's path once.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing; the exit code tells.")] = False,
) -> int:
    """Search an index. Exits with 0 when something was found, 1 when nothing was, 2 on an error.

    \b
    Examples:
      semsearch search "how do I renew the permit"
      semsearch search E-417 --mode lexical --path 'logs/**'
      semsearch search storm --since 2024 --where author='*aldous*'
      semsearch search "battery warranty" --type pdf --json | jq '.results[0].path'
      semsearch search --queries questions.txt --format trec > run.trec
    """
    from semsearch.retrieval.searcher import Searcher, SearchOptions

    style = _style(format_, as_json, as_jsonl, only_paths)
    if (query is None) == (queries is None):
        raise UsageError("give a QUERY or --queries FILE, one of the two", "see: semsearch search --help")
    if queries is not None and style == "json":
        raise UsageError("--queries does not print one JSON object", "use --jsonl")
    options = SearchOptions(
        k=k,
        mode=mode,
        alpha=alpha,
        fusion=fusion,
        group=group or ("file" if style == "paths" else "chunk"),
        filters=chosen_filters(path, type_, where, since, before),
        explain=explain,
        snippets=style in ("text", "json", "jsonl") and not quiet,
    )
    found = False
    asked: Iterable[tuple[str | None, str]] = [(None, query)] if query is not None else _queries(queries or "-")
    with Searcher(index, render.announce) as searcher:
        for query_id, text in asked:
            result = searcher.search(text, options)
            found = found or bool(result.hits)
            if not quiet:
                render.search_result(result, style, query_id, options.group)
    return 0 if found else 1


def _style(format_: str | None, as_json: bool, as_jsonl: bool, only_paths: bool) -> str:
    asked = [name for name, flag in (("json", as_json), ("jsonl", as_jsonl), ("paths", only_paths)) if flag]
    asked += [format_] if format_ is not None else []
    if len(set(asked)) > 1:
        raise UsageError("more than one output format: " + ", ".join(asked), "choose one")
    style = asked[0] if asked else "text"
    if style not in _FORMATS:
        raise UsageError(f"--format {style} is not known", "use one of: " + ", ".join(_FORMATS))
    return style


def _queries(source: str) -> Iterator[tuple[str, str]]:
    """(id, text) of each query: JSON lines with `_id` and `text`, or plain lines numbered from 1."""
    if source == "-":
        yield from _parse_queries(sys.stdin.buffer, "standard input")
    else:
        with open(source, "rb") as file:
            yield from _parse_queries(file, source)


def _parse_queries(lines: Iterable[bytes], name: str) -> Iterator[tuple[str, str]]:
    count = 0
    for number, raw in enumerate(lines, 1):
        line = raw.decode("utf-8", "replace").strip()
        if not line:
            continue
        count += 1
        if line.startswith("{"):
            try:
                record = json.loads(line)
                text = record["text"]
                if not isinstance(text, str) or not text.strip():
                    raise ValueError("its text is empty")
            except (ValueError, KeyError, TypeError) as error:
                raise UsageError(
                    f"{name}, line {number}: not a query object: {error}", 'write {"_id": "1", "text": "..."}'
                ) from None
            yield str(record.get("_id", count)), text
        else:
            yield str(count), line
    if not count:
        raise UsageError(f"{name} holds no query", "write one query a line")
