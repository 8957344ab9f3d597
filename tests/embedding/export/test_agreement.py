"""A variant that could not be made is passed over where the model is at fault, and never for what the machine lacks."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from semsearch.embedding.export.agreement import failure
from semsearch.errors import SemsearchError
from tests.support.folders import PROJECT, write


def test_why_a_variant_could_not_be_made(tmp_path: Path) -> None:
    assert failure(RuntimeError("Unsupported: operator x" + "." * 1000), str(tmp_path)).startswith(
        "RuntimeError: Unsupported: operator x"
    )


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS])
def test_a_lack_of_the_disk_is_raised(tmp_path: Path, number: int) -> None:
    with pytest.raises(OSError, match=os.strerror(number)):
        failure(OSError(number, os.strerror(number)), str(tmp_path))


@pytest.mark.parametrize(
    ("error", "lack"),
    [
        (MemoryError(), "not enough memory"),
        (RuntimeError("DefaultCPUAllocator: not enough memory"), "not enough memory"),
        (OSError(errno.EFBIG, os.strerror(errno.EFBIG)), os.strerror(errno.EFBIG)),
    ],
)
def test_what_a_limit_forbids_is_raised(tmp_path: Path, error: Exception, lack: str) -> None:
    with pytest.raises(SemsearchError, match=lack):
        failure(error, str(tmp_path))


def test_a_full_disk_is_told_and_nothing_of_it_is_kept(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    mounted = ["unshare", "--mount", "sh", "-c", f'mount -t tmpfs -o size=1000k tmpfs "{tmp_path}/disk" && "$@"', "sh"]
    if subprocess.run([*mounted, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no small disk can be mounted here")
    write(tmp_path / "docs", {"a.txt": "Emeralds are green.\n"})
    cache = tmp_path / "disk" / "cache"
    shown = subprocess.run(
        [*mounted, "sh", "-c", '"$@"; echo "exit status $?"; find "$SEMSEARCH_CACHE" -name "model-*"', "sh",
         sys.executable, "-m", "semsearch", "index", str(tmp_path / "docs")],
        capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(PROJECT), "SEMSEARCH_CACHE": str(cache)},
    )  # fmt: skip
    last = shown.stderr.splitlines()[-1]
    assert os.strerror(errno.ENOSPC) in last and str(cache) in last and "SEMSEARCH_CACHE" in last, shown.stderr
    assert shown.stdout == "exit status 2\n"
