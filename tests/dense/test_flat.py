from pathlib import Path

import numpy as np
import pytest

from semsearch.dense.flat import FlatSegment, serialize
from semsearch.embedding.embedder import unit_rows
from semsearch.errors import IndexDamagedError


@pytest.fixture
def vectors() -> np.ndarray:
    return unit_rows(np.random.default_rng(3).normal(size=(3000, 48)))


def test_search_is_exact_under_any_bitmap(tmp_path: Path, vectors: np.ndarray) -> None:
    serialize(vectors).tofile(tmp_path / "index.faiss")
    segment = FlatSegment(str(tmp_path / "index.faiss"), 3000, 48)
    rng = np.random.default_rng(4)
    for share in (None, 0.5, 0.01):
        allowed = None if share is None else rng.random(3000) < share
        query = unit_rows(rng.normal(size=(1, 48)))[0]
        cosines = vectors @ query
        if allowed is not None:
            cosines = np.where(allowed, cosines, -2)
        rows, scores = segment.search(query, 10, allowed)
        assert set(rows) == set(np.argsort(-cosines)[:10])
        np.testing.assert_allclose(scores, cosines[rows], atol=2e-3)
    rows, _ = segment.search(query, 10, np.zeros(3000, np.bool_))
    assert not len(rows)


def test_vectors_come_back_and_survive_being_copied(tmp_path: Path, vectors: np.ndarray) -> None:
    serialize(vectors).tofile(tmp_path / "a")
    segment = FlatSegment(str(tmp_path / "a"), 3000, 48)
    rows = np.array([5, 2999, 0])
    once = segment.vectors(rows)
    np.testing.assert_allclose(once, vectors[rows], atol=1e-3)
    serialize(once).tofile(tmp_path / "b")
    np.testing.assert_array_equal(FlatSegment(str(tmp_path / "b"), 3, 48).vectors(np.arange(3)), once)


def test_a_file_that_is_not_what_it_should_be_is_an_error(tmp_path: Path, vectors: np.ndarray) -> None:
    path = tmp_path / "index.faiss"
    data = serialize(vectors).tobytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(IndexDamagedError):
        FlatSegment(str(path), 3000, 48)
    path.write_bytes(data)
    with pytest.raises(IndexDamagedError, match="does not hold 2999 vectors of 48 numbers"):
        FlatSegment(str(path), 2999, 48)
    with pytest.raises(IndexDamagedError):
        FlatSegment(str(tmp_path / "none"), 1, 48)


def test_one_changed_byte_of_the_header_is_an_error(tmp_path: Path, vectors: np.ndarray) -> None:
    path = tmp_path / "index.faiss"
    data = serialize(vectors).tobytes()
    for at in range(len(data) - vectors.size * 2):
        path.write_bytes(data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :])
        with pytest.raises(IndexDamagedError):
            FlatSegment(str(path), 3000, 48)
