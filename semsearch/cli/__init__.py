"""The command line: parses flags, calls one function of the library, prints the result, exits.

No other package prints or ends the process.
"""

import gc
import os
import sys
import time

from semsearch.errors import SemsearchError

# What a time limit of a command counts from, by `time.perf_counter`.
BEGAN = time.perf_counter()

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from semsearch.sources.differences import StatCheck

# Commands that load no library of models and vectors.
_LIGHT = frozenset({"open", "status", "config", "models", "--help", "-h", "--version"})
# Those that a service runs where there is one.
_SERVED = frozenset({"search", "ask"})
# Those that need most of them.
_MEASURING = frozenset({"bench", "tune"})


def main() -> "NoReturn":
    """The `semsearch` command. Ends the process with one of the exit codes that the manual page lists."""
    # Until the command runs: a collection would look through tens of thousands of live tuples, a tenth of the time of
    # an unchanged run of `index`, and through the modules that are imported.
    gc.disable()
    from semsearch.cli import interrupts, streams

    interrupts.install()
    arguments = sys.argv[1:]
    if arguments and arguments[0] in _SERVED:
        from semsearch.cli import service_client

        code = service_client.run(arguments)
        if code is not None:
            if code < 0:
                service_client.end_by(-code)
            os._exit(code)  # what it printed is printed
    streams.open_streams()
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
    _exit(_run(arguments, checked))


def _run(arguments: "list[str]", checked: "StatCheck | None") -> int:
    from semsearch.shortage import LEAST_ADDRESS_SPACE, LEAST_FOR_MEASURING, check_address_space, shortage_of

    command = arguments[0] if arguments else ""
    try:
        if command not in _LIGHT:
            check_address_space(LEAST_FOR_MEASURING if command in _MEASURING else LEAST_ADDRESS_SPACE)
        from semsearch.cli.app import run
    except Exception as error:  # it may be that there is no memory for the imports
        known = error if isinstance(error, SemsearchError) else shortage_of(error)
        if known is None:
            raise
        from semsearch.cli.failure import fail

        return fail(known, arguments, known.exit_code)
    gc.freeze()  # what is imported stays
    gc.enable()
    return run(arguments, checked)


def _exit(code: int) -> "NoReturn":
    """Ends the process without the clean-up of the interpreter, onnxruntime and FAISS, which takes 55 ms.

    All files are closed and committed by now, and what was printed is flushed; after an error, as far as that is
    possible.
    """
    try:  # noqa: SIM105 - contextlib takes as long to import as a hundred files to compare
        sys.stdout.flush()
    except OSError:
        pass  # this is the error that was told
    os._exit(code)
