"""Segments are merged a few terms at a time, whatever their size: nothing of what they say is lost."""

import numpy as np
import pytest

from semsearch.store.opening import open_store
from semsearch.store.postgres import maintaining
from semsearch.store.protocol import Snapshot
from tests.support.corpus import file_id, filled, word
from tests.support.postgres_server import PostgresServer

LONG = "w" * 3000


def words_of(snapshot: Snapshot) -> dict[str, list[tuple[int, float]]]:
    """Term -> (chunk, score) of each passage that has it."""
    terms = snapshot.completions([""], None)
    found = {term: snapshot.lexical([word(term)], 99, None) for term in [*terms, LONG]}
    return {term: sorted(zip(one.ids.tolist(), one.scores.tolist(), strict=True)) for term, one in found.items()}


@pytest.mark.parametrize(("terms", "read", "packed"), [(1, 1, 1), (2, 10_000, 30), (7, 60, 100), (2_000, 50, 10**6)])
def test_a_merge_by_parts_keeps_every_word(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch, terms: int, read: int, packed: int
) -> None:
    for name, size in (
        ("_TERMS_READ", terms), ("_BYTES_READ", read), ("_BYTES_PACKED", packed), ("_MOST_SEGMENTS", 2), ("_MERGED", 3),
    ):  # fmt: skip
        monkeypatch.setattr(maintaining, name, size)
    store = open_store(server.url(server.new_database()))
    for number in range(7):
        texts = [f"owl {'fox ' * (number + 1)} only{number} w{number % 3}", f"hare {LONG} w{number % 2}"]
        filled(store, {f"{number}.md": texts, f"gone{number}.md": [f"owl gone{number}"]})
    for number in range(7):
        ids = [file_id(store, f"gone{number}.md")]
        with store.write() as writer, writer.transaction() as transaction:
            transaction.delete_files(ids)
    before = store.read(words_of)
    assert len(before["owl"]) == 7 and "gone3" not in before
    with store.write() as writer:
        writer.maintain()
    after = store.read(words_of)
    assert {term: [chunk for chunk, _ in found] for term, found in after.items()} == {
        term: [chunk for chunk, _ in found] for term, found in before.items()
    }
    for term, found in before.items():
        np.testing.assert_allclose([score for _, score in after[term]], [score for _, score in found], rtol=1e-6)
    state = store.read(lambda snapshot: snapshot.state)  # type: ignore[attr-defined]
    assert len(state.segments) <= 3 and sum(one.dead for one in state.segments) == 0
    assert [one.what for one in store.examine().problems if one.part.startswith(("segments", "postings"))] == []
    store.close()
