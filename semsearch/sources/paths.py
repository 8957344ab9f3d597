"""How a file's path is shown to people and matched by filters. Light: the stat check imports it."""


def display_path(label: str, path: bytes, several_roots: bool) -> str:
    """A file's path as it is shown and filtered: relative to its root, under the root's label when there are several.

    Bytes that are not UTF-8 are shown as backslash escapes.
    """
    shown = path.decode("utf-8", "backslashreplace")
    return f"{label}/{shown}" if several_roots else shown
