"""Mailboxes: each message under its subject, with the line of the file it begins in."""

import re
from collections.abc import Iterator
from typing import BinaryIO

from semsearch.sources.document import Document
from semsearch.sources.document_builder import DocumentBuilder
from semsearch.sources.readers.email import add_message, parse

_MESSAGES_A_PIECE = 500
_QUOTED_FROM = re.compile(rb"^>(>*From )", re.MULTILINE)


def read(data: bytes, type_name: str) -> Document:
    """All messages of the mailbox in `data` as one document."""
    builder = DocumentBuilder(type_name)
    for line, message in _messages(iter(data.splitlines(keepends=True))):
        add_message(builder, parse(message), line)
        builder.title = ""
    return builder.document()


def read_pieces(file: BinaryIO, type_name: str) -> Iterator[Document]:
    """The messages of the mailbox `file`, 500 in a document."""
    builder = DocumentBuilder(type_name)
    for number, (line, message) in enumerate(_messages(iter(file)), 1):
        add_message(builder, parse(message), line)
        builder.title = ""
        if number % _MESSAGES_A_PIECE == 0:
            yield builder.document()
            builder = DocumentBuilder(type_name)
    yield builder.document()


def _messages(lines: Iterator[bytes]) -> Iterator[tuple[int, bytes]]:
    """(line in which it begins, content) of each message: it begins with `From ` after an empty line (RFC 4155)."""
    part: list[bytes] = []
    begin, blank = 1, True
    for number, line in enumerate(lines, 1):
        if blank and line.startswith(b"From "):
            if part:
                yield begin, _QUOTED_FROM.sub(rb"\1", b"".join(part))
            part, begin = [], number
        else:
            part.append(line)
        blank = not line.strip()
    if part:
        yield begin, _QUOTED_FROM.sub(rb"\1", b"".join(part))
