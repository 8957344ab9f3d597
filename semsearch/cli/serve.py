"""`semsearch serve`: a resident process that answers this user's searches at once."""

from typing import Annotated

import typer

from semsearch.cli.render import announce


def command(
    idle: Annotated[
        float, typer.Option("--idle", metavar="MINUTES", help="Close models that nobody used for so long.")
    ] = 10,
) -> int:
    """Hold models in memory, and run this user's `search` and `ask` at once."""
    from semsearch.cli.command_service import CommandService, listening

    with listening() as (socket, lock):
        service = CommandService(socket, lock, idle * 60)
        announce(f"serving commands of this user at {socket.getsockname()}")
        service.run()
    return 0
