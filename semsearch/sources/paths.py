"""The path of a file as it is printed and matched by filters. Imports nothing: an unchanged run of `index` uses it."""


def display_path(label: str, path: bytes, several_roots: bool) -> str:
    """`path`, relative to its root folder, for people: after the root's `label` if the index has several roots.

    Bytes that are not UTF-8 become backslash escapes.
    """
    shown = path.decode("utf-8", "backslashreplace")
    return f"{label}/{shown}" if several_roots else shown
