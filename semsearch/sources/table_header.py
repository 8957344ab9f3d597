"""Which row of a table names its columns. A search needs no more, and nothing that writes documents."""

import re

_YEAR = re.compile(r"(?:1[5-9]|20)\d\d(?:[-/](?:1[5-9]|20)?\d\d)?")


def is_header(names: list[str]) -> bool:
    """Whether the cells `names` are short, distinct, and have a letter each or are years."""
    return (
        len(set(names)) == len(names)
        and all(len(name) <= 60 for name in names)
        and all(any(character.isalpha() for character in name) or _YEAR.fullmatch(name) for name in names)
    )
