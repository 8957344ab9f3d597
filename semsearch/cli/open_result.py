"""`semsearch open N`: opens a result of the last search in the editor, the pager or the viewer, at its place."""

import os
from typing import Annotated

import typer

from semsearch import settings
from semsearch.cli.formats import openable, place_in
from semsearch.cli.last_results import ShownPlace, last_places
from semsearch.cli.opener import open_place
from semsearch.cli.render import one_line, write
from semsearch.errors import SemsearchError, UsageError
from semsearch.sources.names import shown_name


def command(
    number: Annotated[
        int, typer.Argument(metavar="[N]", help="The number of the result, or of the source of an answer. Default: 1.")
    ] = 1,
) -> int:
    """Open result N of the last search, or source N of the last answer, at its line or page.

    Text opens in $VISUAL or $EDITOR, without one in the pager ($PAGER); anything else as the desktop does. The last
    search is that of this terminal that printed results as text, or else that of any; its index need not be named.

    \\b
    Examples:
      semsearch open 3
      EDITOR="code --wait" semsearch open
    """
    places = _remembered()
    if not 1 <= number <= len(places):
        count = f"from 1 to {len(places)}" if len(places) > 1 else "1"
        raise UsageError(f"there is no result {number} of the last search", f"semsearch open N, N {count}")
    place = places[number - 1]
    write(one_line(place_in(shown_name(openable(place.file)), place.page, place.line)))
    open_place(place)
    return 0


def _remembered() -> list[ShownPlace]:
    """The places that can be opened, by their numbers from 1. Raises `SemsearchError` where there are none."""
    if not settings.history():
        raise UsageError("no results are remembered: the setting history is 0", "set it to 1 or more, and search")
    try:
        places = last_places()
    except OSError as error:
        raise SemsearchError(
            f"the last results cannot be read: {error.filename}: {error.strerror}", "remove that file", code="os"
        ) from None
    if not places:
        folder = settings.state_folder()
        hint = "search first: semsearch search QUERY"
        if os.path.isdir(folder) and not os.access(folder, os.W_OK):
            hint = f"{folder} cannot be written: let XDG_STATE_HOME name a folder that can"
        raise UsageError("no results are remembered", hint)
    return places
