"""Prints an error as one line, or as JSON; imports nothing heavy, as there may be no memory for it."""

import sys
from collections.abc import Sequence

from semsearch.errors import SemsearchError
from semsearch.settings import url_scheme, without_password


def secret_urls(arguments: Sequence[str]) -> list[tuple[str, str]]:
    """(URL, the same without its secrets) of every URL in `arguments` that has some."""
    found = []
    for argument in arguments:
        start = max(argument.find("=", 0, argument.find("://")), 1 if argument.startswith("-i") else -1) + 1
        url = argument[start:]
        if url_scheme(url) and (bare := without_password(url)) != url:
            found.append((url, bare))
    return found


def without_secrets(text: str, arguments: Sequence[str]) -> str:
    """`text` with each URL of `arguments` as it may be told."""
    for url, bare in secret_urls(arguments):
        text = text.replace(url, bare)
    return text


def place_of_password(url: str) -> str:
    """Where the password of `url` is to be put, in words."""
    from semsearch.vector_engines.keys import VARIABLES

    variable = VARIABLES.get(url_scheme(url))
    return f"in {variable}" if variable else "in a file that PGPASSFILE names, or in PGPASSWORD"


def fail(error: SemsearchError, arguments: Sequence[str], code: int) -> int:
    """Prints `error` on stderr, as JSON where the command prints JSON; returns `code`."""
    from semsearch.cli.render import json_line, one_line

    message, hint = (without_secrets(text, arguments) for text in (error.message, error.hint))
    if "--json" in arguments or "--jsonl" in arguments:
        body = {"code": error.code, "message": message, "hint": hint}
        text = json_line({"schema": "semsearch.error/1", "error": body})
    else:
        text = "semsearch: " + one_line(message) + (f" ({one_line(hint)})" if hint else "")
    print(text, file=sys.stderr, flush=True)
    return code
