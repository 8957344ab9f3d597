"""Mailboxes: each message is a document of its own, with the line of the file it begins in."""

import codecs
import re
from collections.abc import Iterator
from typing import BinaryIO

from semsearch.errors import ReadError
from semsearch.sources.document import Document
from semsearch.sources.document_builder import DocumentBuilder, parsing
from semsearch.sources.readers.email import add_message

_QUOTED_FROM = re.compile(rb"^>(>*From )", re.MULTILINE)
# RFC 4155: `From `, an address, a time. Many programs leave out one or the other.
_FROM_LINE = re.compile(rb"From .*\d\d:\d\d|From [^\s@]+@\S+\s*$|From -\s*$")
# The whole of it, which is no text, and by which some programs begin a message without an empty line before it.
_FULL_FROM_LINE = re.compile(
    rb"From .*\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? .{0,20}\b"
    rb"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\b.*\d\d:\d\d"
)
_LONGEST_FROM_LINE = 500
_HEADER = re.compile(rb"[!-9;-~]+:|>From ")


def read_pieces(file: BinaryIO, type_name: str) -> Iterator[Document]:
    """The messages of the mailbox `file`."""
    for line, message in _messages(iter(file)):
        builder = DocumentBuilder(type_name)
        try:
            with parsing("message"):
                metadata, notice = add_message(builder, message, line)
        except ReadError as error:
            yield _headers_only(message, line, type_name, error.message)
        except MemoryError:
            # What the message took is free again when it is let go of, and the others need not do without.
            yield _headers_only(message, line, type_name, "needs too much memory")
        else:
            yield builder.document(metadata, notice, own=True)


def _headers_only(message: bytes, line: int, type_name: str, reason: str) -> Document:
    """A message that cannot be read, so that the others of its file are."""
    builder = DocumentBuilder(type_name)
    builder.block(message.replace(b"\r\n", b"\n").split(b"\n\n", 1)[0].decode("utf-8", "replace"), line)
    return builder.document(notice=f"message in line {line} not read: {reason}", own=True)


def _messages(lines: Iterator[bytes]) -> Iterator[tuple[int, bytes]]:
    """(line in which its headers begin, content) of each message.

    It begins with `From ` after an empty line (RFC 4155), or with the address and time after any, and headers follow;
    other lines that begin so are text.
    """
    part: list[bytes] = []
    begin, blank = 1, True
    held: bytes | None = None  # a line that begins a message if a header follows
    for number, whole in enumerate(lines, 1):
        line = whole.removeprefix(codecs.BOM_UTF8) if number == 1 else whole
        if held is not None:
            if _HEADER.match(line):
                if part:
                    yield begin, _QUOTED_FROM.sub(rb"\1", b"".join(part))
                part, begin = [], number
            else:
                part.append(held)
            held = None
        if line.startswith(b"From ") and (number == 1 or _begins_message(line, blank)):
            held = line
        else:
            part.append(line)
        blank = not line.strip()
    if part:
        yield begin, _QUOTED_FROM.sub(rb"\1", b"".join(part))


def _begins_message(line: bytes, blank: bool) -> bool:
    """Whether a line may begin a message; `blank`: it stands after an empty one."""
    pattern = _FROM_LINE if blank else _FULL_FROM_LINE
    return len(line) <= _LONGEST_FROM_LINE and pattern.match(line) is not None
