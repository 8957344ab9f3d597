"""Answers with scores, which are rounded by where a vector lies among those that it is compared with at once."""

from typing import Any

import pytest


def nearly(value: Any, tolerance: float = 1e-4) -> Any:
    """`value`, to be compared with `==`: the floats in it, and in lists, tuples and dictionaries of it, may differ by
    `tolerance`."""
    if isinstance(value, float):
        return pytest.approx(value, abs=tolerance)
    if isinstance(value, list | tuple):
        return type(value)(nearly(each, tolerance) for each in value)
    if isinstance(value, dict):
        return {key: nearly(each, tolerance) for key, each in value.items()}
    return value
