"""Counts in messages agree with what they count."""

import pytest

from semsearch.plurals import agreeing, count_of


@pytest.mark.parametrize(
    ("count", "noun", "said"),
    [
        (0, "file", "0 files"),
        (1, "file", "1 file"),
        (1234, "chunk", "1,234 chunks"),
        (1, "query", "1 query"),
        (2, "query", "2 queries"),
        (3, "day", "3 days"),
        (1, "waiting passage", "1 waiting passage"),
        (2, "waiting passage", "2 waiting passages"),
    ],
)
def test_a_noun_is_in_the_plural_unless_there_is_one(count: int, noun: str, said: str) -> None:
    assert count_of(count, noun) == said


def test_other_words_go_with_the_count() -> None:
    assert [agreeing(count, "is", "are") for count in (0, 1, 2)] == ["are", "is", "are"]
