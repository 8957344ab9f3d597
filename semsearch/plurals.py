"""Counts in messages: `1 file`, `2 files`. Imports nothing, because an unchanged run of `index` uses it."""

_VOWELS = "aeiou"


def count_of(count: int, one: str) -> str:
    """`count`, with commas, and what there is of it: the noun `one`, in the plural unless it is a single one."""
    return f"{count:,} {one if count == 1 else _plural(one)}"


def agreeing(count: int, one: str, many: str) -> str:
    """The form of a word, such as `is` and `are`, that goes with `count`."""
    return one if count == 1 else many


def _plural(noun: str) -> str:
    if noun.endswith("y") and noun[-2:-1] not in _VOWELS:
        return noun[:-1] + "ies"
    return noun + "s"
