"""The parts of a message (MIME): what each declares, its content, and the lines of the file in which it stands.

The parts are cut out of the file here, and not by Python's parser, because that keeps neither their places nor, where
they are not ASCII, their bytes.
"""

import binascii
import codecs
import email
import email.policy
import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from functools import partial

from semsearch.errors import ReadError
from semsearch.sources.document_builder import plain
from semsearch.sources.encodings import BYTE_ORDER_MARKS, encoding_of, python_name, wide_encoding
from semsearch.sources.lines import LineStarts, line_of, line_starts_of, starts_in
from semsearch.sources.readers import html
from semsearch.sources.readers.text import LINE_END

_HEADER_LINES = re.compile(rb"(?:From [^\n]*(?:\n|\Z))?(?:(?:[!-9;-~]*:|[ \t])[^\n]*(?:\n|\Z))*")
_FIELD = re.compile(rb"^([!-9;-~]+):([^\n]*(?:\n[ \t][^\n]*)*)", re.MULTILINE)
_NEWLINE = re.compile(rb"\n")
_EMPTY_LINE = re.compile(rb"\r?\n")
_FILE_NAME = re.compile(rb"\bname\b|\bfilename\b|name\*", re.IGNORECASE)
_NOT_BASE64 = bytes(byte for byte in range(256) if not (chr(byte).isalnum() and byte < 128) and byte not in b"+/")
# Encoded words (RFC 2047) that are parted by blanks alone, which are no text. A letter may begin in one of them and end
# in the next; more of them than anybody writes are decoded in parts.
_ENCODED_WORD = r"=\?[^?\s]{1,100}\?[bBqQ]\?[^?\s]*\?="
_ENCODED_WORDS = re.compile(rf"{_ENCODED_WORD}(?:\s*{_ENCODED_WORD}){{0,500}}(?:\s+(?=\=\?))?")
# Python's parser of headers calls itself for each encoded word, and takes seconds for thousands of addresses.
_LONG_HEADER = 10_000
_HTML = frozenset({"text/html", "application/xhtml+xml"})
_MESSAGES = frozenset({"message/rfc822", "message/global", "message/news"})
# Deeper than any program nests parts.
_MOST_DEPTH = 20
# Of the characters of a text so many may not fit the encoding that is declared for it.
_BAD_SHARE = 0.01


class Source:
    """Bytes that hold a message. Their lines are those of the file from line `first` on.

    `starts`: where they are not, as the bytes are decoded ones: (offset, line of the file that goes on there).
    """

    def __init__(self, data: bytes, first: int = 1, starts: Sequence[tuple[int, int]] | None = None) -> None:
        self.data = data
        self._first = first
        self._starts = starts
        self._line_ends: list[int] | None = None

    def line(self, offset: int) -> int:
        """The line of the file in which the byte at `offset` stands."""
        if self._starts is not None:
            return line_of(self._starts, offset)
        if self._line_ends is None:
            self._line_ends = [match.start() for match in _NEWLINE.finditer(self.data)]
        return self._first + bisect_left(self._line_ends, offset)

    @property
    def is_file(self) -> bool:
        """Whether its lines are those of the file."""
        return self._starts is None

    def lines(self, begin: int, end: int) -> list[tuple[int, int]]:
        """(offset from `begin`, line of the file that goes on there) of the bytes from `begin` up to `end`."""
        first = self.line(begin)
        if self._starts is None:
            offsets = _line_offsets(self.data[begin:end])
            return [(offset, number) for number, offset in enumerate(offsets, first)]
        past = bisect_right(self._starts, (begin, 1 << 62))
        return [(0, first), *((at - begin, line) for at, line in self._starts[past:] if at < end)]


class Part:
    """The message, or part of one, that stands in `source` from byte `begin` up to `end`."""

    def __init__(self, source: Source, begin: int, end: int, default_type: str = "text/plain", depth: int = 0) -> None:
        self._source = source
        self._begin = begin
        self._end = end
        self._depth = depth
        headers = _HEADER_LINES.match(source.data, begin, end)
        self._headers_end = headers.end() if headers else begin
        empty = _EMPTY_LINE.match(source.data, self._headers_end, end)
        self._body = empty.end() if empty else self._headers_end
        # The older policy never fails on what other programs wrote.
        self._headers = email.message_from_string(
            _text_of_header(source.data[begin : self._headers_end]), policy=email.policy.compat32
        )
        self._headers.set_default_type(default_type)
        self.type = self._headers.get_content_type()
        self.disposition = self._headers.get_content_disposition() or ""
        name = plain(str(self._headers.get_filename() or ""))
        self.name = shown_header("subject", name) if "=?" in name else name
        encoding = plain(str(self._headers.get("content-transfer-encoding") or "")).lower()
        # Empty where it changes nothing.
        self._encoding = "" if encoding in ("7bit", "8bit", "binary") else encoding
        self._content: bytes | None = None
        self._rows: list[int] | None = None

    @property
    def is_message(self) -> bool:
        """Whether it is an attached message."""
        return self.type in _MESSAGES

    @property
    def is_html(self) -> bool:
        """Whether its content is a page."""
        return self.type in _HTML

    @property
    def line(self) -> int:
        """The line of the file in which its content begins."""
        return self._source.line(self._body)

    @property
    def name_line(self) -> int:
        """The line of the file in which its name stands, or else its content begins."""
        found = _FILE_NAME.search(self._source.data, self._begin, self._headers_end)
        return self._source.line(found.start() if found else self._body)

    def header(self, name: str) -> tuple[str, LineStarts]:
        """(the first header `name` as it is shown, where in it lines of the file begin); empty where there is none."""
        wanted = name.encode()
        for field in _FIELD.finditer(self._source.data, self._begin, self._headers_end):
            if field.group(1).lower() == wanted:
                text = _text_of_header(field.group(2))
                lines = text.split("\n")
                # Each line is decoded as the whole is.
                decoded = _decoded if len(text) > _LONG_HEADER else partial(shown_header, name)
                shown = decoded("".join(lines))
                if len(lines) == 1:
                    return shown, ((0, self._source.line(field.start(2))),)
                numbers = [self._source.line(at + field.start(2)) for at in _line_offsets(field.group(2))]
                said = [decoded(line) for line in lines]
                return shown, starts_in(shown, zip(numbers, said, strict=True))
        return "", ()

    def parts(self) -> list["Part"]:
        """What it is made of; empty where it is one piece."""
        boundary = self._headers.get_boundary() if self.type.startswith("multipart/") else None
        if not boundary or self._depth >= _MOST_DEPTH:
            return []
        line = re.compile(
            rb"^--" + re.escape(boundary.encode("utf-8", "surrogateescape")) + rb"(--)?[ \t]*\r?$", re.MULTILINE
        )
        default = "message/rfc822" if self.type == "multipart/digest" else "text/plain"
        found: list[Part] = []
        begin: int | None = None
        for match in line.finditer(self._source.data, self._body, self._end):
            if begin is not None and begin < match.start():
                found.append(self._part(begin, match.start(), default))
            begin = match.end() + 1
            if match.group(1):
                return found
        if begin is not None and begin < self._end:
            found.append(self._part(begin, self._end, default))
        return found

    def _part(self, begin: int, end: int, default_type: str) -> "Part":
        data = self._source.data
        # The line end before a boundary is part of it.
        if data.endswith(b"\r\n", begin, end):
            end -= 2
        elif data.endswith(b"\n", begin, end):
            end -= 1
        return Part(self._source, begin, end, default_type, self._depth + 1)

    def message(self) -> "Part":
        """The attached message; some programs encode it although they must not (RFC 2046, 5.2.1)."""
        if self._encoding not in ("base64", "quoted-printable"):
            return Part(self._source, self._body, self._end)
        content = self.content()
        return Part(Source(content, starts=self._starts()), 0, len(content))

    def content(self) -> bytes:
        """Its content, decoded as its transfer encoding says."""
        if self._content is None:
            raw = self._source.data[self._body : self._end]
            self._content = _transferred(raw, self._encoding) if self._encoding else raw
        return self._content

    def text(self) -> tuple[str, LineStarts]:
        """(its content as text, where in it lines of the file begin)."""
        content = self.content()
        encoding = self._charset(content)
        text = content.decode(encoding, "replace").replace("\0", " ")
        joined = LINE_END.sub("\n", text).replace("\r", " ")
        if not self._encoding and self._source.is_file:
            return joined, line_starts_of(joined, self.line)
        try:
            decoder = codecs.getincrementaldecoder(encoding)("replace")
        except LookupError:
            return joined, ((0, self.line),)
        # Carriage returns before line ends are not in the text.
        left_out = [match.start() + at for match in LINE_END.finditer(text) for at in range(len(match.group()) - 1)]
        starts: list[tuple[int, int]] = []
        at, length = 0, 0
        for offset, line in self._starts():
            length += len(decoder.decode(content[at:offset]))
            at = offset
            starts.append((length - bisect_left(left_out, length), line))
        return joined, tuple(starts)

    def line_in(self, number: int) -> int:
        """The line of the file in which line `number` of its decoded content begins."""
        if self._rows is None:
            self._rows = _line_offsets(self.content())
            self._places = self._starts()
        return line_of(self._places, self._rows[min(number, len(self._rows)) - 1])

    def _starts(self) -> list[tuple[int, int]]:
        """(offset in the content, line of the file that goes on there)."""
        measure = _MEASURES.get(self._encoding)
        if measure is None:
            return self._source.lines(self._body, self._end)
        starts: list[tuple[int, int]] = []
        place, length = self._body, 0
        for raw in self._source.data[self._body : self._end].split(b"\n"):
            starts.append((length, self._source.line(place)))
            length += measure(raw + b"\n")
            place += len(raw) + 1
        if self._encoding == "base64":
            starts = [((letters * 3 + 3) // 4, line) for letters, line in starts]
        return starts

    def _charset(self, content: bytes) -> str:
        """Python's name of the encoding of its text."""
        declared = str(self._headers.get_content_charset() or "")
        if not declared and self.is_html:
            declared = html.declared_encoding(content)
        return encoding_of_text(content, declared.lower())


def _quoted_printable_size(raw: bytes) -> int:
    return len(binascii.a2b_qp(raw))


def _base64_letters(raw: bytes) -> int:
    return len(raw.translate(None, _NOT_BASE64))


# How far a line goes on in the content: in bytes of it, or letters of base64, of which four are three bytes.
_MEASURES = {"quoted-printable": _quoted_printable_size, "base64": _base64_letters}


def _transferred(raw: bytes, encoding: str) -> bytes:
    """`raw` decoded by a transfer encoding; as it is where this is unknown or `raw` is not encoded so."""
    carrier = Message()
    carrier["Content-Transfer-Encoding"] = encoding
    carrier.set_payload(raw.decode("ascii", "surrogateescape"))
    decoded = carrier.get_payload(decode=True)
    return decoded if isinstance(decoded, bytes) else raw


def encoding_of_text(content: bytes, declared: str) -> str:
    """Python's name of the encoding of a text that is declared to be `declared`, which may be wrong or empty."""
    marked = next((name for mark, name in BYTE_ORDER_MARKS if content.startswith(mark)), None) or wide_encoding(content)
    if marked:
        return marked
    # A page cannot be UTF-16 where it says so in ASCII (which is what `python_name` knows), but a message can.
    named = [declared] if declared.startswith(("utf-16", "utf-32")) else []
    expected = python_name(declared) if declared else "utf-8"
    # Much is declared to be of the western languages that is UTF-8, and nothing else that fits UTF-8 is.
    named += ["utf-8", expected] if expected == "cp1252" else [expected]
    for name in named:
        try:
            content.decode(name)
            return name
        except (LookupError, ValueError):
            continue
    try:
        nearly = content.decode(expected, "replace")
        if nearly.count("\ufffd") <= _BAD_SHARE * len(nearly):
            return expected
    except (LookupError, ValueError):
        pass  # no encoding that Python knows
    try:
        return encoding_of(content)
    except ReadError:
        return "latin-1"


def _text_of_header(raw: bytes) -> str:
    """The text of header lines, in which some programs leave letters as they are."""
    text = raw.decode("ascii", "replace") if raw.isascii() else raw.decode(encoding_of_text(raw, ""), "replace")
    return text.replace("\r", "").replace("\0", " ")


def _line_offsets(raw: bytes) -> list[int]:
    return [0, *(match.end() for match in _NEWLINE.finditer(raw))]


def shown_header(name: str, value: str) -> str:
    """`value` of the header `name` as it is shown: its encoded words decoded."""
    if len(value) > _LONG_HEADER:
        return _decoded(value)
    try:
        return plain(str(email.policy.default.header_factory(name, value)))
    except Exception:  # the header parser raises errors of any type on malformed headers
        return plain(value)


def _decoded(value: str) -> str:
    """`value` with its encoded words decoded, whatever header it is of."""
    return plain(_ENCODED_WORDS.sub(_decoded_words, value))


def _decoded_words(match: re.Match[str]) -> str:
    try:
        return str(make_header(decode_header(match.group())))
    except (HeaderParseError, LookupError, ValueError):
        return match.group()
