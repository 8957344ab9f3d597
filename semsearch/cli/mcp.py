"""`semsearch mcp`: an MCP server on standard input and output, for agents that start it."""

from contextlib import closing
from typing import Annotated

import typer

from semsearch.cli.flags import BaseUrl, Indexes
from semsearch.cli.serve import check_service_installed, opened_operations


def command(
    index: Indexes = None,
    llm: Annotated[
        str | None, typer.Option("--llm", metavar="MODEL", help="Questions may be answered by this model.")
    ] = None,
    base_url: BaseUrl = None,
) -> int:
    """Serve the index to an agent over MCP, on standard input and output.

    The tools search, ask, read_passage, list_files and status answer for the indexes that are named here, and for no
    others; nothing is changed. Needs: pip install 'semsearch[serve]'.

    \b
    Examples:
      semsearch mcp -i notes
      claude mcp add notes -- semsearch mcp -i /home/ada/notes
    """
    check_service_installed()
    with closing(opened_operations(index or [], llm, base_url, idle_minutes=10)) as operations:
        import anyio

        from semsearch.service.mcp_server import run_stdio

        anyio.run(run_stdio, operations)
    return 0
