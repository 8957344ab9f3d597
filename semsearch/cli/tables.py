"""Prints tables of figures: with Rich on a terminal, as aligned columns in a pipe."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from semsearch.cli.render import one_line, write


@dataclass(frozen=True)
class Column:
    """A column with its heading; `right`: its cells are aligned to the right."""

    name: str
    right: bool = False


def print_table(columns: Sequence[Column], rows: Sequence[Sequence[str]], title: str = "") -> None:
    """Prints `rows`, each with a text for every one of `columns`, on stdout under an optional `title`."""
    if sys.stdout.isatty():
        from rich.table import Table
        from rich.text import Text

        from semsearch.cli.console import console

        table = Table(title=Text(title) if title else None, title_justify="left")
        for column in columns:
            table.add_column(Text(column.name), justify="right" if column.right else "left")
        for row in rows:
            table.add_row(*(Text(one_line(cell)) for cell in row))
        console(sys.stdout).print(table)
        return
    if title:
        write(title)
    lines = [[column.name for column in columns], *([one_line(cell) for cell in row] for row in rows)]
    widths = [max(len(line[number]) for line in lines) for number in range(len(columns))]
    for line in lines:
        cells = [
            cell.rjust(width) if column.right else cell.ljust(width)
            for cell, width, column in zip(line, widths, columns, strict=True)
        ]
        write("  ".join(cells).rstrip())
