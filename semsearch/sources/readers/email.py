"""One e-mail: its headers, its text (or that of its HTML), and the text of what is attached or forwarded.

Each line keeps its place in the file, also where the text is encoded. What is attached and cannot be read is named.
Pages saved as MHTML are read as the page.
"""

import codecs
import hashlib
import re
from functools import partial

from semsearch.sources.document import Document
from semsearch.sources.document_builder import DocumentBuilder, Piece
from semsearch.sources.lines import LineStarts
from semsearch.sources.readers import html
from semsearch.sources.readers.attachments import Unread, add_attached_message, documents_in
from semsearch.sources.readers.mail_parts import Part, Source

_HEADERS = ("from", "to", "cc", "bcc", "reply-to", "date", "subject")
_SHOWN = ("from", "to", "cc", "date", "subject")
_LONGEST_COUNT = 20
# Of the words of an HTML part so many are in the plain text beside it, where that says the same.
_SAME_SHARE = 0.5
_WORD = re.compile(r"\w+")
_EMPTY_LINES = re.compile(rb"(?:[ \t]*\r?\n)*")
# Text that has a reader of its own: its suffix.
_READ_AS = {
    "text/calendar": ".ics", "text/x-vcalendar": ".vcs", "text/vcard": ".vcf", "text/x-vcard": ".vcf",
    "text/directory": ".vcf", "text/csv": ".csv", "text/tab-separated-values": ".tsv", "text/rtf": ".rtf",
    "text/markdown": ".md", "text/xml": ".xml",
}  # fmt: skip
# What is attached without a name, and is text.
_SUFFIXES = {"text/plain": ".txt", "text/html": ".html", **_READ_AS}
# What reports of servers are made of.
_REPORTS = frozenset({"message/delivery-status", "message/disposition-notification", "message/feedback-report"})
# Base64, and nothing that is shown.
_SIGNATURES = frozenset({"application/pgp-signature", "application/pgp-keys"})
# Files whose lines are rows, or nothing of what an editor shows.
_NOT_LINES = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"\x1f\x8b")


def read(data: bytes, type_name: str) -> Document:
    """The message in `data`; of a file of Apple Mail (.emlx) without its counts."""
    first, _, rest = data.partition(b"\n")
    line = 1
    if first.strip().isdigit() and len(first) <= _LONGEST_COUNT:
        data, line = rest[: int(first)], 2
    builder = DocumentBuilder(type_name)
    return builder.document(*add_message(builder, data, line))


def read_page(data: bytes, type_name: str) -> Document:
    """The page that is saved as MHTML in `data`."""
    message = _message(data, 1)
    builder = DocumentBuilder(type_name, message.header("subject")[0])
    for part in _leaves(message):
        if part.is_html or part.type == "text/plain":
            _add_text(builder, part)
    return builder.document()


def add_message(builder: DocumentBuilder, data: bytes, line: int) -> tuple[dict[str, object], str]:
    """Adds the message `data` to `builder` as a section headed by its subject; returns its metadata and notice.

    `line`: the line of the file in which it begins.
    """
    unread = Unread()
    metadata = _add_message(builder, _message(data, line), 0, unread)
    return metadata, unread.notice()


def _message(data: bytes, line: int) -> Part:
    if b"\n" not in data:
        data = data.replace(b"\r", b"\n")
    data = data.removeprefix(codecs.BOM_UTF8)
    before = _EMPTY_LINES.match(data)
    return Part(Source(data, line), before.end() if before else 0, len(data))


def _add_message(builder: DocumentBuilder, message: Part, depth: int, unread: Unread) -> dict[str, object]:
    """As `add_message`; `depth`: in how many messages it is attached; `unread` is told what of it is not read."""
    headers = {name: message.header(name) for name in _HEADERS}
    metadata: dict[str, object] = {name: shown for name, (shown, _) in headers.items()}
    subject = str(metadata["subject"])
    builder.heading(1 + depth, subject, shown=False)  # ends the section before, which belongs to another message
    builder.title = builder.title or subject
    for name in _SHOWN:
        if metadata[name]:
            _add_header(builder, name, *headers[name])
    builder.block(" ")
    names: list[str] = []
    added: set[bytes] = set()
    for part in _read_parts(message):
        names += [part.name] if part.name else []
        if _is_text(part):
            if part.name:
                _add_name(builder, part)
            _add_text(builder, part)
        elif part.is_message:
            add_attached_message(
                part.name or part.type, depth, unread, partial(_add_nested, builder, part, depth + 1, unread)
            )
        else:
            _add_attached(builder, part, added, unread)
    if names:
        metadata["attachments"] = names
    return metadata


def _add_nested(builder: DocumentBuilder, part: Part, depth: int, unread: Unread) -> None:
    _add_message(builder, part.message(), depth, unread)


def _add_header(builder: DocumentBuilder, name: str, shown: str, starts: LineStarts) -> None:
    """Adds a header as it is shown, each of its words in its line."""
    ends = [offset for offset, _ in starts[1:]] + [len(shown)]
    pieces = [Piece(shown[begin:end], line) for (begin, line), end in zip(starts, ends, strict=True)]
    builder.flow([Piece(f"{name.capitalize()}: ", starts[0][1]), *pieces], end="\n")


def _add_name(builder: DocumentBuilder, part: Part) -> None:
    builder.lines(f"Attached: {part.name}", part.name_line)


def _is_text(part: Part) -> bool:
    """Whether it is shown as text of the message, as it is or as a page."""
    is_text = part.type.startswith(("text/", "multipart/")) or part.is_html  # what of a multipart has no parts is text
    return part.type in _REPORTS or (is_text and part.disposition != "attachment" and part.type not in _READ_AS)


def _leaves(part: Part) -> list[Part]:
    """What `part` is made of in the end, in order."""
    below = part.parts()
    return [leaf for one in below for leaf in _leaves(one)] if below else [part]


def _read_parts(part: Part) -> list[Part]:
    """What is to be read of `part`, in order: its text, its attachments."""
    below = part.parts()
    if not below:
        return [] if part.type.startswith("multipart/") and not part.content().strip() else [part]
    if part.type == "multipart/alternative":
        return _chosen(below)
    return [one for below_it in below for one in _read_parts(below_it)]


def _chosen(alternatives: list[Part]) -> list[Part]:
    """Of alternatives what is to be read: the plain text, the HTML if that says more, and all that is neither."""
    of_each = [_leaves(one) for one in alternatives]
    leaves = [leaf for some in of_each for leaf in some]
    others = [leaf for leaf in leaves if not _is_text(leaf)]
    plain_parts = [leaf for leaf in leaves if leaf.type == "text/plain" and _is_text(leaf) and leaf.text()[0].strip()]
    # The last alternative is the best one (RFC 2046, 5.1.4).
    pages = next(
        (found for some in reversed(of_each) if (found := [one for one in some if one.is_html and _is_text(one)])), []
    )
    if plain_parts:
        said = "\n".join(part.text()[0] for part in plain_parts)
        pages = [page for page in pages if not says_the_same(_shown(page), said)]
    elif not pages:
        pages = next((found for some in reversed(of_each) if (found := [one for one in some if _is_text(one)])), [])
    chosen = {id(leaf) for leaf in (*plain_parts, *pages, *others)}
    return [leaf for leaf in leaves if id(leaf) in chosen]


def _shown(page: Part) -> str:
    return html.read_text(page.text()[0], "html", {}).text


def says_the_same(shown: str, said: str) -> bool:
    """Whether a page that shows `shown` has nothing to say beside the plain text `said`."""
    words = set(_WORD.findall(shown.lower()))
    return len(words & set(_WORD.findall(said.lower()))) >= _SAME_SHARE * len(words)


def _add_text(builder: DocumentBuilder, part: Part) -> None:
    """Adds a part that is text or a page."""
    text, starts = part.text()
    if part.is_html:
        page = html.read_text(text, "html", {}, starts=starts)
        builder.text(page.text, page.line_starts or ())
    else:
        builder.text(text, starts)


def _add_attached(builder: DocumentBuilder, part: Part, added: set[bytes], unread: Unread) -> None:
    """Adds an attached file, unless it is among `added`."""
    content = part.content()
    if part.name:
        _add_name(builder, part)
    if part.type in _SIGNATURES:
        unread.add(part.name or part.type, "a signature or key")
        return
    # An invitation is shown and attached.
    digest = hashlib.sha256(b" ".join(content.split())).digest()
    if digest in added:
        return
    added.add(digest)
    name = part.name or "attached" + _SUFFIXES.get(part.type, "")
    if part.type in _READ_AS and not part.disposition:
        name = "shown" + _READ_AS[part.type]
    for document in documents_in(name, content, unread, part.name or part.type):
        if document.line_starts is None or content.startswith(_NOT_LINES):
            starts = [(0, part.line)]
        else:
            starts = [(offset, part.line_in(line)) for offset, line in document.line_starts]
        builder.text(document.text, starts)
