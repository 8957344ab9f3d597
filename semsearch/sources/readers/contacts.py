r"""Contacts (vCard) and calendars (iCalendar): each property on a line, under the name of its card or event.

Folded lines are put together, `\n` and `\,` are what they stand for, and quoted-printable is decoded (RFC 6350, 5545).
"""

import quopri
import re

from semsearch.sources.document import Document
from semsearch.sources.document_builder import DocumentBuilder, plain
from semsearch.sources.readers.text import decode

_PROPERTY = re.compile(
    r"(?:[\w-]+\.)?(?P<name>[\w-]+)(?P<parameters>(?:;[^:\"]*(?:\"[^\"]*\"[^:\"]*)*)*):(?P<value>.*)", re.DOTALL
)
_ESCAPE = re.compile(r"\\([nN\\,;:])")
# Pictures, keys, and what only programs read.
_SILENT = frozenset(
    {"BEGIN", "END", "VERSION", "PRODID", "CALSCALE", "METHOD", "PHOTO", "LOGO", "SOUND", "KEY", "REV", "UID",
     "SEQUENCE", "DTSTAMP", "TRANSP", "STATUS", "TRIGGER", "ACTION", "TZID", "TZOFFSETFROM", "TZOFFSETTO", "RRULE"}
)  # fmt: skip
_NAMES = ("FN", "N", "SUMMARY")


def read(data: bytes, type_name: str) -> Document:
    """The cards or events in `data`."""
    text, metadata = decode(data)
    builder = DocumentBuilder(type_name)
    held: list[tuple[int, str, str]] = []
    for number, line in _unfolded(text):
        match = _PROPERTY.fullmatch(line)
        if match is None:
            continue
        name = match.group("name").upper()
        if name in ("BEGIN", "END"):
            _add(builder, held)
            held = []
        elif name not in _SILENT and not name.startswith("X-ABCROP"):
            value = _value(match.group("value"), match.group("parameters").upper())
            if any(letter.isalnum() for letter in value):
                held.append((number, name, value))
    _add(builder, held)
    return builder.document(metadata)


def _add(builder: DocumentBuilder, held: list[tuple[int, str, str]]) -> None:
    """Adds one card or event."""
    if not held:
        return
    called = next((value for wanted in _NAMES for _, name, value in held if name == wanted), "")
    if called:
        builder.heading(1, plain(called.replace(";", " ")), shown=False)
    for number, name, value in held:
        shown = " ".join(part for part in value.split(";") if part.strip()) if name in ("N", "ADR", "ORG") else value
        builder.lines(f"{name.capitalize()}: {plain(shown)}", number)
    builder.block(" ")


def _unfolded(text: str) -> list[tuple[int, str]]:
    """(number, content) of the lines of `text`, those that were folded put together."""
    lines: list[tuple[int, str]] = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith((" ", "\t")) and lines:
            lines[-1] = (lines[-1][0], lines[-1][1] + line[1:])
        elif lines and lines[-1][1].endswith("=") and "QUOTED-PRINTABLE" in lines[-1][1].upper():
            lines[-1] = (lines[-1][0], lines[-1][1][:-1] + line)
        else:
            lines.append((number, line))
    return lines


def _value(value: str, parameters: str) -> str:
    if "QUOTED-PRINTABLE" in parameters:
        raw = quopri.decodestring(value.encode("utf-8", "replace"))
        try:
            value = raw.decode("utf-8")
        except UnicodeDecodeError:
            value = raw.decode("cp1252", "replace")
    elif "ENCODING=B" in parameters:
        return ""  # a picture
    return _ESCAPE.sub(lambda match: " " if match.group(1) in "nN" else match.group(1), value)
