"""`semsearch copy`: an index in another place, as it is."""

from typing import TYPE_CHECKING, Annotated

import typer

from semsearch.cli import render
from semsearch.cli.flags import INDEX, IndexPath, known_indexes, only_index
from semsearch.plurals import count_of

if TYPE_CHECKING:
    from semsearch.maintenance.copying import CopyReport


def command(
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar=INDEX,
            help="Where to: a new folder, or postgresql://HOST/DATABASE.",
            autocompletion=known_indexes,
        ),
    ],
    index: IndexPath = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for another run that is writing there.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object (semsearch.copy/1).")] = False,
) -> int:
    """Copy an index to a folder or a database, without reading or encoding anything again.

    One committed state is copied, and compared at the end: files, texts, words, vectors. Cut off, it goes on with the
    same command.

    \b
    Examples:
      semsearch copy -i notes --to postgresql://ada@db.example.org/team
      semsearch copy -i postgresql://ada@db.example.org/team --to backup.index
    """
    from semsearch.cli.interrupts import interruptible
    from semsearch.cli.progress import bars
    from semsearch.maintenance.copying import copy

    with interruptible(), bars(quiet or as_json) as (announce, advance):
        report = copy(only_index(index), to, wait, announce, advance)
    if as_json:
        render.print_json(report.as_dict())
    elif not quiet:
        _print(report)
    return 0


def _print(report: "CopyReport") -> None:
    pending = f", {report.pending:,} of them not encoded yet" if report.pending else ""
    render.write(
        f"copied: {count_of(report.files, 'file')}, {count_of(report.chunks, 'chunk')}{pending}"
        f" in {report.seconds:.1f} s: {render.one_line(report.target)}"
    )
