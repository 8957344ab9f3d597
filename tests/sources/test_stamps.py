"""Times and inodes that no index could hold otherwise."""

import os
import sqlite3

import pytest

from semsearch.sources.stamps import stamp_of_status

YEAR = 31_556_952 * 10**9


def status(mtime_ns: int, inode: int) -> os.stat_result:
    """What `os.stat` returns for a file of 5 bytes."""
    values = (0o100644, inode, 1, 1, 0, 0, 5, 0, mtime_ns // 10**9, 0)
    return os.stat_result(values, {"st_mtime_ns": mtime_ns})


@pytest.mark.parametrize("mtime_ns", [0, -71 * YEAR, 585 * YEAR, -400 * YEAR, 10**27, -(10**27), 2**63 - 1, 2**63])
@pytest.mark.parametrize("inode", [1, 2**63 - 1, 2**63, 2**64 - 1])
def test_every_stamp_can_be_stored(mtime_ns: int, inode: int) -> None:
    stamp = stamp_of_status(status(mtime_ns, inode))
    assert sqlite3.connect(":memory:").execute("SELECT ?, ?, ?", stamp).fetchone() == stamp
    if -(2**63) <= mtime_ns < 2**63 and inode < 2**63:
        assert stamp == (5, mtime_ns, inode)


def test_different_inodes_stay_different() -> None:
    inodes = (0, 1, 2**63 - 1, 2**63, 2**63 + 1, 2**64 - 1)
    assert len({stamp_of_status(status(0, inode)) for inode in inodes}) == len(inodes)
