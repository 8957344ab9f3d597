"""The first module of every process that `subprocesses.start` starts: runs another one, and ends with the parent.

    python -m semsearch.child LIFELINE MODULE [ARGUMENT]...

LIFELINE: the descriptor of a pipe whose other end the parent holds, and nobody writes to.
"""

import fcntl
import os
import runpy
import select
import signal
import sys
from collections.abc import Callable

_lifeline = -1
_clean_up: Callable[[], None] | None = None


def main() -> None:
    """Runs MODULE as `python -m MODULE ARGUMENT...` does."""
    global _lifeline
    _lifeline, module = int(sys.argv[1]), sys.argv[2]
    del sys.argv[1:3]
    os.set_inheritable(_lifeline, False)
    if sys.platform == "linux":
        _end_by_signal()
    else:  # where SIGIO is ignored unless it is handled: what C code does comes to its end first
        _end_by_thread()
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def clean_up_first(clean_up: Callable[[], None]) -> None:
    """Calls `clean_up`, in a thread of its own, before this process ends because its parent has ended."""
    global _clean_up
    _clean_up = clean_up
    if sys.platform == "linux":
        signal.signal(signal.SIGIO, signal.SIG_IGN)
        _end_by_thread()


def _end_by_signal() -> None:
    # Lets the system send SIGIO when the other end is closed: it ends this process even where C code does not return,
    # if it does not ignore the signal as the parent may have been made to.
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    fcntl.fcntl(_lifeline, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(_lifeline, fcntl.F_SETFL, fcntl.fcntl(_lifeline, fcntl.F_GETFL) | os.O_ASYNC)
    if select.select([_lifeline], [], [], 0)[0]:
        os.kill(os.getpid(), signal.SIGIO)  # the parent had ended before


def _end_by_thread() -> None:
    import threading

    def wait() -> None:
        os.read(_lifeline, 1)
        if _clean_up is not None:
            _clean_up()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


if __name__ == "__main__":
    from semsearch import child

    child.main()
