"""What searches find, to be compared with what they find elsewhere or later."""

from typing import Any

# Scores of the same passage differ by less: in another index its vector is multiplied by another kernel, or in another
# place of a block.
_SCORE = 5e-4


class Found(list[list[tuple[Any, ...]]]):
    """For each query its hits, as tuples that end with one or more float scores.

    Equal to another when the hits are the same with nearly the same scores, in any order, but for those that are as
    near as the last: which of several equal passages makes the list is not for a test to say.
    """

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, list) and len(self) == len(other) and all(map(_same, self, other))

    def __ne__(self, other: object) -> bool:
        return not self == other


def _same(found: list[tuple[Any, ...]], expected: list[tuple[Any, ...]]) -> bool:
    left, only_found = list(expected), []
    for hit in found:
        equal = next((other for other in left if _names(hit) == _names(other) and _near(hit, other)), None)
        if equal is None:
            only_found.append(hit)
        else:
            left.remove(equal)
    if len(only_found) != len(left):
        return False
    return _near_last(only_found, found) and _near_last(left, expected)


def _near_last(some: list[tuple[Any, ...]], hits: list[tuple[Any, ...]]) -> bool:
    return all(_near(hit, min(hits, key=_scores)) for hit in some)


def _names(hit: tuple[Any, ...]) -> list[Any]:
    return [part for part in hit if not isinstance(part, float)]


def _scores(hit: tuple[Any, ...]) -> list[float]:
    return [part for part in hit if isinstance(part, float)]


def _near(hit: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    return all(abs(one - two) <= _SCORE for one, two in zip(_scores(hit), _scores(other), strict=True))
