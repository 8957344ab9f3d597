"""Opens a file of the documents for the user: in the editor at a line, in the pager, or as the desktop would.

Nothing goes through a shell, names are whole paths, and no file is run.
"""

import os
import shlex
import shutil
import subprocess
import sys

from semsearch import settings
from semsearch.cli.interrupts import stoppable
from semsearch.cli.last_results import ShownPlace
from semsearch.cli.render import announce
from semsearch.errors import SemsearchError, for_shell
from semsearch.sources.stamps import stamp_of_status

# How editors are told a line; all others get `+LINE FILE`, as vi, emacs, nano and most others do.
_GOTO = frozenset({"code", "code-insiders", "codium", "cursor", "windsurf"})
_COLON = frozenset({"subl", "zed", "hx", "helix", "atom", "mate"})
# Pagers that take `+LINE FILE`.
_PAGERS = frozenset({"less", "more", "most"})
# How viewers of PDF are told a page, which they count from 1; as a desktop names its viewers, these are part of it.
_VIEWERS = {
    "evince": "--page-index={}",
    "papers": "--page-index={}",
    "atril": "--page-index={}",
    "xreader": "--page-index={}",
    "okular": "--page={}",
    "zathura": "--page={}",
}
_LOOKED_AT = 8192  # bytes


def open_place(place: ShownPlace) -> None:
    """Opens the file of `place` there; says on stderr where it has changed since it was indexed.

    Raises `SemsearchError` where it is on another machine, gone, or nothing opens it.
    """
    shown = f"semsearch show {for_shell(place.file)} --index {for_shell(place.location)}"
    as_indexed = f"what was indexed of it: {shown}" if place.location else "see: semsearch status"
    here = settings.host_name()
    if place.host and place.host != here:
        there = place.file.removeprefix(f"//{place.host}")
        raise SemsearchError(f"{there} is on the machine {place.host}", f"open it there; {as_indexed}", code="os")
    try:
        stamp = stamp_of_status(os.stat(place.file))[:2]
    except (FileNotFoundError, NotADirectoryError):
        if place.searched_on and place.searched_on != here:
            what = f"{place.file} is not on this machine: the last search was on the machine {place.searched_on}"
            raise SemsearchError(what, f"open it there; {as_indexed}", code="os") from None
        raise SemsearchError(f"{place.file} is not there any more", as_indexed, code="os") from None
    except OSError as error:
        raise SemsearchError(f"{place.file} cannot be opened: {error.strerror}", as_indexed, code="os") from None
    if place.stamp is not None and stamp != place.stamp:
        announce(f"{place.path} has changed since it was indexed: the place may be another by now")
    open_file(place.file, place.line, place.page, as_indexed)


def open_file(file: str, line: int | None, page: int | None = None, instead: str = "see: semsearch status") -> None:
    """Opens `file`: one of text in $VISUAL or $EDITOR at `line`, without one in the pager; others as the desktop does,
    a PDF at `page` where its viewer can. `instead`: what else can be done, for an error.

    Raises `SemsearchError` where it is gone or nothing opens it.
    """
    file = os.path.abspath(file)  # what an index from elsewhere names may begin with a plus or a dash
    try:
        if os.path.exists(file) and not os.path.isfile(file):  # a pipe would be waited for
            raise SemsearchError(f"{file} is no file any more", instead, code="os")
        with open(file, "rb") as opened:
            is_text = b"\0" not in opened.read(_LOOKED_AT) and not file.lower().endswith(".pdf")
    except OSError as error:
        raise SemsearchError(f"{file} cannot be opened: {error.strerror}", instead, code="os") from None
    if is_text and (command := _editor(file, line) or _pager(file, line)):
        _run(command)
    elif command := _at_page(file, page):
        _start(command)
    elif command := _on_desktop(file, is_text):
        _run(command)
    else:
        what = "set VISUAL or EDITOR to your editor" if is_text else f"there is no desktop here; {instead}"
        raise SemsearchError(f"nothing here opens {file}", what, code="usage")


def _editor(file: str, line: int | None) -> list[str]:
    """The command that opens `file` in the user's editor; empty where none is set. Raises `SemsearchError`."""
    editor = _words("VISUAL") or _words("EDITOR")
    return in_editor(editor, file, line) if editor else []


def in_editor(editor: list[str], file: str, line: int | None) -> list[str]:
    """The command that opens `file` at `line` (None: at its beginning) in `editor`, a command with its arguments."""
    name = os.path.basename(editor[0])
    if line is None:
        return [*editor, file]
    if name in _GOTO:
        return [*editor, "-g", f"{file}:{line}"]
    return [*editor, f"{file}:{line}"] if name in _COLON else [*editor, f"+{line}", file]


def _pager(file: str, line: int | None) -> list[str]:
    """The command that shows `file` in the pager, for a terminal; empty where there is none. Raises
    `SemsearchError`."""
    if not sys.stdout.isatty():
        return []
    pager = _words("PAGER") or [name for name in ("less", "more") if shutil.which(name)][:1]
    if pager and line is not None and os.path.basename(pager[0]) in _PAGERS:
        return [*pager, f"+{line}", file]
    return [*pager, file] if pager else []


def _words(variable: str) -> list[str]:
    """The command in a `variable` of the environment. Raises `SemsearchError` where it is none."""
    text = os.environ.get(variable, "")
    try:
        return shlex.split(text)
    except ValueError:
        raise SemsearchError(f"not a command: {text}", f"set {variable}", code="usage") from None


def _on_desktop(file: str, is_text: bool) -> list[str]:
    """The command that opens `file` as the desktop does; empty where there is no desktop, or it might run the file."""
    if is_text and _would_run(file):
        return []
    if sys.platform == "darwin":
        return ["open", *(["-t"] if is_text else []), file]
    return ["xdg-open", file] if _has_display() and shutil.which("xdg-open") else []


def _at_page(file: str, page: int | None) -> list[str]:
    """The command that opens the PDF `file` at `page` in the desktop's viewer; empty where that is not one that is
    known to take a page, or `file` is no PDF."""
    if page is None or not file.lower().endswith(".pdf") or not _has_display() or not shutil.which("xdg-mime"):
        return []
    try:
        asked = subprocess.run(
            ["xdg-mime", "query", "default", "application/pdf"], capture_output=True, text=True, timeout=5
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    for name, flag in _VIEWERS.items():
        if name in asked.stdout.lower() and shutil.which(name):
            return [name, flag.format(page), file]
    return []


def _has_display() -> bool:
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _would_run(file: str) -> bool:
    """Whether a desktop might run `file` instead of showing it."""
    return os.access(file, os.X_OK) or file.lower().endswith(".desktop")


def _start(command: list[str]) -> None:
    """Starts a viewer, which stays when this process ends; what it says is not for the terminal."""
    try:
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        raise SemsearchError(f"{command[0]} cannot be started: {error.strerror}", "", code="os") from None


def _run(command: list[str]) -> None:
    """Runs an editor or a pager, or what hands a file to the desktop, until it ends."""
    sys.stdout.flush()
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
