"""The command line: parses flags, calls one function, prints, exits. Nothing below this package does any of that."""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def main() -> "NoReturn":
    """The `semsearch` command. Ends the process with the exit codes documented in the README."""
    for stream in ("stdin", "stdout", "stderr"):
        if getattr(sys, stream) is None:  # the caller closed it
            setattr(sys, stream, open(os.devnull, "r" if stream == "stdin" else "w"))  # noqa: SIM115
    arguments = sys.argv[1:]
    seen = None
    if arguments and arguments[0] == "index":
        # Importing Typer alone takes as long as walking thousands of files, so this is asked first.
        from semsearch.cli import unchanged

        try:
            answered, seen = unchanged.answer(arguments[1:])
            if answered:
                sys.stdout.flush()
                _leave(0)
        except (Exception, KeyboardInterrupt) as error:
            from semsearch.cli.app import failed

            _leave(failed(error, arguments))
    from semsearch.cli.app import run

    _leave(run(arguments, seen))


def _leave(code: int) -> "NoReturn":
    """Ends the process at once: taking onnxruntime, faiss and the heap apart would add 55 ms to every search.

    All files are closed and committed by now; only the standard streams may still hold something.
    """
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        code = code or 2  # what was printed did not arrive
    os._exit(code)
