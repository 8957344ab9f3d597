"""Batches hold no right answer as a wrong one, are about equally large, and hold every row unless that is hopeless."""

import random

from hypothesis import given
from hypothesis import strategies as st

from semsearch.tuning.batches import batches


def made(count: int, queries: int, passages: int, seed: int) -> list[dict[str, object]]:
    chance = random.Random(seed)
    return [
        {
            "query": f"q{chance.randrange(queries)}",
            "positive": f"p{chance.randrange(passages)}",
            "negatives": [f"p{chance.randrange(passages)}", "hub"],
        }
        for _ in range(count)
    ]


@given(st.integers(1, 120), st.integers(1, 40), st.integers(1, 40), st.integers(2, 32), st.integers(0, 5))
def test_no_answer_stands_beside_its_question_as_a_negative(
    count: int, queries: int, passages: int, size: int, seed: int
) -> None:
    rows = made(count, queries, passages, seed)
    found = batches(rows, size)
    numbers = [number for batch in found for number in batch]
    assert len(set(numbers)) == len(numbers) and set(numbers) <= set(range(count)) and numbers
    assert min(map(len, found)) >= 1 and max(map(len, found)) <= size
    assert len(found) <= max(2 * -(-count // size), count // 8)
    for batch in found:
        assert len({rows[number]["query"] for number in batch}) == len(batch)
        assert len({rows[number]["positive"] for number in batch}) == len(batch)
        for number in batch:
            others = {rows[other]["positive"] for other in batch if other != number}
            assert others.isdisjoint(rows[number]["negatives"])  # type: ignore[arg-type]
    assert batches(rows, size) == found


def test_all_are_learnt_from_in_batches_of_one_size() -> None:
    """Thirty questions of ten answers each."""
    rows = [{"query": f"q{n % 30}", "positive": f"p{n}", "negatives": ["hub"]} for n in range(300)]
    found = batches(rows, 32)
    assert sorted(number for batch in found for number in batch) == list(range(300))
    assert min(map(len, found)) >= 16


def test_a_question_of_hundreds_of_answers_does_not_tear_batches_apart() -> None:
    rows = [{"query": "all", "positive": f"p{n}", "negatives": ["hub"]} for n in range(300)]
    rows += [{"query": f"q{n}", "positive": f"r{n}", "negatives": ["hub"]} for n in range(300)]
    found = batches(rows, 30)
    learnt = [rows[number]["query"] for batch in found for number in batch]
    assert len(found) == 75 and learnt.count("all") == 75 and len(learnt) == 375
