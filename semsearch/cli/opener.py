"""Opens a file of the documents for the user: in the editor at a line, or as the desktop would.

Nothing goes through a shell, names are whole paths, and no file is run.
"""

import os
import shlex
import shutil
import subprocess
import sys

from semsearch.cli.interrupts import stoppable
from semsearch.errors import SemsearchError

# How editors are told a line; all others get `+LINE FILE`, as vi, emacs, nano and most others do.
_GOTO = frozenset({"code", "code-insiders", "codium", "cursor", "windsurf"})
_COLON = frozenset({"subl", "zed", "hx", "helix", "atom", "mate"})
_LOOKED_AT = 8192  # bytes


def open_file(file: str, line: int | None) -> None:
    """Opens `file`: one of text in $VISUAL or $EDITOR at `line`, others as the desktop does.

    Raises `SemsearchError` where it is gone or nothing opens it.
    """
    file = os.path.abspath(file)  # what an index from elsewhere names may begin with a plus or a dash
    try:
        if os.path.exists(file) and not os.path.isfile(file):  # a pipe would be waited for
            raise SemsearchError(f"{file} is no file any more", "see: semsearch status", code="os")
        with open(file, "rb") as opened:
            is_text = b"\0" not in opened.read(_LOOKED_AT) and not file.lower().endswith(".pdf")
    except OSError as error:
        raise SemsearchError(f"{file} cannot be opened: {error.strerror}", "see: semsearch status", code="os") from None
    chosen = os.environ.get("VISUAL") or os.environ.get("EDITOR") or ""
    try:
        editor = shlex.split(chosen)
    except ValueError:
        raise SemsearchError(f"not a command: {chosen}", "set VISUAL or EDITOR", code="usage") from None
    if is_text and editor:
        _run(in_editor(editor, file, line))
        return
    if not is_text or not _would_run(file):
        desktop = ["open", *(["-t"] if is_text else [])] if sys.platform == "darwin" else ["xdg-open"]
        if shutil.which(desktop[0]):
            _run([*desktop, file])
            return
    what = "set VISUAL or EDITOR to your editor" if is_text else "open it yourself"
    raise SemsearchError(f"nothing here opens {file}", what, code="usage")


def in_editor(editor: list[str], file: str, line: int | None) -> list[str]:
    """The command that opens `file` at `line` (None: at its beginning) in `editor`, a command with its arguments."""
    name = os.path.basename(editor[0])
    if line is None:
        return [*editor, file]
    if name in _GOTO:
        return [*editor, "-g", f"{file}:{line}"]
    return [*editor, f"{file}:{line}"] if name in _COLON else [*editor, f"+{line}", file]


def _would_run(file: str) -> bool:
    """Whether a desktop might run `file` instead of showing it."""
    return os.access(file, os.X_OK) or file.lower().endswith(".desktop")


def _run(command: list[str]) -> None:
    with stoppable():  # Ctrl-C is for the editor
        try:
            process = subprocess.Popen(command)
        except OSError as error:
            raise SemsearchError(
                f"{command[0]} cannot be started: {error.strerror}", "set VISUAL or EDITOR", code="os"
            ) from None
        while True:
            try:
                status = process.wait()
            except KeyboardInterrupt:
                continue
            break
    if status > 0:
        raise SemsearchError(f"{command[0]} ended with exit code {status}", "see what it printed", code="os")
