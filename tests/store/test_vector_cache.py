"""The cache of vectors is only ever a shortcut: what it holds is right, or it holds nothing."""

import sqlite3
from pathlib import Path

import numpy as np
import pytest

from semsearch.store.vector_cache import VectorCache


def keys(count: int) -> list[bytes]:
    return [f"key{number}".encode() for number in range(count)]


def filled(path: Path, count: int = 10, most: int = 100) -> VectorCache:
    cache = VectorCache(str(path), most, np.float32, print)
    rng = np.random.default_rng(1)
    cache.keep({key: rng.normal(size=8).astype(np.float32) for key in keys(count)})
    return cache


def test_a_round_trip_between_processes(tmp_path: Path) -> None:
    first = filled(tmp_path / "folder" / "v.db").find(keys(12), 8)
    second = VectorCache(str(tmp_path / "folder" / "v.db"), 100, np.float32, print).find(keys(12), 8)
    assert set(first) == set(second) == set(keys(10))
    assert all((first[key] == second[key]).all() for key in first)
    assert not VectorCache(str(tmp_path / "folder" / "v.db"), 100, np.float32, print).find(keys(12), 9), (
        "another length"
    )
    assert not VectorCache(str(tmp_path / "folder" / "v.db"), 0, np.float32, print).find(keys(12), 8), "switched off"


def test_the_least_recently_used_is_forgotten(tmp_path: Path) -> None:
    cache = filled(tmp_path / "v.db", 100)
    with sqlite3.connect(tmp_path / "v.db") as connection:
        connection.execute("UPDATE vectors SET used = used - 1000000")
    connection.close()
    cache.find(keys(5), 8)  # a use that is noted
    cache.keep({b"new": np.ones(8, np.float32)})
    left = set(cache.find([*keys(100), b"new"], 8))
    assert len(left) == 90 and {*keys(5), b"new"} <= left


def test_a_changed_bit_is_never_a_vector(tmp_path: Path) -> None:
    right = filled(tmp_path / "v.db").find(keys(10), 8)
    data = (tmp_path / "v.db").read_bytes()
    rng = np.random.default_rng(2)
    for place in rng.integers(100, len(data), 300):
        changed = bytearray(data)
        changed[int(place)] ^= 1 << int(rng.integers(0, 8))
        (tmp_path / "c.db").write_bytes(changed)
        found = VectorCache(str(tmp_path / "c.db"), 100, np.float32, print).find(keys(10), 8)
        assert all((vector == right[key]).all() for key, vector in found.items())


@pytest.mark.parametrize("content", [b"", b"not a database, but long enough to be looked at" * 10])
def test_a_file_that_is_none_is_made_anew(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "v.db").write_bytes(content)
    filled(tmp_path / "v.db").close()
    assert len(VectorCache(str(tmp_path / "v.db"), 100, np.float32, print).find(keys(10), 8)) == 10


def test_a_place_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    assert filled(tmp_path / "file" / "v.db").find(keys(10), 8) == {}


def test_what_cannot_be_used_is_said_once(tmp_path: Path) -> None:
    told: list[str] = []
    path = tmp_path / "my caches" / "v.db"
    VectorCache(str(path), 10, np.float32, told.append).close()
    assert not told
    filled(path, 2000, 5000).close()
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)  # all but the first page, which says what tables there are
    path.write_bytes(data)
    for _ in range(2):
        cache = VectorCache(str(path), 10, np.float32, told.append)
        assert not cache.find(keys(10), 8)
        cache.keep({b"key": np.ones(8, np.float32)})
    assert len(told) == 1 and str(path) in told[0]


def test_a_cache_that_is_in_use_is_no_broken_one(tmp_path: Path) -> None:
    told: list[str] = []
    filled(tmp_path / "v.db").close()
    with sqlite3.connect(tmp_path / "v.db") as other:
        other.execute("BEGIN EXCLUSIVE")
        cache = VectorCache(str(tmp_path / "v.db"), 10, np.float32, told.append)
        assert not cache.find(keys(10), 8)
    other.close()
    assert not told
