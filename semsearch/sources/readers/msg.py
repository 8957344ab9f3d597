"""Outlook messages (.msg): headers, the text or that of the HTML, the text of attachments that can be read."""

import codecs
import io
from email.header import decode_header, make_header
from functools import cache
from typing import Any

from semsearch.sources.document import NOTICE, Document
from semsearch.sources.document_builder import DocumentBuilder, plain
from semsearch.sources.readers import html
from semsearch.sources.readers.email import add_file


def read(data: bytes, type_name: str) -> Document:
    """The message in `data`."""
    import oxmsg

    _know_code_pages()
    message = oxmsg.Message.load(io.BytesIO(data))
    headers = {key.lower(): _decoded(value) for key, value in message.message_headers.items()}
    metadata: dict[str, object] = {
        "from": headers.get("from") or _decoded(message.sender or ""),
        "to": headers.get("to") or ", ".join(f"{to.name} <{to.email_address}>" for to in message.recipients),
        "cc": headers.get("cc", ""),
        "date": message.sent_date.isoformat() if message.sent_date else headers.get("date", ""),
        "subject": plain(message.subject or ""),
        "attachments": [plain(attachment.file_name or "") for attachment in message.attachments],
    }
    subject = str(metadata["subject"])
    builder = DocumentBuilder(type_name, subject)
    shown = [name for name in ("from", "to", "cc", "date", "subject") if metadata[name]]
    builder.block("\n".join(f"{name.capitalize()}: {metadata[name]}" for name in shown))
    body = message.body or ""
    if not body.strip() and message.html_body:
        body = html.read(message.html_body.encode(), "html").text
    builder.block(body)
    unread = [said for attachment in message.attachments if (said := _attached(builder, attachment))]
    if unread:
        metadata[NOTICE] = "attached and not read: " + ", ".join(unread)
    return builder.document(metadata)


def _attached(builder: DocumentBuilder, attachment: Any) -> str:
    """Adds the text of an attachment; returns its name and why it cannot be read, empty where it can."""
    name = plain(attachment.file_name or "attached")
    reason = add_file(builder, name, attachment.file_bytes or b"")
    return f"{name} ({reason})" if reason else ""


@cache
def _know_code_pages() -> None:
    """Lets Python know code pages by the names that Windows has for them, such as windows-950."""
    codecs.register(_code_page)


def _code_page(name: str) -> codecs.CodecInfo | None:
    number = name.replace("_", "-").removeprefix("windows-")
    return codecs.lookup(f"cp{number}") if number != name and number.isdigit() else None


def _decoded(header: str) -> str:
    """`header` with its encoded words (RFC 2047) decoded."""
    return plain(str(make_header(decode_header(header))))
