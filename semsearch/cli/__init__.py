"""The command line: parses flags, calls one function, prints, exits. Nothing below this package does any of that."""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def main() -> "NoReturn":
    """The `semsearch` command. Ends the process with the exit codes documented in the README."""
    arguments = sys.argv[1:]
    if arguments and arguments[0] == "index":
        # Importing Typer alone takes as long as walking thousands of files, so this is asked first.
        from semsearch.cli import unchanged

        if unchanged.answer(arguments[1:]):
            sys.exit(0)
    from semsearch.cli.app import run

    sys.exit(run(arguments))
