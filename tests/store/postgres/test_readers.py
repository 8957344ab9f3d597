"""Readers beside writers: every answer is of one committed state."""

import pytest

from benchmarks.engines import postgres_readers


@pytest.mark.slow
def test_readers_beside_writers_see_committed_states_alone() -> None:
    assert postgres_readers.run(minutes=0.2, readers=3, writers=2) == 0


def test_an_answer_of_no_state_is_found_out() -> None:
    """The judge of the test above can fail."""
    whole = [f"It is place {place} of machine {machine}, round 2." for machine in range(2) for place in range(20)]
    newer = [text.replace("round 2", "round 3") if "machine 1" in text else text for text in whole]

    def judged(texts: list[str], pending: int = 0, seen: dict[int, int] | None = None, mode: str = "dense") -> str:
        return postgres_readers._judged(texts, mode, 2, pending, {} if seen is None else seen)

    seen: dict[int, int] = {}
    assert judged(newer, seen=seen) == "good" and seen == {0: 2, 1: 3}
    assert "older than one seen" in judged(whole, seen=seen)
    assert "twice" in judged([*whole, whole[0]])
    assert "2 rounds" in judged([*whole[:-1], newer[-1]])
    assert "1 documents of a machine are missing" in judged(whole[1:])
    assert judged(whole[1:], pending=1) == "good" and "missing" in judged(whole[1:], pending=1, mode="lexical")
