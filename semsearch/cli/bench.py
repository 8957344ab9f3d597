"""`semsearch bench`: measures quality, vector formats and speed on the user's own index, and prints tables."""

from typing import TYPE_CHECKING, Annotated

import typer

from semsearch.cli import render
from semsearch.cli.flags import IndexPath, Rerank, chosen_reranker, only_index
from semsearch.cli.query_files import read_queries
from semsearch.cli.tables import Column, print_table
from semsearch.errors import UsageError
from semsearch.plurals import count_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from semsearch.evaluation.metrics import MeanEstimate
    from semsearch.evaluation.quality import QualityReport
    from semsearch.evaluation.speed import SpeedReport
    from semsearch.evaluation.vector_bench import VectorsReport

app = typer.Typer(
    name="bench",
    help="Measure an index: how well it finds, what its vectors could be kept as, how fast it is.",
    invoke_without_command=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Plot = Annotated[str | None, typer.Option("--plot", metavar="FILE", help="Draw the figures: out.png or out.svg.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object (semsearch.bench/1).")]


@app.callback()
def _alone(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help())


@app.command("quality")
def quality(
    index: IndexPath = None,
    beir: Annotated[
        str | None,
        typer.Option(metavar="FOLDER", help="A BEIR folder. Without --index its corpus is indexed for the occasion."),
    ] = None,
    queries: Annotated[
        str | None, typer.Option(metavar="FILE", help="Queries for --qrels: JSON lines with _id and text, or lines.")
    ] = None,
    qrels: Annotated[
        str | None, typer.Option(metavar="FILE", help="Judgements, TREC or BEIR; documents are named by file.")
    ] = None,
    questions: Annotated[
        int, typer.Option(metavar="N", help="Without labels: make N questions of each kind from the index.")
    ] = 100,
    alpha: Annotated[
        list[float] | None, typer.Option(metavar="X", help="A fixed weight of meaning to try. Repeatable.")
    ] = None,
    rerank: Rerank = None,
    model: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Another model to try on these passages. Repeatable.")
    ] = None,
    dims: Annotated[
        str | None, typer.Option("--dims", "--dim", metavar="N,N", help="Shorter vectors to try, such as 64,128,256.")
    ] = None,
    runs: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="Write each run as a TREC run file into FOLDER.")
    ] = None,
    fail_under: Annotated[
        list[str] | None,
        typer.Option(metavar="METRIC=X", help="Exit with 1 when hybrid search is below: ndcg@10=0.80. Repeatable."),
    ] = None,
    plot: Plot = None,
    as_json: Json = False,
) -> int:
    """Compare every way to search: nDCG@10, MRR@10, Recall@10, Recall@100, MAP, with 95 % intervals.

    With labels (--beir, or --queries and --qrels), or without: then questions are made from the documents themselves,
    some words of a passage (known-item), and its heading or first sentence with that cut out of the passage
    (paraphrase-like). p is the chance that a difference in nDCG@10 to hybrid search as large as this is luck.

    \b
    Examples:
      semsearch bench quality
      semsearch bench quality --beir data/cranfield --plot quality.svg
      semsearch bench quality --queries q.jsonl --qrels judged.tsv --fail-under ndcg@10=0.80
      semsearch bench quality --model static --dims 64,128
    """
    from semsearch.cli.interrupts import interruptible
    from semsearch.cli.progress import bars
    from semsearch.evaluation import plots
    from semsearch.evaluation.labels import read_qrels
    from semsearch.evaluation.metrics import METRICS, parse_gates
    from semsearch.evaluation.quality import QualityOptions, measure_quality

    if (queries is None) != (qrels is None):
        raise UsageError("--queries and --qrels belong together", "name both")
    if beir is not None and queries is not None:
        raise UsageError("--beir brings its own queries", "leave out --queries and --qrels")
    if questions < 1:
        raise UsageError(f"--questions {questions} is too few", "use 10 or more")
    if any(not 0 <= value <= 1 for value in alpha or ()):
        raise UsageError("--alpha is out of range", "use 0 (words only) to 1 (meaning only)")
    if plot is not None:
        plots.check(plot)
    options = QualityOptions(
        beir=beir,
        queries=dict(read_queries(queries)) if queries is not None else {},
        qrels=read_qrels(qrels) if qrels is not None else {},
        questions=questions,
        models=tuple(model or ()),
        dims=_numbers(dims),
        rerank=chosen_reranker(rerank),
        runs=runs,
        gates=parse_gates(fail_under or ()),
        **({"alphas": tuple(alpha)} if alpha else {}),
    )
    with interruptible(commits=False), bars(as_json) as (announce, advance):
        report = measure_quality(only_index(index), options, announce, advance)
    if plot is not None:
        plots.plot_quality(report, plot)
    if as_json:
        render.print_json(report.as_dict())
    else:
        _print_quality(report, list(METRICS))
    for text in report.failed:
        render.announce(text)
    return 1 if report.failed else 0


@app.command("vectors")
def vectors(
    index: IndexPath = None,
    sample: Annotated[int, typer.Option(metavar="N", help="Measure on at most N vectors.")] = 100_000,
    queries: Annotated[int, typer.Option(metavar="N", help="Sentences of the index to ask with.")] = 200,
    plot: Plot = None,
    as_json: Json = False,
) -> int:
    """Compare the kinds of FAISS index on this index's own vectors: build time, size, time of a query, recall@10.

    Held-out queries are sentences of the index. What is best for this size is said at the end; quantize makes it so.

    \b
    Examples:
      semsearch bench vectors
      semsearch bench vectors --plot vectors.svg
    """
    from semsearch.cli.interrupts import interruptible
    from semsearch.evaluation import plots
    from semsearch.evaluation.vector_bench import measure_vectors

    if sample < 100 or queries < 10:
        raise UsageError(
            "--sample and --queries are too small to measure with", "use 100 vectors and 10 queries or more"
        )
    if plot is not None:
        plots.check(plot)
    with interruptible(commits=False):
        report = measure_vectors(only_index(index), sample, queries, _announce(as_json))
    if plot is not None:
        plots.plot_vectors(report, plot)
    if as_json:
        render.print_json(report.as_dict())
    else:
        _print_vectors(report)
    return 0


@app.command("speed")
def speed(
    index: IndexPath = None,
    chunks: Annotated[int, typer.Option(metavar="N", help="Passages of the index to encode.")] = 64,
    rounds: Annotated[int, typer.Option(metavar="N", help="Processes of each kind to time.")] = 7,
    as_json: Json = False,
) -> int:
    """Measure this machine: chunks a second by runtime and batch size, cold and warm queries, where the time goes.

    \b
    Example:
      semsearch bench speed
    """
    from semsearch.cli.interrupts import interruptible
    from semsearch.evaluation.speed import measure_speed

    if chunks < 1 or rounds < 1:
        raise UsageError("--chunks and --rounds must be 1 or more", "leave them out")
    with interruptible(commits=False):
        report = measure_speed(only_index(index), chunks, rounds, _announce(as_json))
    if as_json:
        render.print_json(report.as_dict())
    else:
        _print_speed(report)
    return 0


def _announce(as_json: bool) -> "Callable[[str], None]":
    """The function that prints messages for the user; with JSON it prints none."""
    return (lambda message: None) if as_json else render.announce


def _numbers(text: str | None) -> tuple[int, ...]:
    """The numbers of `--dims 64,128`; none for None. Raises `UsageError`."""
    try:
        return tuple(int(part) for part in text.split(",")) if text else ()
    except ValueError:
        raise UsageError(f"--dims {text} is not a list of numbers", "write it like 64,128,256") from None


def _print_quality(report: "QualityReport", names: list[str]) -> None:
    for notice in report.notices:
        render.announce(notice)
    shown = {"ndcg@10": "nDCG@10", "mrr@10": "MRR@10", "recall@10": "R@10", "recall@100": "R@100", "map": "MAP"}
    columns = [Column("search"), Column("nDCG@10", True), Column("95 %", spare=1)]
    columns += [Column(shown[name], True, number) for number, name in enumerate(names[1:], 2)]
    columns.append(Column("p", True))
    for number, table in enumerate(report.tables):
        if number:
            render.write("")
        rows = [
            [
                row.system,
                f"{row.estimates['ndcg@10'].mean:.4f}",
                _interval(row.estimates["ndcg@10"]),
                *(f"{row.estimates[name].mean:.4f}" for name in names[1:]),
                "" if row.p is None else ("<0.001" if row.p < 0.001 else f"{row.p:.3f}"),
            ]
            for row in table.rows
        ]
        print_table(columns, rows, f"{table.name}, {count_of(table.queries, 'query')}")
    if report.shown is not None:
        render.write("")
        shares = (
            ("it stands in the first hit", report.shown.first),
            ("it is what the first hit marks", report.shown.marked),
            ("it stands in the snippet of the first hit", report.shown.shown),
        )
        rows = [[name, f"{share.mean:.1%}", f"{share.low:.1%} to {share.high:.1%}"] for name, share in shares]
        title = f"some words of one sentence, {count_of(report.shown.questions, 'query')}"
        print_table([Column("the sentence"), Column("share", True), Column("95 %")], rows, title)


def _interval(value: "MeanEstimate") -> str:
    return f"{value.low:.3f} to {value.high:.3f}"


def _print_vectors(report: "VectorsReport") -> None:
    for notice in report.notices:
        render.announce(notice)
    columns = [
        Column("index"), Column("metric"), Column("build", True, 1), Column("size", True), Column("p50", True),
        Column("p95", True, 2), Column("recall@10", True),
    ]  # fmt: skip
    rows = [
        [
            row.name,
            row.metric,
            f"{row.build:.2f} s",
            f"{row.size / 1e6:,.1f} MB",
            f"{row.p50 * 1000:.2f} ms",
            f"{row.p95 * 1000:.2f} ms",
            f"{row.recall:.4f}",
        ]
        for row in report.rows
    ]
    vectors, queries = count_of(report.vectors, "vector"), count_of(report.queries, "held-out query")
    title = f"{vectors} of {report.dim} numbers, {queries}, one core"
    print_table(columns, rows, title)
    render.write("best here: " + report.advice)


def _print_speed(report: "SpeedReport") -> None:
    for notice in report.notices:
        render.announce(notice)
    if report.encoding:
        sizes = list(next(iter(report.encoding.values())))
        columns = [Column("runtime"), *(Column(f"batches of {size}", True) for size in sizes)]
        rows = [[name, *(f"{speeds[size]:.1f}" for size in sizes)] for name, speeds in report.encoding.items()]
        title = f"chunks a second, {count_of(report.chunks, 'chunk')} of {report.tokens:.0f} tokens"
        print_table(columns, rows, title)
        render.write("")
    columns = [Column("process"), Column("median", True)]
    print_table(columns, [[name, f"{seconds * 1000:.0f} ms"] for name, seconds in report.cold.items()], "cold")
    render.write("")
    steps = [[step.name, f"{step.seconds * 1000:.2f} ms"] for step in report.steps]
    p50, p95 = (value * 1000 for value in report.warm)
    title = f"warm query: {p50:.1f} ms, 95 % below {p95:.1f} ms"
    print_table([Column("where the time goes"), Column("median", True)], steps, title)
