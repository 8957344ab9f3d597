"""Starts semsearch's own modules as child processes."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def start(
    module: str, arguments: Sequence[str], environment: Mapping[str, str], **options: "Any"
) -> "subprocess.Popen[Any]":
    """Starts `python -m module` with this interpreter and this copy of semsearch.

    `-P` keeps the working folder out of the module path: a folder that is being indexed must not be able to put its own
    `numpy.py` in the way.
    """
    home = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    path = os.pathsep.join([home, *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.Popen(
        [sys.executable, "-P", "-m", module, *arguments],
        env={**os.environ, **environment, "PYTHONPATH": path},
        stdin=subprocess.DEVNULL,
        **options,
    )
