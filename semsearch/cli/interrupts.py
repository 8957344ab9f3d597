"""Ctrl-C, SIGTERM and SIGHUP: when the process ends at once, and when it cleans up first.

Installed before anything else of a command is imported, so that no import is interrupted by an exception: libraries in
C turn a KeyboardInterrupt into errors of their own, and one that surfaces in a `__del__` is printed and lost. Most
commands change nothing, and a process that ends at once leaves nothing behind: its index is read, its query cache is
SQLite's to roll back, its children end with it (`semsearch.child`). Those that have more to do say so with
`interruptible`.
"""

# Not `signal`, which imports enum: a twentieth of an unchanged run of `index`.
import _signal  # type: ignore[import-not-found]
import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import NoReturn

MESSAGE = "interrupted"
# For a command that commits as it goes.
HINT = "what was committed is kept; run again to go on"
EXIT_CODE = 130
# Signals that come so soon after the first are the same wish: a terminal and a wrapper such as npm both send one.
_SAME_SECONDS = 1.0
# After an interrupt that was lost in a callback.
_AGAIN_SECONDS = 0.05
_ENDING = (_signal.SIGTERM, _signal.SIGHUP)

_cleans_up = False
_commits = False
_quiet = False
_first: float | None = None


def install() -> None:
    """Makes Ctrl-C end this process at once, with one line on stderr. To be called first of all."""
    # A shell starts what runs in its background with this signal ignored; that stays.
    if _signal.getsignal(_signal.SIGINT) != _signal.SIG_IGN:
        _signal.signal(_signal.SIGINT, _interrupted)
    _signal.pthread_sigmask(_signal.SIG_UNBLOCK, {_signal.SIGINT})  # `semsearch.__main__` held it back


def came() -> bool:
    """Whether this process was interrupted: whatever error surfaced is a consequence."""
    return _first is not None


class interruptible:
    """While it is open, Ctrl-C, SIGTERM and SIGHUP raise KeyboardInterrupt, so that what is done so far is kept.

    A second one, after a second, ends the process at once. `commits`: what is done so far is kept in an index, which
    the user is told. `quiet`: nothing is said, for a command that ends in no other way.
    """

    def __init__(self, *, commits: bool = True, quiet: bool = False) -> None:
        self._commits = commits
        self._quiet = quiet

    def __enter__(self) -> None:
        global _cleans_up, _commits, _quiet
        _commits = self._commits
        _quiet = self._quiet
        # Callbacks from C and `__del__` cannot raise: there an interrupt would be lost.
        sys.unraisablehook = _raise_again
        _cleans_up = True
        for number in _ENDING:
            if _signal.getsignal(number) != _signal.SIG_IGN:  # nohup
                _signal.signal(number, _interrupted)

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        global _cleans_up
        _cleans_up = False
        sys.unraisablehook = sys.__unraisablehook__
        for number in _ENDING:
            if _first is None and _signal.getsignal(number) is _interrupted:
                _signal.signal(number, _signal.SIG_DFL)


class stoppable:
    """While it is open, each Ctrl-C raises KeyboardInterrupt, and the command goes on: at a prompt, for example."""

    def __enter__(self) -> None:
        self._before = _signal.getsignal(_signal.SIGINT)
        if self._before != _signal.SIG_IGN:
            _signal.signal(_signal.SIGINT, _signal.default_int_handler)

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        _signal.signal(_signal.SIGINT, self._before)


def say() -> None:
    """Prints that the process was interrupted, on stderr, as JSON where the command prints JSON; unless it is quiet."""
    if _quiet:
        return
    hint = HINT if _commits else ""
    if "--json" in sys.argv or "--jsonl" in sys.argv:
        body = f'{{"code": "{MESSAGE}", "message": "{MESSAGE}", "hint": "{hint}"}}'
        line = f'{{"schema": "semsearch.error/1", "error": {body}}}\n'
    else:
        line = f"semsearch: {MESSAGE} ({hint})\n" if hint else f"semsearch: {MESSAGE}\n"
    try:  # noqa: SIM105 - contextlib is not light
        os.write(2, line.encode("ascii"))
    except OSError:
        pass  # nobody reads it; the exit code still says it


def _interrupted(number: int, frame: "FrameType | None") -> None:
    global _first
    if _first is None:
        _first = time.monotonic()
        if _cleans_up:
            raise KeyboardInterrupt
        _end()
    elif time.monotonic() - _first > _SAME_SECONDS:
        if os.isatty(2):
            os.write(2, b"\x1b[?25h")  # the cursor, which a progress bar may have hidden
        _end()


def _raise_again(unraisable: "sys.UnraisableHookArgs") -> None:
    """Sends the interrupt again where it was raised in a callback, which returns as if nothing had happened."""
    global _first
    if not issubclass(unraisable.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(unraisable)
        return
    import threading

    _first = None
    threading.Timer(_AGAIN_SECONDS, os.kill, (os.getpid(), _signal.SIGINT)).start()


def _end() -> "NoReturn":
    say()
    os._exit(EXIT_CODE)
