"""`semsearch show`: prints the text of an indexed file, or a part of it, as the index has it."""

import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from semsearch.cli.flags import IndexPath, only_index
from semsearch.cli.render import announce, print_json, write
from semsearch.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from semsearch.maintenance.shown_file import ShownFile
    from semsearch.retrieval.document_text import TextLine

SCHEMA = "semsearch.show/1"
_PLACE = re.compile(r"(?P<file>.+):(?P<pages>p?)(?P<first>\d{1,18})(?P<range>-p?(?P<last>\d{0,18}))?", re.DOTALL)


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
    from semsearch.maintenance.shown_file import show_file
    from semsearch.retrieval.document_text import numbered, selected

    if context < 0:
        raise UsageError(f"-C {context} is negative", "use 0 or more")
    match = _PLACE.fullmatch(file)
    shown = show_file(only_index(index), [file] if match is None else [file, match["file"]])
    lines = list(shown.lines)
    if match is not None and not shown.is_whole_name:
        first, last = int(match["first"]), match["last"]
        until = first if match["range"] is None else int(last) if last else None
        lines = selected(lines, first, until, bool(match["pages"]), context)
        if not lines:
            raise UsageError(
                f"{shown.path}: the index has no text at {file.removeprefix(match['file'] + ':')}", _held(shown)
            )
    if not shown.lines:
        announce(f"{shown.path}: the index has no text of it")
    if shown.change:
        announce(f"{shown.path} {shown.change}")
    if as_json:
        print_json(_as_dict(shown, lines))
        return 0
    for place, (line, own) in enumerate(zip(lines, numbered(lines), strict=True)):
        if place and not line.follows:
            write("")
        at = own if own is not None else f"p{line.page}" if line.number is None and line.page is not None else ""
        write(f"{at}:{line.text}" if number else line.text)
    return 0


def _held(shown: "ShownFile") -> str:
    """What of a file can be named."""
    numbers = [line.number for line in shown.lines if line.number is not None]
    pages = [line.page for line in shown.lines if line.page is not None]
    if numbers:
        return f"it has lines {min(numbers)} to {max(numbers)}"
    return (
        f"it has pages {min(pages)} to {max(pages)}: FILE:p{min(pages)}"
        if pages
        else "it has no lines: name FILE alone"
    )


def _as_dict(shown: "ShownFile", lines: "Sequence[TextLine]") -> dict[str, Any]:
    """The `semsearch.show/1` object."""
    from semsearch.retrieval.hit import host_field

    return {
        "schema": SCHEMA,
        "path": shown.path,
        "file": shown.file,
        **host_field(shown.host),
        "type": shown.type,
        "title": shown.title,
        "change": shown.change or None,
        "lines": [
            {"line": line.number, "page": line.page, "heading": list(line.heading), "text": line.text} for line in lines
        ],
    }
