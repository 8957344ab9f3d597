"""Every kind of code: exact bitmaps, what comes back, and files that are not what they should be."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from semsearch.dense.codec import KINDS, Codec
from semsearch.dense.coded_vectors import CodedVectors
from semsearch.dense.rotation import rotate, rotate_back
from semsearch.embedding.embedder import unit_rows
from semsearch.errors import IndexDamagedError

ROWS = 3000


@pytest.fixture(scope="module", params=[48, 50])
def vectors(request: pytest.FixtureRequest) -> np.ndarray:
    return unit_rows(np.random.default_rng(3).normal(size=(ROWS, request.param)))


def opened(folder: Path, codec: Codec, vectors: np.ndarray) -> CodedVectors:
    codec.serialize(vectors).tofile(folder / "index.faiss")
    return CodedVectors.open(str(folder / "index.faiss"), codec, len(vectors))


@pytest.mark.parametrize("kind", ["float32", "float16"])
def test_search_is_exact_under_any_bitmap(tmp_path: Path, vectors: np.ndarray, kind: str) -> None:
    segment = opened(tmp_path, Codec.train(kind, vectors), vectors)
    rng = np.random.default_rng(4)
    for share in (None, 0.5, 0.01):
        allowed = None if share is None else rng.random(ROWS) < share
        query = unit_rows(rng.normal(size=(1, vectors.shape[1])))[0]
        cosines = vectors @ query
        if allowed is not None:
            cosines = np.where(allowed, cosines, -2)
        rows, scores = segment.search(query, 10, allowed)
        # Compared by cosine: which of two rows that are equally near is the tenth depends on the kernel.
        equal = 1e-6 if kind == "float32" else 1e-4
        np.testing.assert_allclose(np.sort(cosines[rows]), np.sort(cosines)[-10:], atol=equal)
        np.testing.assert_allclose(scores, cosines[rows], atol=2e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_a_bitmap_lets_in_what_it_says_and_loses_nothing(tmp_path: Path, vectors: np.ndarray, kind: str) -> None:
    segment = opened(tmp_path, Codec.train(kind, vectors), vectors)
    allowed = np.random.default_rng(5).random(ROWS) < 0.02
    rows, scores = segment.search(vectors[17], ROWS, allowed)
    assert set(rows) == set(np.flatnonzero(allowed))
    assert (np.diff(scores) <= 0).all()
    assert not len(segment.search(vectors[17], 10, np.zeros(ROWS, np.bool_))[0])


# The least mean cosine of what comes back with what went in; random vectors, which no code has an easy time with.
@pytest.mark.parametrize(
    ("kind", "least"),
    [("float32", 1), ("float16", 0.9999), ("int8", 0.9999), ("int4", 0.98), ("rabitq", 0.75), ("binary", 0.75),
     ("pq", 0.75)],
)  # fmt: skip
def test_vectors_come_back(tmp_path: Path, vectors: np.ndarray, kind: str, least: float) -> None:
    codec = Codec.train(kind, vectors)
    rows = np.array([5, ROWS - 1, 0, 31, 32])
    found = opened(tmp_path, codec, vectors).vectors(rows)
    assert (unit_rows(found) * vectors[rows]).sum(1).mean() >= least - 1e-6


@pytest.mark.parametrize("kind", ["float32", "float16", "int8", "int4", "binary"])
def test_what_comes_back_has_the_same_codes_again(tmp_path: Path, vectors: np.ndarray, kind: str) -> None:
    codec = Codec.train(kind, vectors)
    first = opened(tmp_path, codec, vectors).vectors(np.arange(100))
    again = opened(tmp_path, codec, first).vectors(np.arange(100))
    np.testing.assert_allclose(again, first, atol=1e-6)


@given(arrays(np.float32, (20, 12), elements=st.floats(-1, 1, width=32)))
def test_int8_never_wraps(values: np.ndarray) -> None:
    """Values outside of the range that was learnt become its end, not its other end."""
    codec = Codec.train("int8", np.array(values[:10]))
    back = codec.decode(codec.build(values), np.arange(20))
    low, width = codec.trained["ranges"].reshape(2, -1)
    inside = np.clip(values, low, low + width)
    assert np.abs(back - inside).max() <= width.max() / 255 + 1e-6


@given(st.integers(1, 70), st.integers(0, 2**32 - 1))
def test_rotation_keeps_inner_products_and_has_an_inverse(dim: int, seed: int) -> None:
    some = np.random.default_rng(seed).normal(size=(5, dim)).astype(np.float32)
    np.testing.assert_allclose(rotate(some) @ rotate(some).T, some @ some.T, atol=1e-3)
    np.testing.assert_allclose(rotate_back(rotate(some)), some, atol=1e-4)


def test_bits_of_vectors_whose_first_numbers_carry_the_most() -> None:
    """As PCA makes them: without rotation and centre most bits would say nothing."""
    rng = np.random.default_rng(6)
    scale = 0.9 ** np.arange(64)
    rows = unit_rows(rng.normal(size=(4000, 64)) * scale + 2 * scale)
    queries = unit_rows(rng.normal(size=(50, 64)) * scale + 2 * scale)
    codec = Codec.train("binary", rows)
    segment = CodedVectors(codec, codec.build(rows))
    best = [int(np.argmax(rows @ query)) for query in queries]
    found = [number in segment.search(query, 200, None)[0] for query, number in zip(queries, best, strict=True)]
    assert np.mean(found) > 0.9


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_is_not_what_it_should_be_is_an_error(tmp_path: Path, vectors: np.ndarray, kind: str) -> None:
    codec = Codec.train(kind, vectors)
    path = tmp_path / "index.faiss"
    data = codec.serialize(vectors[:70]).tobytes()
    for wrong in (data[: len(data) // 2], data + b"x", b""):
        path.write_bytes(wrong)
        with pytest.raises(IndexDamagedError):
            CodedVectors.open(str(path), codec, 70)
    path.write_bytes(data)
    with pytest.raises(IndexDamagedError, match="does not hold 69"):
        CodedVectors.open(str(path), codec, 69)
    with pytest.raises(IndexDamagedError, match="missing"):
        CodedVectors.open(str(tmp_path / "none"), codec, 1)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_one_changed_byte_outside_of_the_codes_is_an_error(tmp_path: Path, vectors: np.ndarray, kind: str) -> None:
    codec = Codec.train(kind, vectors)
    rows = 32
    path = tmp_path / "index.faiss"
    data = codec.serialize(vectors[:rows]).tobytes()
    others = [codec.serialize(-vectors[first : first + rows]).tobytes() for first in range(0, 320, rows)]
    codes = [at for at in range(len(data)) if any(data[at] != other[at] for other in others)]
    # Past the last code: what fills the block of an odd number of half bytes.
    for at in [*range(codes[0]), *range(codes[-1] + 33, len(data))]:
        path.write_bytes(data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :])
        with pytest.raises(IndexDamagedError):
            CodedVectors.open(str(path), codec, rows)


def test_a_record_of_what_was_learnt_that_does_not_fit_is_an_error(vectors: np.ndarray) -> None:
    codec = Codec.train("int8", vectors)
    for wrong in (codec.trained["ranges"][1:], np.full_like(codec.trained["ranges"], np.nan)):
        with pytest.raises(IndexDamagedError):
            Codec("int8", codec.dim, {"ranges": wrong}).check()
    with pytest.raises(IndexDamagedError):
        Codec("int8", codec.dim).check()
    with pytest.raises(IndexDamagedError):
        Codec("int9", codec.dim).check()


@pytest.mark.parametrize("kind", ["int8", "rabitq", "binary", "pq"])
def test_nothing_is_learnt_of_vectors_that_are_no_numbers(kind: str) -> None:
    vectors = np.ones((700, 16), np.float32)
    vectors[3, 5] = np.nan
    with pytest.raises(IndexDamagedError, match="no number"):
        Codec.train(kind, vectors)


def test_halves_are_those_of_every_other_program() -> None:
    """Also of numbers in the middle of two of them: scores of two kinds of store would differ in their last digits."""
    codec = Codec("float16", 16)
    low = np.float16(0.0232) + np.arange(16, dtype=np.float16) * np.float16(2**-16)
    middle = (low.astype(np.float64) + np.nextafter(low, np.float16(1)).astype(np.float64)) / 2
    vectors = np.stack([middle, -middle]).astype(np.float32)
    assert np.array_equal(vectors.astype(np.float64), np.stack([middle, -middle]))
    found = codec.decode(codec.build(vectors), np.arange(2))
    assert np.array_equal(found, vectors.astype(np.float16).astype(np.float32))
