"""Token vectors in two bits: what is packed comes back, buckets are torch's, and what is lost is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semsearch.dense.residual_codec import ResidualCodec, check_dim, train
from semsearch.embedding.embedder import Vectors, unit_rows
from semsearch.embedding.max_similarity import mean_max_similarity

DIMS = (48, 96, 128, 1024)


def clustered(count: int, dim: int, seed: int = 7) -> Vectors:
    """(count, dim) unit rows around some directions, as token vectors are."""
    around = unit_rows(np.random.default_rng(1).standard_normal((40, dim)).astype(np.float32))
    chance = np.random.default_rng(seed)
    noise = chance.standard_normal((count, dim)).astype(np.float32) / dim**0.5
    return unit_rows(around[chance.integers(0, 40, count)] + np.float32(0.7) * noise)


@pytest.fixture(scope="module", params=DIMS)
def codec(request: pytest.FixtureRequest) -> ResidualCodec:
    return train(clustered(2_000, request.param), 2_000)


def test_a_vector_takes_two_bits_a_number_and_a_code(codec: ResidualCodec) -> None:
    codes, residuals = codec.encode(clustered(5, codec.dim, 8))
    assert codes.dtype == np.uint16 and codes.shape == (5,)
    assert residuals.dtype == np.uint8 and residuals.shape == (5, codec.dim * 2 // 8)
    assert codec.encode(np.empty((0, codec.dim), np.float32))[1].shape == (0, codec.row_bytes)


def test_decoded_vectors_have_length_1_and_are_near_what_was_encoded(codec: ResidualCodec) -> None:
    vectors = clustered(500, codec.dim, 9)
    decoded = codec.decode(*codec.encode(vectors))
    assert decoded.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(decoded, axis=1), 1, atol=1e-5)
    cosines = (decoded * vectors).sum(axis=1)
    assert cosines.mean() > 0.96 and cosines.min() > 0.75, (codec.dim, cosines.mean(), cosines.min())


@settings(max_examples=60)
@given(st.data())
def test_buckets_survive_the_packing_and_are_those_of_torch(data: st.DataObject) -> None:
    import torch

    dim = data.draw(st.sampled_from((4, 48, 96)))
    seed = data.draw(st.integers(0, 2**32 - 1))
    chance = np.random.default_rng(seed)
    cutoffs = np.sort(chance.standard_normal(3)).astype(np.float32)
    codec = ResidualCodec(np.zeros((1, dim), np.float32), cutoffs, np.arange(4, dtype=np.float32))
    values = chance.standard_normal((data.draw(st.integers(1, 5)), dim)).astype(np.float32)
    values[:, :3] = cutoffs  # a number on a cutoff goes below it
    codes, packed = codec.encode(values)
    expected = torch.bucketize(torch.from_numpy(values), torch.from_numpy(cutoffs)).numpy()
    unpacked = np.unpackbits(packed, axis=1, bitorder="little").reshape(len(values), dim, 2) @ np.array([1, 2])
    np.testing.assert_array_equal(unpacked, expected)
    assert not codes.any()
    decoded = codec.decode(codes, packed)
    np.testing.assert_allclose(decoded, expected / np.maximum(np.linalg.norm(expected, axis=1, keepdims=True), 1e-12))


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(1, 30))
def test_codes_and_residuals_of_any_bytes_are_decoded(seed: int, count: int) -> None:
    chance = np.random.default_rng(seed)
    codec = ResidualCodec(
        unit_rows(chance.standard_normal((7, 48)).astype(np.float32)),
        np.array([-0.1, 0, 0.1], np.float32),
        np.array([-0.2, -0.05, 0.05, 0.2], np.float32),
    )
    codes = chance.integers(0, 7, count).astype(np.uint16)
    residuals = chance.integers(0, 256, (count, codec.row_bytes)).astype(np.uint8)
    decoded = codec.decode(codes, residuals)
    assert np.isfinite(decoded).all() and (np.linalg.norm(decoded, axis=1) < 1.001).all()


def test_the_quartiles_of_the_residuals_are_the_cutoffs(codec: ResidualCodec) -> None:
    assert (np.diff(codec.cutoffs) > 0).all() and (np.diff(codec.weights) > 0).all()
    assert codec.weights[0] < codec.cutoffs[0] < codec.weights[1] < codec.cutoffs[1] < codec.weights[2]
    np.testing.assert_array_equal(codec.centroids, codec.centroids.astype(np.float16))
    vectors = clustered(2_000, codec.dim, 10)
    residuals = vectors - codec.centroids[codec.encode(vectors)[0]]
    shares = np.bincount(np.searchsorted(codec.cutoffs, residuals.ravel(), side="left"), minlength=4) / residuals.size
    np.testing.assert_allclose(shares, 0.25, atol=0.02)


def test_scores_lose_little(codec: ResidualCodec) -> None:
    passages = [clustered(60, codec.dim, 100 + number) for number in range(50)]
    query = clustered(32, codec.dim, 11)
    exact = mean_max_similarity(query, passages)
    stored = mean_max_similarity(query, [codec.decode(*codec.encode(one)) for one in passages])
    assert np.abs(exact - stored).max() < 0.06
    assert np.corrcoef(exact, stored)[0, 1] > 0.9


def test_what_cannot_be_packed_is_refused() -> None:
    for dim in DIMS:
        check_dim(dim)
    for dim in (0, 2, 50):
        with pytest.raises(ValueError, match=f"{dim} numbers: a multiple of 4"):
            check_dim(dim)


def test_a_code_without_a_centroid_is_an_error() -> None:
    codec = ResidualCodec(np.eye(4, dtype=np.float32), np.zeros(3, np.float32), np.zeros(4, np.float32))
    with pytest.raises(IndexError):
        codec.decode(np.array([4], np.uint16), np.zeros((1, 1), np.uint8))


@pytest.mark.parametrize(("sample", "expected", "count"), [(1024, 10**6, 64), (1023, 10**6, 32), (1024, 15, 32)])
def test_there_are_as_many_centroids_as_the_sample_is_enough_for(sample: int, expected: int, count: int) -> None:
    """A sixteenth of the sample where it is a power of two, as the 65,536 vectors that a large index has."""
    assert len(train(clustered(sample, 16), expected).centroids) == count
