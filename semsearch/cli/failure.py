"""Prints an error as one line, or as JSON; imports nothing heavy, as there may be no memory for it."""

import sys
from collections.abc import Sequence

from semsearch.errors import SemsearchError


def fail(error: SemsearchError, arguments: Sequence[str], code: int) -> int:
    """Prints `error` on stderr, as JSON where the command prints JSON; returns `code`."""
    from semsearch.cli.render import json_line, one_line

    if "--json" in arguments or "--jsonl" in arguments:
        body = {"code": error.code, "message": error.message, "hint": error.hint}
        text = json_line({"schema": "semsearch.error/1", "error": body})
    else:
        text = "semsearch: " + one_line(error.message) + (f" ({one_line(error.hint)})" if error.hint else "")
    print(text, file=sys.stderr, flush=True)
    return code
