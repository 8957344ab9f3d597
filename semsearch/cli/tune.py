"""`semsearch tune`: learns from questions with known answers how to search one index better."""

from typing import TYPE_CHECKING, Annotated

import typer

from semsearch.cli import render
from semsearch.cli.flags import IndexPath
from semsearch.cli.queries import read_queries
from semsearch.cli.tables import Column, print_table
from semsearch.errors import UsageError

if TYPE_CHECKING:
    from semsearch.tuning.tune import Comparison, TuneReport


def command(
    index: IndexPath = None,
    adapter: Annotated[
        bool, typer.Option("--adapter", help="Learn a map of query vectors; passages stay as they are. The default.")
    ] = True,
    beir: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="Questions and judgements of a BEIR folder.")
    ] = None,
    queries: Annotated[str | None, typer.Option(metavar="FILE|-", help="Questions, with --qrels.")] = None,
    qrels: Annotated[
        str | None, typer.Option(metavar="FILE", help="Which documents answer: TREC's or BEIR's form.")
    ] = None,
    pairs: Annotated[
        str | None, typer.Option(metavar="FILE", help="JSON lines with query and positive: a text that answers it.")
    ] = None,
    questions: Annotated[
        int, typer.Option(metavar="N", help="Without labels: make N questions of each kind from the documents.")
    ] = 200,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be gained; change nothing.")] = False,
    drop: Annotated[bool, typer.Option("--drop", help="Search without what was learnt again.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for another run that is writing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object (semsearch.tune/1).")] = False,
) -> int:
    """Learn how your questions are meant, in seconds, and search by that where it surely finds more.

    Each question is judged by what was learnt from others. The index changes only when the 95 % interval of the gain of
    searches by meaning is above 0 and hybrid search loses nothing. Exit code 1: it was not better, nothing was changed.

    \b
    Examples:
      semsearch tune --queries questions.jsonl --qrels judged.tsv
      semsearch tune --pairs pairs.jsonl
      semsearch tune --questions 300 --dry-run
      semsearch tune --drop
    """
    from semsearch.cli.progress import interruptible
    from semsearch.evaluation.labels import read_qrels
    from semsearch.tuning.tune import TuneOptions, drop_adapter, read_pairs, tune_adapter

    if drop:
        there = drop_adapter(index, wait)
        render.announce("what was learnt is dropped" if there else "nothing was learnt for this index")
        return 0
    if (queries is None) != (qrels is None):
        raise UsageError("--queries and --qrels belong together", "name both")
    if beir is not None and queries is not None:
        raise UsageError("--beir brings its own queries", "leave out --queries and --qrels")
    if pairs is not None and (beir is not None or queries is not None):
        raise UsageError("--pairs brings its own questions", "leave out --beir, --queries and --qrels")
    options = TuneOptions(
        beir=beir,
        pairs=read_pairs(pairs) if pairs is not None else (),
        queries=dict(read_queries(queries)) if queries is not None else {},
        qrels=read_qrels(qrels) if qrels is not None else {},
        questions=questions,
        dry_run=dry_run,
        wait=wait,
    )
    with interruptible():
        report = tune_adapter(index, options, (lambda message: None) if as_json else render.announce)
    if as_json:
        render.print_json(report.as_dict())
    else:
        _print(report)
    return 0 if report.better else 1


def _print(report: "TuneReport") -> None:
    for notice in report.notices:
        render.announce(notice)
    columns = [
        Column("search"), Column("nDCG@10 before", True), Column("after", True), Column("gain", True), Column("95 %"),
        Column("p", True),
    ]  # fmt: skip
    print_table(columns, [_row(row) for row in report.rows], f"{report.questions:,} questions, each held out once")
    if report.changed:
        render.write("better: this index is searched by what was learnt from now on (undo: semsearch tune --drop)")
    elif report.better:
        render.write("would be better")
    else:
        render.announce("not surely better: nothing was changed")


def _row(row: "Comparison") -> list[str]:
    gain = row.difference
    return [
        row.search,
        f"{row.before.mean:.4f}",
        f"{row.after.mean:.4f}",
        f"{gain.mean:+.4f}",
        f"{gain.low:+.4f} to {gain.high:+.4f}",
        "<0.001" if row.p < 0.001 else f"{row.p:.3f}",
    ]
