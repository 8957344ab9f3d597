"""Names of files for people. Light: every search imports it, and an unchanged run of `index`."""

import os


def shown_name(path: str) -> str:
    """`path` (`os.fsdecode`) for people: bytes that are not UTF-8 become backslash escapes, as in `display_path`."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


# Where a walk tells of the folder itself.
WHOLE = "."


def display_path(label: str, path: bytes, several_roots: bool) -> str:
    """`path`, relative to its root folder, for people: after the root's `label` if the index has several roots.

    Bytes that are not UTF-8 become backslash escapes.
    """
    shown = path.decode("utf-8", "backslashreplace")
    return f"{label}/{shown}" if several_roots else shown
