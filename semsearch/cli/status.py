"""`semsearch status`: what an index holds and how it is."""

from typing import Annotated

import typer

from semsearch.cli import render


def command(
    index: Annotated[
        str | None,
        typer.Option("--index", "-i", metavar="PATH", help="The index. Default: the nearest .semsearch upwards."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object (semsearch.status/1).")] = False,
) -> int:
    """Show what an index holds: folders, files, chunks, model, size, the last run."""
    from semsearch.index_status import index_status

    render.index_status(index_status(index), as_json=as_json)
    return 0
