"""The command line: parses flags, calls one function of the library, prints the result, exits.

No other package prints or ends the process.
"""

import os
import sys
import time

# What a time limit of a command counts from, by `time.perf_counter`.
BEGAN = time.perf_counter()

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def main() -> "NoReturn":
    """The `semsearch` command. Ends the process with one of the exit codes that the manual page lists."""
    for stream in ("stdin", "stdout", "stderr"):
        if getattr(sys, stream) is None:  # the caller closed it
            setattr(sys, stream, open(os.devnull, "r" if stream == "stdin" else "w"))  # noqa: SIM115
    arguments = sys.argv[1:]
    checked = None
    if arguments and arguments[0] == "index":
        # First, because importing Typer takes as long as walking thousands of files.
        from semsearch.cli import unchanged

        try:
            answered, checked = unchanged.answer(arguments[1:])
            if answered:
                sys.stdout.flush()
                _exit(0)
        except (Exception, KeyboardInterrupt) as error:
            from semsearch.cli.app import failed

            _exit(failed(error, arguments))
    from semsearch.cli.app import run

    _exit(run(arguments, checked))


def _exit(code: int) -> "NoReturn":
    """Ends the process without the clean-up of the interpreter, onnxruntime and FAISS, which takes 55 ms.

    All files are closed and committed by now; only the standard streams have to be flushed.
    """
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        code = code or 2  # the results did not reach the reader
    os._exit(code)
