"""`semsearch verify`: checks whether an index is as it was written, and repairs it."""

from typing import TYPE_CHECKING, Annotated

import typer

from semsearch.cli import render
from semsearch.cli.flags import IndexPath, only_index
from semsearch.plurals import count_of

if TYPE_CHECKING:
    from semsearch.maintenance.verification import VerifyReport

_MAX_SHOWN = 20


def command(
    index: IndexPath = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Make damaged parts anew from the rest; encode only what is lost.")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for another run that is writing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object (semsearch.verify/1).")] = False,
) -> int:
    """Read all of an index and name what is not as it was written. Exit code 1: something is.

    \b
    Examples:
      semsearch verify || semsearch verify --repair
      semsearch verify --json | jq '.problems'
    """
    from contextlib import nullcontext

    from semsearch.cli.interrupts import interruptible
    from semsearch.maintenance.verification import verify

    with interruptible() if repair else nullcontext():
        report = verify(only_index(index), repair, wait, (lambda message: None) if as_json else render.announce)
    if as_json:
        render.print_json(report.as_dict())
    else:
        _print(report)
    return 1 if report.problems else 0


def _print(report: "VerifyReport") -> None:
    for notice in report.notices:
        render.announce(notice)
    for state, problems in (("repaired", report.repaired), ("damaged", report.problems)):
        for problem in problems[:_MAX_SHOWN]:
            todo = f" (--repair: {problem.repair})" if problem.repair and state == "damaged" else ""
            render.write(render.one_line(f"{state:<9} {problem.part}: {problem.what}{todo}"))
        if len(problems) > _MAX_SHOWN:
            render.write(f"{state:<9} {len(problems) - _MAX_SHOWN:,} more; all of them: semsearch verify --json")
    state = "damaged" if report.problems else "good"
    render.write(
        f"{state}: {count_of(report.files, 'file')}, {count_of(report.chunks, 'chunk')},"
        f" {count_of(report.segments, 'segment')} in {report.seconds:.1f} s: {render.one_line(report.index)}"
    )
