"""Runs of the real command on a terminal, and what may arrive there."""

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

from tests.support.commands import hear_signals
from tests.support.folders import PROJECT

# What semsearch styles its output with (Rich): colours, links to files, the lines of progress bars, the cursor.
_STYLING = re.compile(
    r"\x1b\[(?:[0-79]|[1-4][0-9]|9[0-7]|38;5;[0-9]+|;)*m|\x1b\]8;id=[0-9]+;file://[!-~]*\x1b\\|\x1b\]8;;\x1b\\"
    r"|\x1b\[\?25[lh]|\x1b\[[0-9]*[AK]|\r"
)
# Control characters, separators of lines, and what is not seen and hides text or changes its order.
_TROUBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f]"
)
# One of each, for names (which have no slash) and texts.
HOSTILE = (
    "\x1b]0;owned\x07\x1b[8mhid\x1b[5Aup\rback\x08\x0b\x0c\x7f\x85\x9b31m\x9d0;c1\x9c\u2028\u2029\u202a\u202b\u202c\u202d"
    "\u202eoverride\u2066\u2067\u2068\u2069\u200e\u200f\u061c\u200b\u2060\ufeff\U000e0041\U000e007f"
)


def on_terminal(arguments: list[str], cwd: Path, environment: dict[str, str]) -> tuple[int, bytes]:
    """(exit status, all that arrives on the terminal) of the real command with all its streams on a terminal."""
    main, other = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "semsearch", *arguments], stdin=other, stdout=other, stderr=other, cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(PROJECT), "TERM": "xterm-256color", "COLUMNS": "120", **environment},
        preexec_fn=hear_signals,
    )  # fmt: skip
    os.close(other)
    arrived = b""
    try:
        while data := os.read(main, 65536):
            arrived += data
    except OSError:  # how Linux says that nobody holds the other end any more
        pass
    os.close(main)
    return process.wait(), arrived


def trouble(arrived: bytes) -> list[str]:
    """What of the bytes that `arrived` a terminal would obey, beside the styling of semsearch, each with some text."""
    text = _STYLING.sub("", arrived.decode("utf-8", "surrogateescape"))
    found = [*_TROUBLE.finditer(text), *re.finditer("[\udc80-\udcff]", text)]
    return [text[max(0, match.start() - 40) : match.end() + 40] for match in found]
