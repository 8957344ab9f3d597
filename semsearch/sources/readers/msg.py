"""Outlook messages (.msg): headers as metadata, the text or that of the HTML, the names of attachments."""

import io
from email.header import decode_header, make_header

from semsearch.sources.document import Document
from semsearch.sources.document_builder import DocumentBuilder, plain
from semsearch.sources.readers import html


def read(data: bytes, type_name: str) -> Document:
    """The message in `data`."""
    import oxmsg

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
    shown = [name for name in ("from", "to", "date", "subject") if metadata[name]]
    builder.block("\n".join(f"{name.capitalize()}: {metadata[name]}" for name in shown))
    body = message.body or ""
    if not body.strip() and message.html_body:
        body = html.read(message.html_body.encode(), "html").text
    builder.block(body)
    if metadata["attachments"]:
        builder.block("Attachments: " + ", ".join(map(str, metadata["attachments"])))  # type: ignore[call-overload]
    return builder.document(metadata)


def _decoded(header: str) -> str:
    """`header` with its encoded words (RFC 2047) decoded."""
    return plain(str(make_header(decode_header(header))))
