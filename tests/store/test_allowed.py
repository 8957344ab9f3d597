import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from semsearch.store.allowed import Allowed

SPANS = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 6)), max_size=4)
IDS = st.sets(st.integers(0, 40))


@given(ids=IDS, dead=IDS, spans=SPANS | st.none(), within=IDS | st.none(), without=IDS | st.none())
def test_rows_are_allowed_that_are_alive_in_a_range_and_named(
    ids: set[int],
    dead: set[int],
    spans: list[tuple[int, int]] | None,
    within: set[int] | None,
    without: set[int] | None,
) -> None:
    def array(numbers: set[int]) -> np.ndarray:
        return np.array(sorted(numbers), np.int64)

    alive = np.array([number not in dead for number in sorted(ids)], np.bool_)
    ranges = None if spans is None else sorted((first, first + count) for first, count in spans)
    allowed = Allowed(ranges, None if within is None else array(within), None if without is None else array(without))

    def is_allowed(number: int) -> bool:
        return (
            (ranges is None or any(low <= number < high for low, high in ranges))
            and (within is None or number in within)
            and (without is None or number not in without)
        )

    rows = allowed.rows(array(ids), alive)
    assert rows is not None
    assert rows.tolist() == [number not in dead and is_allowed(number) for number in sorted(ids)]
    assert Allowed().rows(array(ids), None) is None
    assert Allowed().rows(array(ids), alive) is alive
