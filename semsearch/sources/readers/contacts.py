r"""Contacts (vCard) and calendars (iCalendar): each property on a line, under the name of its card or event.

Folded lines are put together, `\n` and `\,` are what they stand for, and quoted-printable is decoded (RFC 6350, 5545).
"""

import quopri
import re
from bisect import bisect_right
from collections.abc import Callable
from typing import NamedTuple

from semsearch.sources.document import Document
from semsearch.sources.document_builder import DocumentBuilder, Piece, plain
from semsearch.sources.lines import LineStarts, starts_in
from semsearch.sources.readers import html
from semsearch.sources.readers.text import decode

_PROPERTY = re.compile(
    r"(?:[\w-]+\.)?(?P<name>[\w-]+)(?P<parameters>(?:;[^:\";]*(?:\"[^\"]*\"[^:\";]*)*)*):(?P<value>.*)", re.DOTALL
)
_ESCAPE = re.compile(r"\\([nN\\,;:])")
# The name of who is meant by an address.
_COMMON_NAME = re.compile(r";CN=(?:\"([^\"]*)\"|([^;:\"]*))", re.IGNORECASE)
_TAG = re.compile(r"</?(?:html|body|p|br|b|i|u|a|ul|ol|li|div|span|table|h[1-6])\b[^<>]*>", re.IGNORECASE)
# Pictures, keys, and what only programs read.
_SILENT = frozenset(
    {"BEGIN", "END", "VERSION", "PRODID", "CALSCALE", "METHOD", "PHOTO", "LOGO", "SOUND", "KEY", "REV", "UID",
     "SEQUENCE", "DTSTAMP", "TRANSP", "STATUS", "TRIGGER", "ACTION", "TZID", "TZOFFSETFROM", "TZOFFSETTO", "RRULE"}
)  # fmt: skip
_NAMES = ("FN", "N", "SUMMARY")
# The description once more, as a page.
_PAGE = "X-ALT-DESC"


class _Line(NamedTuple):
    """A line of which the folds are undone; `folds`: (offset in it, line of the file that goes on there)."""

    text: str
    folds: list[tuple[int, int]]


class _Said(NamedTuple):
    """What a property says; `starts`: (offset in `text`, line of the file)."""

    name: str
    text: str
    starts: LineStarts


def read(data: bytes, type_name: str) -> Document:
    """The cards or events in `data`."""
    text, metadata = decode(data)
    builder = DocumentBuilder(type_name)
    held: list[_Said] = []
    for line in _unfolded(text):
        match = _PROPERTY.fullmatch(line.text)
        if match is None:
            continue
        name = match.group("name").upper()
        if name in ("BEGIN", "END"):
            _add(builder, held)
            held = []
        elif name not in _SILENT and not name.startswith("X-ABCROP"):
            said = _said(name, match, line)
            if any(letter.isalnum() for letter in said.text):
                held.append(said)
    _add(builder, held)
    return builder.document(metadata)


def _add(builder: DocumentBuilder, held: list[_Said]) -> None:
    """Adds one card or event."""
    if not held:
        return
    called = next((said.text for wanted in _NAMES for said in held if said.name == wanted), "")
    if called:
        builder.heading(1, called, shown=False)
    is_described = any(said.name == "DESCRIPTION" for said in held)
    for said in held:
        if said.name == _PAGE and is_described:
            continue
        name = "Description" if said.name == _PAGE else said.name.capitalize()
        if len(said.starts) == 1:
            builder.lines(f"{name}: {said.text}", said.starts[0][1])
            continue
        ends = [offset for offset, _ in said.starts[1:]] + [len(said.text)]
        pieces = [Piece(said.text[begin:end], line) for (begin, line), end in zip(said.starts, ends, strict=True)]
        builder.flow([Piece(f"{name}: ", said.starts[0][1]), *pieces], end="\n")
    builder.block(" ")


def _unfolded(text: str) -> list[_Line]:
    """The lines of `text`, those that were folded put together."""
    lines: list[tuple[list[str], list[tuple[int, int]]]] = []
    length, is_open = 0, False
    for number, line in enumerate(text.split("\n"), 1):
        if is_open:
            # A line break of quoted-printable.
            lines[-1][0][-1] = lines[-1][0][-1][:-1]
            length -= 1
        if lines and (is_open or line.startswith((" ", "\t"))):
            lines[-1][0].append(line if is_open else line[1:])
            lines[-1][1].append((length, number))
        else:
            lines.append(([line], [(0, number)]))
            length = 0
        length += len(lines[-1][0][-1])
        is_open = line.endswith("=") and any("QUOTED-PRINTABLE" in part.upper() for part in lines[-1][0][:2])
    return [_Line("".join(parts), folds) for parts, folds in lines]


def _said(name: str, match: re.Match[str], line: _Line) -> _Said:
    """What the property `name` says: who is meant, and its value."""
    parameters = match.group("parameters")
    decoded = _decoding(name, parameters.upper())
    shown = plain(decoded(match.group("value")))
    lines = [(line.folds[0][1], "")]
    called = _COMMON_NAME.search(parameters) if name in ("ATTENDEE", "ORGANIZER") else None
    named = plain(_unescaped_parameter(called.group(1) or called.group(2) or "")) if called else ""
    if called and named and named not in shown:
        shown = f"{named} {shown}"
        at = match.start("parameters")
        lines += _in_lines(line, at + called.start(), at + called.end(), _unescaped_parameter)
    if len(line.folds) == 1:
        return _Said(name, shown, tuple(line.folds))
    lines += _in_lines(line, match.start("value"), match.end("value"), decoded)
    return _Said(name, shown, starts_in(shown, lines))


def _in_lines(line: _Line, begin: int, end: int, decoded: Callable[[str], str]) -> list[tuple[int, str]]:
    """(line of the file, what it says) of the characters from `begin` up to `end` of `line`."""
    first = bisect_right(line.folds, (begin, 1 << 62)) - 1
    folds = [(max(begin, offset), number) for offset, number in line.folds[first:] if offset < end]
    # What a backslash stands before goes with it.
    folds = [(offset + _is_escaped(line.text, begin, offset), number) for offset, number in folds]
    ends = [offset for offset, _ in folds[1:]] + [end]
    return [(number, decoded(line.text[at:past])) for (at, number), past in zip(folds, ends, strict=True)]


def _is_escaped(text: str, begin: int, offset: int) -> bool:
    before = text[max(begin, offset - 20) : offset]
    return (len(before) - len(before.rstrip("\\"))) % 2 == 1


def _unescaped_parameter(value: str) -> str:
    """The value of a parameter (RFC 6868)."""
    return value.replace("^n", " ").replace("^'", '"').replace("^^", "^")


def _decoding(name: str, parameters: str) -> Callable[[str], str]:
    """What makes of a value, or part of one, what it says."""
    is_encoded = "QUOTED-PRINTABLE" in parameters
    is_picture = not is_encoded and "ENCODING=B" in parameters

    def decoded(value: str) -> str:
        if is_picture:
            return ""
        if is_encoded:
            raw = quopri.decodestring(value.encode("utf-8", "replace"))
            try:
                value = raw.decode("utf-8")
            except UnicodeDecodeError:
                value = raw.decode("cp1252", "replace")
        value = _ESCAPE.sub(lambda match: " " if match.group(1) in "nN" else match.group(1), value)
        if name in ("N", "ADR", "ORG"):
            value = " ".join(part for part in value.split(";") if part.strip())
        if name == _PAGE or _TAG.search(value):
            value = html.read_text(value, "html", {}).text
        return value

    return decoded
