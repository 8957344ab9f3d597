"""`semsearch copy` in commits of a few chunks, killed with SIGKILL at its step number N (the last argument).

python -m tests.support.copy_in_small_steps --index FROM --to PLACE N
"""

import os
import signal
import sys

from semsearch.maintenance.copying import copy
from semsearch.store import copying


def main() -> None:
    _, _, source, _, target, last = sys.argv
    copying._COMMIT_CHUNKS = copying._COMMIT_VECTORS = 100
    steps = 0

    def advance(name: str, done: int, total: int) -> None:
        nonlocal steps
        steps += 1
        if steps == int(last):
            os.kill(os.getpid(), signal.SIGKILL)

    copy(source, target, True, print, advance)


if __name__ == "__main__":
    main()
