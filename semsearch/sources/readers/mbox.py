"""Mailboxes: each message is a document of its own, with the line of the file it begins in."""

import re
from collections.abc import Iterator
from typing import BinaryIO

from semsearch.sources.document import Document
from semsearch.sources.document_builder import DocumentBuilder
from semsearch.sources.readers.email import add_message

_QUOTED_FROM = re.compile(rb"^>(>*From )", re.MULTILINE)
# RFC 4155: `From `, an address, a time. Many programs leave out one or the other.
_FROM_LINE = re.compile(rb"From (?:\S+@\S+|\S+ +|- )?.*\d\d:\d\d|From \S+@\S+\s*$|From -\s*$")
_HEADER = re.compile(rb"[!-9;-~]+:|>From ")


def read_pieces(file: BinaryIO, type_name: str) -> Iterator[Document]:
    """The messages of the mailbox `file`."""
    for line, message in _messages(iter(file)):
        builder = DocumentBuilder(type_name)
        metadata = add_message(builder, message, line)
        yield builder.document(metadata, own=True)


def _messages(lines: Iterator[bytes]) -> Iterator[tuple[int, bytes]]:
    """(line in which its headers begin, content) of each message.

    It begins with `From ` after an empty line (RFC 4155), and headers follow; other lines that begin so are text.
    """
    part: list[bytes] = []
    begin, blank = 1, True
    held: bytes | None = None  # a line that begins a message if a header follows
    for number, line in enumerate(lines, 1):
        if held is not None:
            if _HEADER.match(line):
                if part:
                    yield begin, _QUOTED_FROM.sub(rb"\1", b"".join(part))
                part, begin = [], number
            else:
                part.append(held)
            held = None
        if blank and line.startswith(b"From ") and (number == 1 or _FROM_LINE.match(line)):
            held = line
        else:
            part.append(line)
        blank = not line.strip()
    if part:
        yield begin, _QUOTED_FROM.sub(rb"\1", b"".join(part))
