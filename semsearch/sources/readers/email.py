"""One e-mail: its headers as metadata, its text (or that of its HTML), the names of its attachments."""

import email
import email.policy
from email.message import EmailMessage
from typing import Any

from semsearch.sources.document import Document
from semsearch.sources.document_builder import DocumentBuilder, plain
from semsearch.sources.readers import html

_HEADERS = ("from", "to", "cc", "date", "subject")


def read(data: bytes, type_name: str) -> Document:
    """The message in `data`."""
    builder = DocumentBuilder(type_name)
    metadata = add_message(builder, parse(data))
    return builder.document(metadata)


def parse(data: bytes) -> EmailMessage:
    """The message in `data`, with headers that decode themselves."""
    message = email.message_from_bytes(data, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def add_message(builder: DocumentBuilder, message: EmailMessage, line: int | None = None) -> dict[str, object]:
    """Adds `message` to `builder` as a section headed by its subject; returns its headers and attachments as metadata.

    `line`: the line of the mailbox in which it begins.
    """
    metadata: dict[str, object] = {name: _header(message, name) for name in _HEADERS}
    subject = str(metadata["subject"])
    builder.heading(1, subject, shown=False)  # ends the section before, which belongs to another message
    builder.title = builder.title or subject
    lines = [f"{name.capitalize()}: {metadata[name]}" for name in ("from", "to", "date", "subject") if metadata[name]]
    builder.block("\n".join(lines), line)
    builder.block(_body(message))
    names = []
    for part in message.walk():
        name = part.get_filename()
        if name:
            names.append(plain(str(name)))
    if names:
        builder.block("Attachments: " + ", ".join(names))
        metadata["attachments"] = names
    return metadata


def _header(message: EmailMessage, name: str) -> str:
    try:
        return plain(str(message.get(name, "")))
    except Exception:  # the header parser raises errors of any type on malformed headers
        return plain(str(dict(message.raw_items()).get(name.capitalize(), "")))


def _body(message: EmailMessage) -> str:
    """The text of every part that is no attachment; HTML is used only where there is no plain text beside it."""
    texts = []
    pending: list[Any] = [message]
    while pending:
        part = pending.pop(0)
        if part.get_content_maintype() == "multipart" or part.get_content_type() == "message/rfc822":
            below = list(part.iter_parts()) if part.is_multipart() else []
            if part.get_content_type() == "multipart/alternative":
                plain_parts = [
                    part for part in below if part.get_content_type() == "text/plain" and _text(part).strip()
                ]
                below = plain_parts or below[-1:]
            pending = [*below, *pending]
        elif part.get_content_maintype() == "text" and part.get_content_disposition() != "attachment":
            texts.append(_text(part))
    return "\n\n".join(texts)


def _text(part: Any) -> str:
    from semsearch.errors import ReadError
    from semsearch.sources.readers.text import decode

    raw = part.get_payload(decode=True) or b""
    declared = part.get_content_charset()
    try:
        text = str(raw.decode(declared or "utf-8"))
    except (LookupError, UnicodeError):
        try:
            declared, text = None, decode(raw)[0]
        except ReadError:
            text = str(raw.decode("latin-1"))
    if part.get_content_subtype() == "html":
        # The charset of the mail header overrides that of the page: the page gets a UTF-8 byte order mark.
        return html.read(b"\xef\xbb\xbf" + text.encode("utf-8", "replace") if declared else raw, "html").text
    return text
