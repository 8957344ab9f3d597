"""One e-mail: its headers, its text (or that of its HTML), and the text of what is attached or forwarded.

Each line keeps its place in the file, also where the text is encoded. What is attached and cannot be read is named.
Pages saved as MHTML are read as the page.
"""

import binascii
import email
import email.policy
import quopri
import re
from collections.abc import Iterator
from email.message import EmailMessage, Message
from typing import Any

from semsearch.errors import ReadError
from semsearch.sources.document import NOTICE, Document
from semsearch.sources.document_builder import DocumentBuilder, plain
from semsearch.sources.encodings import python_name
from semsearch.sources.lines import LineStarts, line_of, line_starts_of
from semsearch.sources.readers import html

_HEADERS = ("from", "to", "cc", "bcc", "reply-to", "date", "subject")
_SHOWN = ("from", "to", "cc", "date", "subject")
_MOST_ATTACHED_BYTES = 20_000_000
_MOST_NESTED = 3
# Of the words of an HTML part so many are in the plain text beside it, where that says the same.
_SAME_SHARE = 0.5
_WORD = re.compile(r"\w+")


def read(data: bytes, type_name: str) -> Document:
    """The message in `data`; of a file of Apple Mail (.emlx) without its counts."""
    first, _, rest = data.partition(b"\n")
    line = 1
    if first.strip().isdigit():
        data, line = rest[: int(first)], 2
    builder = DocumentBuilder(type_name)
    metadata = add_message(builder, data, line)
    return builder.document(metadata)


def read_page(data: bytes, type_name: str) -> Document:
    """The page that is saved as MHTML in `data`."""
    message = email.message_from_bytes(data, policy=email.policy.default)
    builder = DocumentBuilder(type_name, plain(_header(message, "subject")))
    for part, line in _Locator(data, 1).located(message):
        if part.get_content_type() in ("text/html", "application/xhtml+xml", "text/plain"):
            _add_text(builder, part, line)
    return builder.document()


def add_message(builder: DocumentBuilder, data: bytes, line: int, depth: int = 0) -> dict[str, object]:
    """Adds the message `data` to `builder` as a section headed by its subject; returns its metadata.

    `line`: the line of the file in which it begins; `depth`: in how many messages it is attached.
    """
    message = email.message_from_bytes(data, policy=email.policy.default)
    metadata: dict[str, object] = {name: _header(message, name) for name in _HEADERS}
    subject = str(metadata["subject"])
    builder.heading(1 + depth, subject, shown=False)  # ends the section before, which belongs to another message
    builder.title = builder.title or subject
    for name in _SHOWN:
        if metadata[name]:
            builder.lines(f"{name.capitalize()}: {metadata[name]}", line + _line_of_header(data, name))
    builder.block(" ")
    names: list[str] = []
    unread: list[str] = []
    for part, begin in _Locator(data, line).located(message):
        name = plain(str(part.get_filename() or ""))
        if name:
            names.append(name)
        if _is_body(part):
            _add_text(builder, part, begin)
        else:
            reason = _add_attached(builder, part, name, begin, depth)
            unread += [f"{name or part.get_content_type()} ({reason})"] if reason else []
    if names:
        builder.block("Attachments: " + ", ".join(names))
        metadata["attachments"] = names
    if unread and not depth:
        metadata[NOTICE] = "attached and not read: " + ", ".join(unread)
    return metadata


def _is_body(part: Any) -> bool:
    return bool(part.get_content_maintype() == "text" and part.get_content_disposition() != "attachment")


def _header(message: Message, name: str) -> str:
    try:
        return plain(str(message.get(name, "")))
    except Exception:  # the header parser raises errors of any type on malformed headers
        return plain(str(dict(message.raw_items()).get(name.capitalize(), "")))


def _line_of_header(data: bytes, name: str) -> int:
    """The number from 0 of the line in `data` in which the header `name` begins."""
    match = re.search(rb"^" + name.encode() + rb":", data, re.IGNORECASE | re.MULTILINE)
    return data.count(b"\n", 0, match.start()) if match else 0


class _Locator:
    """Finds the lines in which the parts of a message begin; `line`: that of its first line."""

    def __init__(self, data: bytes, line: int) -> None:
        self._source = data.decode("latin-1").replace("\r\n", "\n")
        self._line = line
        self._position = 0

    def located(self, message: Message) -> Iterator[tuple[Any, int]]:
        """(part, line its content begins in) of what is to be read of `message`, in order: its text, its attachments.

        Of the same text in HTML and plain the plain one, unless the HTML says more.
        """
        pending: list[Any] = [message]
        while pending:
            part = pending.pop(0)
            if part.get_content_maintype() != "multipart":
                yield part, self._line_of(part)
                continue
            below = list(part.iter_parts()) if isinstance(part, EmailMessage) and part.is_multipart() else []
            if part.get_content_type() == "multipart/alternative":
                below = _chosen(below)
            pending = [*below, *pending]

    def _line_of(self, part: Any) -> int:
        payload = part.get_payload()
        if isinstance(payload, list):
            content = payload[0].as_string() if payload and isinstance(payload[0], Message) else ""
            content = content.split("\n", 1)[0]
        else:
            content = str(payload or "")
        searched = content.encode("ascii", "surrogateescape").decode("latin-1").replace("\r\n", "\n").strip("\n")
        at = self._source.find(searched, self._position) if searched else -1
        if at < 0:
            at = self._position
        else:
            self._position = at + len(searched)
        # The first line of the content may be empty.
        blank = len(content) - len(content.lstrip("\n")) if not isinstance(payload, list) else 0
        return self._line + self._source.count("\n", 0, at) - blank


def _chosen(parts: list[Any]) -> list[Any]:
    """Of alternatives those to be read."""
    plain_parts = [part for part in parts if part.get_content_type() == "text/plain" and _decoded(part)[0].strip()]
    others = [part for part in parts if part.get_content_type() != "text/plain"]
    if not plain_parts or not others:
        return plain_parts or parts[-1:]
    richest = others[-1]
    if richest.get_content_type() != "text/html":
        return plain_parts if richest.get_content_maintype() != "multipart" else [*plain_parts, *_attached_in(richest)]
    said = set(_WORD.findall("".join(_decoded(part)[0] for part in plain_parts).lower()))
    shown = set(_WORD.findall(html.read_text(_decoded(richest)[0], "html", {}).text.lower()))
    return plain_parts if len(shown & said) >= _SAME_SHARE * len(shown) else [*plain_parts, richest]


def _attached_in(part: Any) -> list[Any]:
    """What is attached within HTML and its pictures, beside a plain text."""
    return [one for one in part.iter_parts() if one.get_content_maintype() != "text" or one.get_filename()]


def _decoded(part: Any) -> tuple[str, str]:
    """(the text of a part, its declared charset as Python names it)."""
    from semsearch.sources.readers.text import decode

    raw = part.get_payload(decode=True) or b""
    declared = python_name(str(part.get_content_charset() or ""))
    try:
        return raw.decode(declared or "utf-8").replace("\r\n", "\n"), declared
    except (LookupError, UnicodeError):
        try:
            return decode(raw)[0], ""
        except ReadError:
            return raw.decode("latin-1"), ""


def _add_text(builder: DocumentBuilder, part: Any, line: int) -> None:
    """Adds a text part whose content begins in `line`."""
    text, charset = _decoded(part)
    starts = _starts(part, text, charset, line)
    if part.get_content_subtype() in ("html", "xhtml+xml"):
        page = html.read_text(text, "html", {})
        begins = line_starts_of(text)
        # Lines of the page -> lines of the file.
        places = [
            (offset, line_of(starts, begins[min(number, len(begins)) - 1][0]))
            for offset, number in page.line_starts or ()
        ]
        builder.text(page.text, places)
    else:
        builder.text(text, starts)


def _starts(part: Any, text: str, charset: str, line: int) -> LineStarts:
    """Where in `text`, the decoded content of `part`, the lines of the file begin, from `line` on."""
    encoding = str(part.get("content-transfer-encoding") or "").strip().lower()
    payload = part.get_payload()
    if encoding not in ("quoted-printable", "base64") or not isinstance(payload, str):
        return line_starts_of(text, line)
    starts: list[tuple[int, int]] = []
    done = b""
    for number, raw in enumerate(payload.split("\n"), line):
        starts.append((len(done.decode(charset or "utf-8", "ignore").replace("\r\n", "\n")), number))
        encoded = raw.encode("ascii", "replace") + b"\n"
        if encoding == "quoted-printable":
            done += quopri.decodestring(encoded)
        else:
            try:
                done += binascii.a2b_base64(encoded)
            except binascii.Error:
                continue
        if len(done) > 100_000:
            break  # what follows is told with the last line
    return tuple(starts)


def _add_attached(builder: DocumentBuilder, part: Any, name: str, line: int, depth: int) -> str:
    """Adds what is attached; returns why it is not read, empty where it is."""
    if depth >= _MOST_NESTED:
        return "nested too deep"
    payload = part.get_payload()
    if part.get_content_type() == "message/rfc822":
        raw = _attached_message(part)
        if raw:
            add_message(builder, raw, line, depth + 1)
            return ""
    data = b"" if isinstance(payload, list) else part.get_payload(decode=True) or b""
    suffix = {"text/plain": ".txt", "text/html": ".html", "text/csv": ".csv", "text/calendar": ".ics"}
    return add_file(builder, name or "attached" + suffix.get(part.get_content_type(), ""), data, line)


def add_file(builder: DocumentBuilder, name: str, data: bytes, line: int | None = None) -> str:
    """Adds the text of the attached file `name`; returns why it cannot be read, empty where it can."""
    from semsearch.sources import document_types

    if not data or len(data) > _MOST_ATTACHED_BYTES:
        return "too large" if data else "empty"
    try:
        document = document_types.read(name, data)
    except ReadError as error:
        return error.message
    text = f"Attached: {name}\n{document.text}"
    # All of it stands in the lines of the attachment, however it is encoded: the first one is told.
    builder.text(text, [(offset, line) for offset, _ in line_starts_of(text)] if line is not None else [])
    return ""


def _attached_message(part: Any) -> bytes:
    """The bytes of an attached message, which some programs encode although they must not (RFC 2046, 5.2.1)."""
    payload = part.get_payload()
    inner = payload[0] if isinstance(payload, list) and payload else None
    if inner is None:
        return b""
    encoding = str(part.get("content-transfer-encoding") or "").strip().lower()
    if encoding == "base64":
        try:
            return binascii.a2b_base64(inner.as_bytes().strip())
        except binascii.Error:
            return b""
    if encoding == "quoted-printable":
        return quopri.decodestring(inner.as_bytes())
    return bytes(inner.as_bytes())
