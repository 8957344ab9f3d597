"""Runs of the real command: what one did, and what its errors look like."""

import json
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

# For a line of shell.
COMMAND = f"{sys.executable} -m semsearch"


@dataclass(frozen=True)
class Completed:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Command = Callable[..., Completed]


def one_line_error(err: str) -> str:
    """The message on stderr: one line, with a way out in brackets."""
    lines = err.strip().splitlines()
    assert len(lines) == 1, err
    assert lines[0].startswith("semsearch: ")
    return lines[0]


def hear_signals() -> None:
    """In a child that is being started: no signal is ignored, as the shell or nohup that runs the tests may have it."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
