"""Outlook messages (.msg): headers, the text and its HTML where that says more, what is attached and can be read."""

import codecs
import dataclasses
import io
from functools import cache
from typing import Any

from semsearch.sources.document import Document
from semsearch.sources.document_builder import DocumentBuilder, plain
from semsearch.sources.readers import html
from semsearch.sources.readers.attachments import Unread, add_attached_message, documents_in
from semsearch.sources.readers.email import says_the_same
from semsearch.sources.readers.mail_parts import encoding_of_text, shown_header

_HTML, _SHORT_FILE_NAME, _DISPLAY_NAME = 0x1013, 0x3704, 0x3001
# The storage of a message that is attached as one (MS-OXMSG, 2.2.2.1).
_MESSAGE = "__substg1.0_3701000D"
_PROPERTIES = "__properties_version1.0"
# So much shorter the head of its properties is than that of a message in a file.
_SHORTER_HEAD = 8


def read(data: bytes, type_name: str) -> Document:
    """The message in `data`."""
    import oxmsg

    _know_code_pages()
    builder = DocumentBuilder(type_name)
    unread = Unread()
    metadata = _add_message(builder, oxmsg.Message.load(io.BytesIO(data)), 0, unread)
    return builder.document(metadata, unread.notice())


def _add_message(builder: DocumentBuilder, message: Any, depth: int, unread: Unread) -> dict[str, object]:
    """Adds a message as a section headed by its subject; returns its metadata.

    `depth`: in how many messages it is attached; `unread` is told what of it is not read.
    """
    headers = {key.lower(): shown_header(key.lower(), value) for key, value in message.message_headers.items()}
    recipients = ", ".join(f"{to.name} <{to.email_address}>" for to in message.recipients)
    metadata: dict[str, object] = {
        "from": headers.get("from") or plain(message.sender or ""),
        "to": headers.get("to") or plain(recipients),
        "cc": headers.get("cc", ""),
        "date": message.sent_date.isoformat() if message.sent_date else headers.get("date", ""),
        "subject": plain(message.subject or ""),
    }
    subject = str(metadata["subject"])
    builder.heading(1 + depth, subject, shown=False)
    builder.title = builder.title or subject
    shown = [name for name in ("from", "to", "cc", "date", "subject") if metadata[name]]
    builder.block("\n".join(f"{name.capitalize()}: {metadata[name]}" for name in shown))
    body = message.body or ""
    builder.block(body)
    page = html.read_text(_page(message), "html", {}).text
    if not body.strip() or not says_the_same(page, body):
        builder.block(page)
    names: list[str] = []
    for attachment in message.attachments:
        name = _name(attachment)
        names += [name] if name else []
        _add_attached(builder, attachment, name or "attached", depth, unread)
    metadata["attachments"] = names
    return metadata


def _page(message: Any) -> str:
    """The HTML of a message, whatever encoding it declares: it is that of the message's properties."""
    raw = message.properties.binary_prop_value(_HTML)
    if raw is None:
        return message.html_body or ""
    return str(raw.decode(encoding_of_text(raw, message.properties.body_encoding.lower()), "replace"))


def _name(attachment: Any) -> str:
    properties = attachment.properties
    found = (attachment.file_name, *(properties.str_prop_value(one) for one in (_SHORT_FILE_NAME, _DISPLAY_NAME)))
    return next((plain(name) for name in found if name and plain(name)), "")


def _add_attached(builder: DocumentBuilder, attachment: Any, name: str, depth: int, unread: Unread) -> None:
    """Adds what is attached and called `name`."""
    # An attachment has no public way to the message that it may hold.
    embedded = next((one for one in attachment._storage.storages if one.name == _MESSAGE), None)
    if embedded is None:
        builder.lines(f"Attached: {name}")
        for document in documents_in(name, attachment.file_bytes or b"", unread):
            builder.text(document.text, [])
    else:
        add_attached_message(
            name, depth, unread, lambda: _add_message(builder, _message_in(embedded), depth + 1, unread)
        )


def _message_in(storage: Any) -> Any:
    """The message in the storage of an attachment."""
    import oxmsg

    streams = tuple(
        dataclasses.replace(one, bytes_=b"\0" * _SHORTER_HEAD + one.bytes_) if one.name == _PROPERTIES else one
        for one in storage.streams
    )
    return oxmsg.Message(dataclasses.replace(storage, streams=streams))


@cache
def _know_code_pages() -> None:
    """Lets Python know code pages by the names that Windows has for them, such as windows-950."""
    codecs.register(_code_page)


def _code_page(name: str) -> codecs.CodecInfo | None:
    number = name.replace("_", "-").removeprefix("windows-")
    return codecs.lookup(f"cp{number}") if number != name and number.isdigit() else None
