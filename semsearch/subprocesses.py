"""Starts modules of semsearch in processes of their own, and finds the error message of one that failed."""

import os
import subprocess
import sys
import weakref
from collections.abc import Mapping, Sequence

from semsearch.no_telemetry import NO_TELEMETRY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any


def last_words(errors: "Iterable[str]", status: int) -> str:
    """The last non-empty line of `errors` (lines of stderr), or the exit `status` where there is none."""
    lines = [line.strip() for line in errors if line.strip()]
    return lines[-1] if lines else f"exit status {status}"


def start(
    module: str,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    *,
    pass_fds: Sequence[int] = (),
    **options: "Any",
) -> "subprocess.Popen[Any]":
    """Starts `python -m module` with this interpreter and this copy of semsearch; it ends when this process ends.

    `environment` is added to that of this process; `options` go to `subprocess.Popen`. `-P` keeps the working folder
    out of the module path: a folder that is being indexed must not be able to put its own `numpy.py` in the way. In a
    process group of its own: Ctrl-C is for this process, which ends the other one when it has cleaned up.
    """
    package_parent = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    path = os.pathsep.join([package_parent, *filter(None, [os.environ.get("PYTHONPATH")])])
    # Nothing is ever written to it; it is closed with the last process that holds it, however that ended.
    lifeline, held = os.pipe()
    try:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "semsearch.child", str(lifeline), module, *arguments],
            env={**NO_TELEMETRY, **os.environ, **environment, "PYTHONPATH": path},
            stdin=subprocess.DEVNULL,
            pass_fds=(*pass_fds, lifeline),
            process_group=0,
            **options,
        )
    except BaseException:
        os.close(held)
        raise
    finally:
        os.close(lifeline)
    weakref.finalize(process, os.close, held)
    return process


def core_count() -> int:
    """How many cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
