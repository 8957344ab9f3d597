"""`semsearch browse`: searches as you type, with what is found and its surroundings on the screen."""

import os
import sys
from typing import Annotated

import typer

from semsearch.cli.flags import Before, Indexes, Mode, PathGlobs, Since, Types, Where, chosen_filters, values
from semsearch.errors import UsageError
from semsearch.extras import check_installed


def command(
    query: Annotated[str, typer.Argument(metavar="[QUERY]", help="What to look for first.")] = "",
    index: Indexes = None,
    mode: Mode = "hybrid",
    group: Annotated[
        str,
        typer.Option(
            metavar="chunk|file",
            help="One result for each passage or for each file.",
            autocompletion=values("chunk", "file"),
        ),
    ] = "chunk",
    path: PathGlobs = None,
    type_: Types = None,
    where: Where = None,
    since: Since = None,
    before: Before = None,
) -> int:
    """Search as you type, read what is found in its surroundings, and open it in the editor.

    Up and down choose a result, Enter opens it, Ctrl-Y copies its place, Esc goes back and at last quits; F1 tells all
    keys. Needs: pip install 'semsearch[tui]'.

    \b
    Examples:
      semsearch browse
      semsearch browse "how do I renew the permit" -i notes -i mail
      semsearch browse 'battery type:pdf' --mode lexical --since 2024
    """
    _check_terminal()
    check_installed("browse", "tui", "textual")
    from semsearch import settings
    from semsearch.cli.browser.app import Browser
    from semsearch.service.operations import Operations
    from semsearch.service.parameters import SEARCH

    chosen_filters(path, type_, where, since, before)
    asked = {"mode": mode, "group": group, "path": path, "type": type_, "where": where, "since": since}
    # Wrong flags are told at once, and not by the first search.
    SEARCH.checked({**asked, "before": before, "query": query or "a"})
    operations = Operations(index or [settings.index_for_reading(None)])
    try:
        browser = Browser(operations, query, {**asked, "before": before})
        browser.run()
    finally:
        operations.close()
    if browser.failure is not None:
        raise browser.failure
    if browser.interrupted:
        raise KeyboardInterrupt
    return 0


def _check_terminal() -> None:
    """Raises `UsageError` where there is no terminal to draw on."""
    # The terminal is drawn on by way of stderr, so that what is printed stays apart.
    missing = [name for name in ("stdin", "stdout", "stderr") if not getattr(sys, name).isatty()]
    if missing:
        raise UsageError(f"browse needs a terminal, and {missing[0]} is none", "use: semsearch search QUERY")
    if os.environ.get("TERM", "dumb") == "dumb":
        raise UsageError("browse needs a terminal that can place text: TERM is dumb", "use: semsearch search QUERY")
