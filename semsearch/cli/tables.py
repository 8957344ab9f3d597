"""Prints tables of figures: with Rich on a terminal, as aligned columns in a pipe. No cell is ever cut or wrapped: what
is copied from a table, such as a name, is whole."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from semsearch.cli.render import announce, one_line, write


@dataclass(frozen=True)
class Column:
    """A column with its heading; `right`: its cells are aligned to the right. `spare`: on a terminal that is too narrow
    it is left out, of several the one with the highest number first; 0: never."""

    name: str
    right: bool = False
    spare: int = 0


def print_table(columns: Sequence[Column], rows: Sequence[Sequence[str]], title: str = "") -> None:
    """Prints `rows`, each with a text for every one of `columns`, on stdout under an optional `title`.

    Where a terminal is too narrow, the table has no lines, and then fewer columns, which is said on stderr.
    """
    cells = [[one_line(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _on_terminal(list(columns), cells, title)
        return
    if title:
        write(title)
    lines = [[column.name for column in columns], *cells]
    widths = [max(len(line[number]) for line in lines) for number in range(len(columns))]
    for line in lines:
        aligned = [
            cell.rjust(width) if column.right else cell.ljust(width)
            for cell, width, column in zip(line, widths, columns, strict=True)
        ]
        write("  ".join(aligned).rstrip())


def _on_terminal(columns: list[Column], rows: list[list[str]], title: str) -> None:
    from rich.cells import cell_len
    from rich.table import Table
    from rich.text import Text

    from semsearch.cli.console import console

    wide = console(sys.stdout).width
    widths = [
        max(map(cell_len, [column.name, *(row[number] for row in rows)])) for number, column in enumerate(columns)
    ]
    left_out: list[str] = []
    while sum(widths) + 2 * (len(widths) - 1) > wide and any(column.spare for column in columns):
        number = max(range(len(columns)), key=lambda number: columns[number].spare)
        left_out.append(columns.pop(number).name)
        del widths[number]
        rows = [row[:number] + row[number + 1 :] for row in rows]
    # Lines take three characters a column.
    title_text = Text(title) if title else None
    if sum(widths) + 3 * len(widths) + 1 <= wide:
        table = Table(title=title_text, title_justify="left")
    else:
        table = Table(
            title=title_text,
            title_justify="left",
            box=None,
            padding=(0, 2, 0, 0),
            pad_edge=False,
            collapse_padding=True,
        )
    for column, width in zip(columns, widths, strict=True):
        table.add_column(Text(column.name), justify="right" if column.right else "left", no_wrap=True, min_width=width)
    for row in rows:
        table.add_row(*map(Text, row))
    # A terminal that is narrower still wraps the lines itself, which cuts nothing that is copied.
    console(sys.stdout, width=max(wide, sum(widths) + 3 * len(widths) + 1)).print(table)
    if left_out:
        announce(f"not shown in {wide} columns: {', '.join(reversed(left_out))} (all of it: in a pipe)")
