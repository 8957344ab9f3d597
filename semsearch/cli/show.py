"""`semsearch show`: prints the text of an indexed file, or a part of it, as the index has it."""

from typing import Annotated

import typer

from semsearch.cli.flags import IndexPath, only_index
from semsearch.cli.render import announce, print_json, write
from semsearch.errors import UsageError


def command(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE[:LINES|:pPAGES]", help="As results show it, or by path: a.md, a.md:12, a.md:12-30, b.pdf:p3."
        ),
    ],
    index: IndexPath = None,
    context: Annotated[int, typer.Option("-C", "--context", metavar="N", help="Show N lines around those.")] = 0,
    number: Annotated[bool, typer.Option("-n", "--line-number", help="Print the number before each line.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object (semsearch.show/1).")] = False,
) -> int:
    """Show the text of FILE as it is indexed: of a PDF, a mail or a sheet what a search finds in it.

    The file itself is not read, and need not be there any more.

    \b
    Examples:
      semsearch show operations/tariffs.md
      semsearch show operations/tariffs.md:12-20 -n
      semsearch show operations/site-survey.pdf:p2
    """
    from semsearch.maintenance.shown_file import lines_of, part_named, show_file, shown_dict
    from semsearch.retrieval.document_text import numbered

    if context < 0:
        raise UsageError(f"-C {context} is negative", "use 0 or more")
    name, _, place = file.rpartition(":")
    part = part_named(place) if name else None
    shown = show_file(only_index(index), [file] if part is None else [file, name])
    lines = shown.lines if part is None or shown.is_whole_name else lines_of(shown, part, context)
    if not shown.lines:
        announce(f"{shown.path}: the index has no text of it")
    if shown.change:
        announce(f"{shown.path} {shown.change}")
    if as_json:
        print_json(shown_dict(shown, lines))
        return 0
    for position, (line, own) in enumerate(zip(lines, numbered(lines), strict=True)):
        if position and not line.follows:
            write("")
        at = own if own is not None else f"p{line.page}" if line.number is None and line.page is not None else ""
        write(f"{at}:{line.text}" if number else line.text)
    return 0
