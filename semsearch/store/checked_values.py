"""What stands in an index, checked: a store may come from anywhere, and its JSON may hold any value.

Each function returns the value it is given and raises `TypeError` or `ValueError` for one that no writer put there.
"""

import math
from typing import Any, TypeVar

Value = TypeVar("Value")

# What decoding a value of the wrong type or range raises.
MALFORMED = (TypeError, KeyError, ValueError, AttributeError, IndexError, OverflowError, RecursionError)
# More chunks, commits or rebuilds than any index has: a larger number is no count.
MOST_CHUNKS = 2**48
# Seconds since the epoch that a calendar has a date for, well after the last file was changed.
LATEST = 2**37


def of_type(value: Any, kind: type[Value]) -> Value:
    """`value`, which must be of exactly this type: `bool` is no `int` here. Raises `TypeError`."""
    if type(value) is not kind:
        raise TypeError(f"{value!r} is no {kind.__name__}")
    return value


def whole(value: Any) -> int:
    """A whole number; `bool` is none."""
    return of_type(value, int)


def count(value: Any) -> int:
    """A whole number that an index can count to."""
    if not 0 <= whole(value) <= MOST_CHUNKS:
        raise ValueError(f"{value} is out of range")
    return value  # type: ignore[no-any-return]


def count_or_none(value: Any) -> int | None:
    """`count`, or None."""
    return None if value is None else count(value)


def finite(value: Any) -> float:
    """A number that is no infinity."""
    if type(value) not in (int, float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is no number")
    return float(value)


def moment(value: Any) -> float:
    """A time in seconds since the epoch that a calendar has a date for, and that can have been noted."""
    if not 0 <= finite(value) <= LATEST:
        raise ValueError(f"{value} is no time")
    return float(value)


def whole_or_none(value: Any) -> int | None:
    """`whole`, or None."""
    return None if value is None else of_type(value, int)


def text(value: Any) -> str:
    """A text."""
    return of_type(value, str)


def text_or_none(value: Any) -> str | None:
    """`text`, or None."""
    return None if value is None else text(value)


def byte_string(value: Any) -> bytes:
    """Bytes."""
    return of_type(value, bytes)


def mapping(value: Any) -> dict[str, Any]:
    """A dict."""
    return of_type(value, dict)
