"""The names that the user gave to indexes: the table `[indexes]` of the configuration file.

Light, because every command that is about an index reads them, also an unchanged run of `index`.
"""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

# The key of the table in the configuration file.
TABLE = "indexes"
# More names are not listed in an error.
_MOST_LISTED = 20


def checked_names(table: object, path: str) -> dict[str, str]:
    """name -> folder or URL of the `table` that the file at `path` has. Raises `UsageError`, naming what is wrong."""
    from semsearch.errors import UsageError

    if not isinstance(table, dict):
        raise UsageError(f"{path}: {TABLE} is no table", f'write under [{TABLE}]: notes = "~/notes/.semsearch"')
    for name, location in table.items():
        if problem := _problem(name):
            raise UsageError(
                f"{path}: [{TABLE}]: the name '{name}' {problem}", 'name it like notes = "~/notes/.semsearch"'
            )
        if not isinstance(location, str):
            raise UsageError(f"{path}: [{TABLE}]: {name} = {location} is not a text", f'write {name} = "FOLDER or URL"')
        if "://" not in location and not os.path.isabs(os.path.expanduser(location)):
            # From which folder it would be counted is not to be seen in the file.
            raise UsageError(
                f"{path}: [{TABLE}]: {name} = '{location}' is neither a whole path nor a URL",
                f'write {name} = "~/FOLDER"',
            )
    return table


def may_be_name(text: str) -> bool:
    """Whether an index can be called `text`; a folder in the working folder can always be called `./text`."""
    return not _problem(text)


def similar_name(text: str, names: "Collection[str]") -> str:
    """The one of `names` that `text` may be a slip of; "" where there is none."""
    import difflib

    return next(iter(difflib.get_close_matches(text, names, 1, 0.75)), "")


def listed(names: "Collection[str]") -> str:
    """`names` in a sentence, sorted."""
    more = len(names) - _MOST_LISTED
    return ", ".join(sorted(names)[:_MOST_LISTED]) + (f" and {more} more" if more > 0 else "")


def _problem(name: str) -> str:
    """Why `name` cannot be told from a flag, a path or a URL, or not be typed; "" where it can."""
    if not name:
        return "is empty"
    if name[0] in "-.~":
        return f"begins with {name[0]}"
    if "://" in name:
        return "looks like a URL"
    for character in "/:":
        if character in name:
            return f"has a {character} in it"
    return "has a blank in it" if " " in name or not name.isprintable() else ""
