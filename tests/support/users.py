"""Another user of this machine, for tests that root runs."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.commands import Completed
from tests.support.folders import PROJECT

# `nobody` and `daemon` of every Linux.
NOBODY = 65534
DAEMON = 1

as_root = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None, reason="only root can act as several users"
)


def run_as(user: int, *arguments: str, cwd: Path, groups: Sequence[int] = (), umask: int = 0o022) -> Completed:
    """The real command, run by `user`, whose group has the same number.

    Of what root may do it keeps reading, for the interpreter may lie where only root can read.
    """
    listed = ["--groups", ",".join(map(str, groups))] if groups else ["--clear-groups"]
    reading = [f"--{kind}-caps=-all,+dac_read_search" for kind in ("inh", "ambient")]
    done = subprocess.run(
        ["setpriv", "--reuid", str(user), "--regid", str(user), *listed, *reading,
         sys.executable, "-m", "semsearch", *arguments],
        capture_output=True, text=True, cwd=cwd, umask=umask, env={**os.environ, "PYTHONPATH": str(PROJECT)},
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return Completed(done.returncode, done.stdout, done.stderr)
