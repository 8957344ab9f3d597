"""The comparison that other tests rely on tells a change from a tie."""

import pytest

from tests.support.found import Found

HITS = [("a.txt", 0.9), ("b.txt", 0.5), ("c.txt", 0.5)]


@pytest.mark.parametrize(
    ("other", "equal"),
    [
        ([("b.txt", 0.5001), ("a.txt", 0.9), ("c.txt", 0.5)], True),
        ([("a.txt", 0.9), ("b.txt", 0.5), ("d.txt", 0.5)], True),
        ([("a.txt", 0.8), ("b.txt", 0.5), ("c.txt", 0.5)], False),
        ([("d.txt", 0.9), ("b.txt", 0.5), ("c.txt", 0.5)], False),
        ([("a.txt", 0.9), ("b.txt", 0.5)], False),
        ([("a.txt", 0.9), ("b.txt", 0.5), ("b.txt", 0.9)], False),
    ],
)
def test_only_what_is_as_near_as_the_last_may_differ(other: list[tuple[str, float]], equal: bool) -> None:
    assert (Found([HITS]) == Found([other])) is equal
    assert (Found([other]) != Found([HITS])) is not equal
