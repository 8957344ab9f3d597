"""Which pairs stand in a batch together, so that none is held against another that is right, too."""

import random
from collections.abc import Sequence
from typing import Any


def batches(rows: Sequence[dict[str, Any]], size: int, seed: int = 1) -> list[list[int]]:
    """Numbers of `rows` (with `query`, `positive`, `negatives`) in batches of up to `size`, about equally large.

    In a batch every answer counts as wrong for the other questions: so no question stands there twice, and no answer
    beside itself, as another's answer or negative. That takes more batches than full ones would be; where it would take
    more than twice as many, for a question has hundreds of answers, rows are left out.
    """
    order = random.Random(seed).sample(range(len(rows)), len(rows))
    full = -(-len(rows) // size)
    needed = _filled(rows, order, size, None)
    leveled = _filled(rows, order, size, min(len(needed), 2 * full))
    return [batch for batch in leveled if batch]


def _filled(rows: Sequence[dict[str, Any]], order: Sequence[int], size: int, count: int | None) -> list[list[int]]:
    """The rows put into the smallest of `count` batches that takes them; None: into the first, or a new one."""
    found = [_Batch() for _ in range(count or 0)]
    for number in order:
        row = rows[number]
        places = found if count is None else sorted(found, key=lambda batch: len(batch.numbers))
        place = next((batch for batch in places if len(batch.numbers) < size and batch.takes(row)), None)
        if place is None and count is None:
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
