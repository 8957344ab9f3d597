"""`semsearch quantize`: makes the vectors smaller, after measuring what that loses."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from semsearch.cli import render
from semsearch.cli.flags import IndexPath, only_index, values
from semsearch.cli.tables import Column, print_table
from semsearch.errors import UsageError

if TYPE_CHECKING:
    from semsearch.maintenance.quantization import MeasuredFormat, QuantizeReport

_KINDS = ("float32", "float16", "int8", "int4", "rabitq", "binary", "pq")


def command(
    kind: Annotated[
        str | None,
        typer.Argument(
            metavar="[KIND]",
            help="float32, float16, int8, int4, binary, pq or rabitq. Default: the smallest that passes --max-loss.",
            autocompletion=values(*_KINDS),
        ),
    ] = None,
    index: IndexPath = None,
    dim: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Shorten vectors to N numbers: the first (Matryoshka models), else principal directions."
        ),
    ] = None,
    max_loss: Annotated[
        str | None,
        typer.Option(
            metavar="X%",
            help="Change nothing when more of the ten nearest is lost. 1% without KIND, and with --drop-original.",
        ),
    ] = None,
    ann: Annotated[
        str | None,
        typer.Option(
            metavar="auto|exact|ivf",
            help="How large segments are scanned: by codes of one bit first, whole, or in near cells only.",
            autocompletion=values("auto", "exact", "ivf"),
        ),
    ] = None,
    keep_original: Annotated[
        bool,
        typer.Option(
            "--keep-original/--drop-original",
            help="Keep the finer vectors, to compare the best by and to go back to. Default: keep.",
        ),
    ] = True,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Measure and print the table; change nothing.")] = False,
    queries: Annotated[int, typer.Option(metavar="N", help="Sentences of the index to measure with.")] = 200,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for another run that is writing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object (semsearch.quantize/1).")] = False,
) -> int:
    """Make the vectors of an index smaller, and say what is lost before anything is changed.

    Loss is the share of the ten nearest passages that a search by the new vectors misses, measured with sentences of
    the index as queries. Exit code 1: more would be lost than --max-loss allows; nothing was changed.

    \b
    Examples:
      semsearch quantize --dry-run             every kind: size, loss, time
      semsearch quantize int8 --max-loss 1%
      semsearch quantize --max-loss 2%         the smallest that passes
      semsearch quantize float16               back again
    """
    from semsearch.cli.interrupts import interruptible
    from semsearch.maintenance.quantization import QuantizeOptions, quantize

    options = QuantizeOptions(
        kind=kind.lower() if kind else None,
        dim=dim,
        max_loss=_share(max_loss) if max_loss is not None else None,
        ann=ann,
        keep_original=keep_original,
        dry_run=dry_run,
        queries=queries,
        wait=wait,
    )
    with interruptible():
        report = quantize(only_index(index), options, None if as_json else render.announce)
    if as_json:
        render.print_json(report.as_dict())
    else:
        _print(report, dry_run, keep_original)
    return 0 if report.passed else 1


def _share(text: str) -> float:
    """The share that `1%` or `0.01` stands for. Raises `UsageError`."""
    try:
        return float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError:
        raise UsageError(f"--max-loss {text} is not a share", "write it like 1% or 0.01") from None


def _print(report: "QuantizeReport", dry_run: bool, keep_original: bool) -> None:
    for notice in report.notices:
        render.announce(notice)
    columns = [
        Column("vectors"), Column("searched", True), Column("on disk", True), Column("recall@10", True),
        Column("first agrees", True, 1), Column("loss", True), Column("a query", True),
    ]  # fmt: skip
    rows = [_row("now", report.before), *(_row("", row) for row in report.table)]
    print_table(columns, rows)
    limit = "" if report.max_loss is None else f" (limit {report.max_loss:.2%})"
    if not report.passed:
        best = min((row.loss for row in report.table), default=0)
        render.announce(
            f"nothing was changed: at least {best:.2%} of the ten nearest would be lost{limit}; --max-loss allows more"
        )
    elif report.changed and report.after is not None:
        after = report.after
        lost = "" if keep_original else "; the finer vectors are gone, index --rebuild makes them anew"
        render.write(
            f"{_name(report.before)} -> {_name(after)}: {_size(report.before.searched)} -> {_size(after.searched)}"
            f" searched, {_size(report.before.disk)} -> {_size(after.disk)} on disk,"
            f" {after.loss:.2%} of the ten nearest lost{limit}{lost}"
        )
    elif dry_run and report.after is not None:
        render.write(f"would be: {_name(report.after)}{limit}")
    sys.stdout.flush()


def _row(note: str, row: "MeasuredFormat") -> list[str]:
    return [
        f"{_name(row)} ({note})" if note else _name(row),
        _size(row.searched),
        _size(row.disk),
        f"{row.recall:.4f}",
        f"{row.top1:.1%}",
        f"{row.loss:.2%}",
        f"{row.seconds * 1000:.2f} ms",
    ]


def _name(row: "MeasuredFormat") -> str:
    """The vector format of a row for people, such as `int8 x 128 + float16`."""
    chosen = row.format
    name: str = chosen.kind + (f" x {chosen.codes_dim}" if chosen.projection is not None else "")
    name += "" if chosen.ann == "auto" else f", {chosen.ann}"
    return name + (f" + {chosen.store}" if chosen.codes else "")


def _size(count: int) -> str:
    """`count` bytes in megabytes."""
    return f"{count / 1e6:,.2f} MB" if count < 1e8 else f"{count / 1e6:,.0f} MB"
