"""The standard streams: the one place where anything leaves for a terminal, and where messages may be lost.

What documents, file names, models and servers say must not move the cursor, name the window, or show text in another
order than it stands. So that no `print` can forget it, `sys.stdout` and `sys.stderr` themselves leave such characters
out where they end at a terminal, of text and of bytes. Only `console` gets past them, for colours and bars.

Imports nothing heavy, because an unchanged run of `index` uses it.
"""

import errno
import io
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

    from _typeshed import ReadableBuffer

# What errors of it are told of.
STANDARD_OUTPUT = "standard output"
# C0 and C1 control characters except tab and newline.
CONTROLS = (*range(9), *range(11, 32), *range(127, 160))
# Those of them that end a line for some program, and the separators of lines and paragraphs: each becomes a blank.
BREAKS = (0x0B, 0x0C, 0x0D, 0x1C, 0x1D, 0x1E, 0x85, 0x2028, 0x2029)
# What is not seen, and hides text or changes its order: marks, overrides and isolates of direction, characters without
# width, annotations, tags. Not the joiners U+200C and U+200D and the variation selectors: Persian, Hindi and emoji are
# written with them. Of the flags of England, Scotland and Wales, which are written with tags, a black one is left.
UNSEEN = (
    0x061C, 0x180E, 0x200B, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2060, 0x2070), 0xFEFF,
    *range(0xFFF9, 0xFFFC), *range(0xE0000, 0xE0080),
)  # fmt: skip
# Bytes that are not text in the terminal's encoding (PEP 383) are written as in results: `\xe4`.
_BYTES = {0xDC00 + byte: f"\\x{byte:02x}" for byte in range(128, 256)}
_FOR_TERMINALS = {**dict.fromkeys((*CONTROLS, *UNSEEN)), **dict.fromkeys(BREAKS, " "), **_BYTES}


def for_terminal(text: str) -> str:
    """`text` as a terminal may get it: without what is not seen and has an effect."""
    return text.translate(_FOR_TERMINALS)


def open_streams() -> None:
    """Replaces the standard streams; to be called once.

    What cannot be written to stdout is an error that names it, also where the caller closed it. What cannot be written
    to stderr is lost, and changes nothing about what the command does.
    """
    closed = sys.stdout is None
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            # Its number is taken for good, lest a file that is opened later get it, and messages be written to that.
            descriptor = os.open(os.devnull, os.O_RDWR)
            os.set_inheritable(descriptor, True)
            setattr(sys, name, open(descriptor, "w" if number else "r", closefd=False))  # noqa: SIM115
    results = _Closed(1, "w", closefd=False) if closed else _Results(1, "w", closefd=False)
    at_terminal = results.isatty()
    sys.stdout = _text(
        _Terminal(results, sys.stdout.encoding) if at_terminal else results,
        sys.stdout,
        at_once=bool(at_terminal or sys.stdout.line_buffering or getattr(sys.stdout, "write_through", False)),
    )
    messages = _Messages(2, "w", closefd=False)
    sys.stderr = _text(_Terminal(messages, sys.stderr.encoding) if messages.isatty() else messages, sys.stderr)


def styled(stream: "TextIO") -> "TextIO":
    """The way past what `stream` leaves out, for `console`, which leaves it out of all but its own sequences."""
    raw = getattr(getattr(stream, "buffer", None), "raw", None)
    return _text(raw.uncleaned(), stream) if isinstance(raw, _Terminal) else stream


def _text(raw: io.RawIOBase, like: "TextIO", *, at_once: bool = True) -> "TextIO":
    """A stream of text like `like` that writes to `raw`; `at_once`: each line as soon as it ends."""
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding=like.encoding, errors=like.errors, line_buffering=at_once)


class _Results(io.FileIO):
    """A descriptor whose errors say that it is standard output which they are about."""

    def write(self, data: "ReadableBuffer") -> int:
        try:
            while (written := super().write(data)) is None:  # another program made it one that does not block
                import select

                select.select([], [self], [])
        except OSError as error:
            error.filename = STANDARD_OUTPUT
            raise
        return written


class _Closed(_Results):
    """A standard output that the caller closed: nothing can be written, as with every program."""

    def write(self, data: "ReadableBuffer") -> int:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF), STANDARD_OUTPUT)


class _Messages(io.FileIO):
    """A descriptor where what cannot be written is lost."""

    def write(self, data: "ReadableBuffer") -> int:
        size = len(memoryview(data).cast("B"))
        try:
            written = super().write(data)
        except OSError:  # full, or closed
            return size
        return size if written is None else written  # None: it does not block, and its reader is slow


class _Terminal(io.RawIOBase):
    """A terminal behind `below`; what is written is cleaned, and a character may be cut between two writes."""

    def __init__(self, below: "_Results | _Messages", encoding: str) -> None:
        import codecs

        self._below = below
        self._encoding = encoding
        self._decoder = codecs.getincrementaldecoder(encoding)("surrogateescape")

    def write(self, data: "ReadableBuffer") -> int:
        text = self._decoder.decode(bytes(data))
        left = memoryview(for_terminal(text).encode(self._encoding, "backslashreplace"))
        while left:
            left = left[self._below.write(left) :]
        return len(memoryview(data).cast("B"))

    def uncleaned(self) -> "_Results | _Messages":
        """The terminal itself. A new object, as a stream closes what it is written to when it goes."""
        return type(self._below)(self._below.fileno(), "w", closefd=False)

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._below.fileno()
