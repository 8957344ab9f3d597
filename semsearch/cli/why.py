"""`semsearch why`: explains why a file is among the results of a query, or is not."""

from typing import TYPE_CHECKING, Annotated

import typer

from semsearch.cli.flags import (
    After,
    Before,
    Fusion,
    IndexPath,
    Mode,
    PathGlobs,
    Since,
    Types,
    Where,
    chosen_filters,
    only_index,
)
from semsearch.cli.formats import explain, on_host, place
from semsearch.cli.render import announce, one_line, print_json, write
from semsearch.plurals import count_of

if TYPE_CHECKING:
    from semsearch.maintenance.why import Why


def command(
    query: Annotated[str, typer.Argument(metavar="QUERY", help="What was looked for.")],
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="The file that was missed, as results show it or by path.")
    ],
    index: IndexPath = None,
    k: Annotated[int, typer.Option("-k", metavar="N", help="How many results the search shows.")] = 10,
    mode: Mode = "hybrid",
    alpha: Annotated[float | None, typer.Option(metavar="X", help="Weight of meaning, 0 to 1.")] = None,
    fusion: Fusion = "convex",
    group: Annotated[str, typer.Option(metavar="chunk|file", help="Count passages or files.")] = "chunk",
    path: PathGlobs = None,
    type_: Types = None,
    where: Where = None,
    since: Since = None,
    before: Before = None,
    after: After = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object (semsearch.why/1).")] = False,
) -> int:
    """Explain what became of FILE in a search for QUERY.

    Ignored by which rule, skipped, failed, not encoded yet, changed since, filtered out, or at which rank and with
    which scores. Exits with 0 when the search shows it, 1 when it does not, 2 on an error.

    \b
    Examples:
      semsearch why "when is it too windy" operations/turbine-maintenance.md
      semsearch why "battery warranty" drafts/letter.md
    """
    from semsearch.maintenance.why import why
    from semsearch.retrieval.options import SearchOptions
    from semsearch.retrieval.searcher import Searcher

    options = SearchOptions(
        k=k,
        mode=mode,
        alpha=alpha,
        fusion=fusion,
        group=group,
        filters=chosen_filters(path, type_, where, since, before),
        explain=True,
    )
    with Searcher(only_index(index), announce, after=after) as searcher:
        answer = why(searcher, query, file, options)
    _print(answer, as_json=as_json)
    return 0 if answer.status == "found" else 1


def _print(answer: "Why", *, as_json: bool) -> None:
    """Prints the result of `why`: JSON, or what happened in one line, then the best passage with its scores."""
    if as_json:
        print_json(answer.as_dict())
        return
    line = f"{one_line(answer.path)}: {answer.status}"
    if answer.hit is not None:
        of = count_of(answer.candidates or 0, "passage")
        line += f", rank {answer.rank:,} of {of} compared ({answer.file_rank:,} among files)"
    write(line + (f": {one_line(answer.reason)}" if answer.reason else ""))
    if answer.rule:
        write(f"    by {one_line(answer.rule)}")
    if answer.hit is not None:
        where = one_line(place(answer.hit)) + on_host(answer.hit)
        write(f"    {answer.hit.score:.3f}  {where}  {one_line(answer.hit.snippet)}")
        write(f"    {explain(answer.hit)}")
