"""Puts training rows into batches in which no row's answer is a wrong answer to another row by mistake."""

import random
from collections.abc import Sequence
from typing import Any

# Fewest rows of a batch on the average: fewer leave too few wrong answers to learn from.
_FEWEST = 8


def batches(rows: Sequence[dict[str, Any]], size: int, seed: int = 1) -> list[list[int]]:
    """The numbers of `rows` (with `query`, `positive`, `negatives`) in batches of up to `size`, about equally large.

    In a batch every answer counts as wrong for the other questions: so no question occurs there twice, and no answer
    twice or among the negatives. That takes more batches than full ones would be. Where it would take more than twice
    as many, of fewer than `_FEWEST` rows (some question has hundreds of answers), rows are left out.
    """
    order = random.Random(seed).sample(range(len(rows)), len(rows))
    most = max(2 * -(-len(rows) // size), len(rows) // _FEWEST)
    needed = len(_filled(rows, order, size, 0, most))
    return [batch for batch in _filled(rows, order, size, needed, most) if batch]


def _filled(rows: Sequence[dict[str, Any]], order: Sequence[int], size: int, count: int, most: int) -> list[list[int]]:
    """Each row in the smallest of `count` batches that takes it, or in a new one while there are fewer than `most`.

    With `count` 0, batches are filled one after another, as few as that takes.
    """
    made = [_Batch() for _ in range(count)]
    for number in order:
        row = rows[number]
        places = sorted(made, key=lambda batch: len(batch.numbers)) if count else made
        place = next((batch for batch in places if len(batch.numbers) < size and batch.takes(row)), None)
        if place is None and len(made) < most:
            place = _Batch()
            made.append(place)
        if place is not None:
            place.add(number, row)
    return [batch.numbers for batch in made]


class _Batch:
    """A batch while it is filled."""

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
