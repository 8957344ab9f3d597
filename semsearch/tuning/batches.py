"""Which pairs stand in a batch together, so that none is held against another that is right, too."""

import random
from collections.abc import Sequence
from typing import Any

# Rows of a batch, on the average: fewer leave little to tell an answer from.
_FEWEST = 8


def batches(rows: Sequence[dict[str, Any]], size: int, seed: int = 1) -> list[list[int]]:
    """Numbers of `rows` (with `query`, `positive`, `negatives`) in batches of up to `size`, about equally large.

    In a batch every answer counts as wrong for the other questions: so no question stands there twice, and no answer
    beside itself, as another's answer or negative. That takes more batches than full ones would be. Where these would
    be twice as many and smaller than `_FEWEST`, for a question has hundreds of answers, rows are left out.
    """
    order = random.Random(seed).sample(range(len(rows)), len(rows))
    most = max(2 * -(-len(rows) // size), len(rows) // _FEWEST)
    needed = len(_filled(rows, order, size, 0, most))
    return [batch for batch in _filled(rows, order, size, needed, most) if batch]


def _filled(rows: Sequence[dict[str, Any]], order: Sequence[int], size: int, count: int, most: int) -> list[list[int]]:
    """Each row put into the smallest of `count` batches that takes it, or into a new one while these are not `most`."""
    found = [_Batch() for _ in range(count)]
    for number in order:
        row = rows[number]
        # From none on, batches are filled one after another: as few as that takes.
        places = sorted(found, key=lambda batch: len(batch.numbers)) if count else found
        place = next((batch for batch in places if len(batch.numbers) < size and batch.takes(row)), None)
        if place is None and len(found) < most:
            place = _Batch()
            found.append(place)
        if place is not None:
            place.add(number, row)
    return [batch.numbers for batch in found]


class _Batch:
    def __init__(self) -> None:
        self.numbers: list[int] = []
        self._queries: set[str] = set()
        self._positives: set[str] = set()
        self._negatives: set[str] = set()

    def takes(self, row: dict[str, Any]) -> bool:
        return (
            row["query"] not in self._queries
            and row["positive"] not in self._positives
            and row["positive"] not in self._negatives
            and self._positives.isdisjoint(row["negatives"])
        )

    def add(self, number: int, row: dict[str, Any]) -> None:
        self.numbers.append(number)
        self._queries.add(row["query"])
        self._positives.add(row["positive"])
        self._negatives.update(row["negatives"])
