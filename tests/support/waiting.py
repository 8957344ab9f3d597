"""Waits for what happens, not for time to pass: a busy machine is late, never wrong."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Longer than anything waited for takes, on any machine that still makes progress.
CEILING_SECONDS = 240.0


def wait_until(happened: Callable[[], object], process: "subprocess.Popen[Any] | None" = None) -> None:
    """Returns once `happened()` is true. Fails when `process`, which is to bring it about, ends before that."""
    end = time.monotonic() + CEILING_SECONDS
    while not happened():
        assert process is None or process.poll() is None or happened(), "the process ended before it happened"
        assert time.monotonic() < end, f"it did not happen in {CEILING_SECONDS:.0f} s"
        time.sleep(0.02)


def wait_until_unchanged(look: Callable[[], object], seconds: float) -> None:
    """Returns once `look()` gave the same for `seconds` on end."""
    seen, since = look(), time.monotonic()

    def rests() -> bool:
        nonlocal seen, since
        now = look()
        if now != seen:
            seen, since = now, time.monotonic()
        return time.monotonic() - since >= seconds

    wait_until(rests)


def waits_for_lock(process: "subprocess.Popen[Any]") -> bool:
    """Whether the kernel keeps `process` waiting for a file lock; Linux."""
    lines = Path("/proc/locks").read_text().splitlines()
    return any(" -> " in line and f" {process.pid} " in line for line in lines)


# A `sitecustomize.py` for every process of a run: the reader of `endless.txt` makes the file that READING names in the
# environment, and does not come to an end.
ENDLESS_FILE = """
import hashlib, os, time
digest = hashlib.file_digest
def file_digest(file, *arguments):
    if os.readlink(f"/proc/self/fd/{file.fileno()}").endswith("/endless.txt"):
        open(os.environ["READING"], "x").close()
        time.sleep(3600)
    return digest(file, *arguments)
hashlib.file_digest = file_digest
"""
