"""The lock of the one writer, told apart by process."""

import os
from pathlib import Path

import pytest

from semsearch.errors import LockedError
from semsearch.file_lock import WriterLock


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lock"


def test_who_comes_second_is_told_who_is_first(path: Path) -> None:
    with WriterLock(str(path), wait=False):
        assert path.read_text() == f"{os.getpid()}\n"
        with pytest.raises(LockedError, match=rf"another run is writing {path.parent} \(process {os.getpid()}\)"):
            WriterLock(str(path), wait=False)
    with WriterLock(str(path), wait=False):
        pass


@pytest.mark.parametrize("content", ["", "x", "-5", "999999999999999999999", "4194304999\n"])
def test_a_process_that_is_not_there_is_not_named(path: Path, content: str) -> None:
    with WriterLock(str(path), wait=False):
        path.write_text(content)
        with pytest.raises(LockedError) as raised:
            WriterLock(str(path), wait=False)
    assert "(process" not in raised.value.message


def test_its_time_tells_when_folders_were_compared_not_when_somebody_tried(path: Path) -> None:
    with WriterLock(str(path), wait=False):
        pass
    os.utime(path, (1000, 1000))
    with WriterLock(str(path), wait=False):
        pass
    assert path.stat().st_mtime == 1000
    with WriterLock(str(path), wait=False) as lock:
        lock.stamp()
    assert path.stat().st_mtime > 1000


def test_a_link_is_not_followed(path: Path) -> None:
    (path.parent / "elsewhere").write_text("mine")
    path.symlink_to(path.parent / "elsewhere")
    with pytest.raises(OSError):
        WriterLock(str(path), wait=False)
    assert (path.parent / "elsewhere").read_text() == "mine"
