r"""Contacts (vCard) and calendars (iCalendar): each card, event or task is a document of its own.

Each of its properties is a line. Folded lines are put together, `\n` and `\,` are what they stand for, quoted-printable
is decoded, and dates are written as people read them (RFC 6350, 5545).
"""

import quopri
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import BinaryIO, NamedTuple
from zoneinfo import ZoneInfo

from semsearch.sources.document import NOTICE, Document
from semsearch.sources.document_builder import DocumentBuilder, Piece, plain
from semsearch.sources.lines import LineStarts, starts_in
from semsearch.sources.readers import html
from semsearch.sources.readers.text import decode

_PROPERTY = re.compile(
    r"(?:[\w-]+\.)?(?P<name>[\w-]+)(?P<parameters>(?:;[^:\";]*(?:\"[^\"]*\"[^:\";]*)*)*):(?P<value>.*)", re.DOTALL
)
_ESCAPE = re.compile(r"\\([nN\\,;:])")
_COMMA = re.compile(r"(?<!\\),")
# The name of who is meant by an address, the time zone of a date, what a number or address is for.
_COMMON_NAME = re.compile(r";CN=(?:\"([^\"]*)\"|([^;:\"]*))", re.IGNORECASE)
_ZONE = re.compile(r";TZID=(?:\"([^\"]*)\"|([^;:\"]*))", re.IGNORECASE)
_PURPOSE = re.compile(r"[;,=](HOME|WORK|CELL|MOBILE|FAX|PAGER)\b", re.IGNORECASE)
# What programs put before the name of a zone: `/mozilla.org/20050126_1/Europe/Berlin`.
_ZONE_NAME = re.compile(r"(?:.*/)?([A-Za-z_]+/[A-Za-z_+-]+)")
_DATE = re.compile(r"\b(\d{4})-?(\d\d)-?(\d\d)(?:T(\d\d):?(\d\d)(?::?(\d\d))?(Z|[+-]\d\d:?\d\d)?)?\b")
_TAG = re.compile(r"</?(?:html|body|p|br|b|i|u|a|ul|ol|li|div|span|table|h[1-6])\b[^<>]*>", re.IGNORECASE)
# Pictures, keys, and what only programs read.
_SILENT = frozenset(
    {"BEGIN", "END", "VERSION", "PRODID", "CALSCALE", "METHOD", "PHOTO", "LOGO", "SOUND", "KEY", "REV", "UID",
     "SEQUENCE", "DTSTAMP", "CREATED", "LAST-MODIFIED", "TRANSP", "STATUS", "TRIGGER", "ACTION", "TZID", "RRULE",
     "X-WR-TIMEZONE", "X-PUBLISHED-TTL", "REFRESH-INTERVAL"}
)  # fmt: skip
_RECORDS = frozenset({"VCARD", "VEVENT", "VTODO", "VJOURNAL", "VFREEBUSY"})
_DATES = frozenset(
    {"DTSTART", "DTEND", "DUE", "COMPLETED", "RECURRENCE-ID", "RDATE", "EXDATE", "FREEBUSY", "BDAY", "ANNIVERSARY"}
)
_DAYS = frozenset({"BDAY", "ANNIVERSARY"})
_NAMES = ("FN", "N", "SUMMARY", "NICKNAME", "ORG", "EMAIL", "X-WR-CALNAME")
# The description once more, as a page.
_PAGE = "X-ALT-DESC"
# What people call a property, where it is not its name.
_LABELS = {
    "FN": "Name", "N": "Name", "TEL": "Phone", "ADR": "Address", "BDAY": "Birthday", "ORG": "Organization",
    "DTSTART": "Start", "DTEND": "End", "EXDATE": "Except", "X-WR-CALNAME": "Calendar", "X-WR-CALDESC": "Description",
    _PAGE: "Description",
}  # fmt: skip
# Property -> the key of metadata it becomes; those that there may be several of.
_METADATA = {
    "DTEND": "end", "DUE": "due", "LOCATION": "location", "ORGANIZER": "organizer", "ORG": "organization",
    "BDAY": "birthday",
}  # fmt: skip
_LISTS = {"ATTENDEE": "attendees", "CATEGORIES": "categories", "EMAIL": "email", "TEL": "phone"}


class _Line(NamedTuple):
    """A line of which the folds are undone; `folds`: (offset in it, line of the file that goes on there)."""

    text: str
    folds: list[tuple[int, int]]


class _Said(NamedTuple):
    """What a property says; `starts`: (offset in `text`, line of the file); `value` as it is written."""

    name: str
    label: str
    text: str
    starts: LineStarts
    value: str
    zone: str


@dataclass
class _Record:
    """A card, event or task; or what a calendar says of itself. `others`: what its alarms say."""

    said: list[_Said] = field(default_factory=list)
    others: list[_Said] = field(default_factory=list)


def read_pieces(file: BinaryIO, type_name: str) -> Iterator[Document]:
    """The cards, events and tasks of `file`; before them what a calendar says of itself."""
    text, of_file = decode(file.read())
    calendar = ""
    for record in _records(text):
        metadata = {**of_file, **_metadata_of(record), "calendar": calendar}
        of_file.pop(NOTICE, None)  # told once
        named = next((said.text for said in record.said if said.name == "X-WR-CALNAME"), "")
        calendar = named or calendar
        builder = DocumentBuilder(type_name, _name_of(record))
        _add(builder, record)
        yield builder.document(metadata, own=True)


def _records(text: str) -> Iterator[_Record]:
    """The records of `text` in order; what stands outside of them is one of its own."""
    outside = record = _Record()
    held = record.said
    skipped = False
    for line in _unfolded(text):
        match = _PROPERTY.fullmatch(line.text)
        if match is None:
            continue
        name = match.group("name").upper()
        if name in ("BEGIN", "END"):
            kind = match.group("value").strip().upper()
            if kind == "VTIMEZONE":  # rules by which programs reckon
                skipped = name == "BEGIN"
            elif kind in _RECORDS:
                skipped = False
                if record.said or record.others:
                    yield record
                record = _Record() if name == "BEGIN" else outside
                outside.said.clear()
                held = record.said
            else:
                held = record.others if name == "BEGIN" and record is not outside else record.said
        elif not skipped and name not in _SILENT and not name.startswith("X-ABCROP"):
            said = _said(name, match, line)
            if any(letter.isalnum() for letter in said.text):
                held.append(said)
    if record.said or record.others:
        yield record


def _name_of(record: _Record) -> str:
    return next((said.text for wanted in _NAMES for said in record.said if said.name == wanted), "")


def _metadata_of(record: _Record) -> dict[str, object]:
    """The properties of a record by which it can be filtered; `date`: when an event begins, or a task is due."""
    metadata: dict[str, object] = {}
    several: dict[str, list[str]] = {}
    for said in record.said:
        if said.name in ("DTSTART", "DUE"):
            date = _moment(said)
            if said.name == "DTSTART" or "date" not in metadata:
                metadata["date"] = date
        if said.name in _METADATA:
            metadata.setdefault(_METADATA[said.name], _moment(said) or _address(said.text))
        elif said.name == "CATEGORIES":
            several.setdefault("categories", []).extend(plain(_unescaped(one)) for one in _COMMA.split(said.value))
        elif said.name in _LISTS:
            several.setdefault(_LISTS[said.name], []).append(_address(said.text))
    return {**metadata, **{key: list(dict.fromkeys(values)) for key, values in several.items()}}


def _add(builder: DocumentBuilder, record: _Record) -> None:
    """Adds what a record says."""
    is_described = any(said.name == "DESCRIPTION" for said in record.said)
    full_name = {word for said in record.said if said.name == "FN" for word in said.text.split()}
    texts = {said.text for said in record.said}
    for said in (*record.said, *(other for other in record.others if other.text not in texts)):
        if (said.name == _PAGE and is_described) or (said.name == "N" and full_name.issuperset(said.text.split())):
            continue
        if len(said.starts) == 1:
            builder.lines(f"{said.label}: {said.text}", said.starts[0][1])
            continue
        ends = [offset for offset, _ in said.starts[1:]] + [len(said.text)]
        pieces = [Piece(said.text[begin:end], line) for (begin, line), end in zip(said.starts, ends, strict=True)]
        builder.flow([Piece(f"{said.label}: ", said.starts[0][1]), *pieces], end="\n")
    builder.block(" ")


def _unfolded(text: str) -> Iterator[_Line]:
    """The lines of `text`, those that were folded put together."""
    parts: list[str] = []
    folds: list[tuple[int, int]] = []
    length, is_open = 0, False
    for number, line in enumerate(text.split("\n"), 1):
        if is_open:
            # A line break of quoted-printable.
            parts[-1] = parts[-1][:-1]
            length -= 1
        if parts and (is_open or line.startswith((" ", "\t"))):
            parts.append(line if is_open else line[1:])
            folds.append((length, number))
        else:
            if parts:
                yield _Line("".join(parts), folds)
            parts, folds, length = [line], [(0, number)], 0
        length += len(parts[-1])
        is_open = line.endswith("=") and any("QUOTED-PRINTABLE" in part.upper() for part in parts[:2])
    yield _Line("".join(parts), folds)


def _said(name: str, match: re.Match[str], line: _Line) -> _Said:
    """What the property `name` says: who is meant, and its value."""
    parameters, value = match.group("parameters"), match.group("value")
    label, zone = _LABELS.get(name, name.capitalize()), ""
    if parameters:
        zone = _zone_in(parameters)
        purposes = dict.fromkeys(purpose.lower() for purpose in _PURPOSE.findall(parameters))
        label += f" ({', '.join(purposes)})" if purposes else ""
    decoded = _decoding(name, parameters.upper(), zone)
    shown = plain(decoded(value))
    lines = [(line.folds[0][1], "")]
    called = _COMMON_NAME.search(parameters) if name in ("ATTENDEE", "ORGANIZER") else None
    named = plain(_unescaped_parameter(called.group(1) or called.group(2) or "")) if called else ""
    if called and named and named not in shown:
        shown = f"{named} {shown}"
        at = match.start("parameters")
        lines += _in_lines(line, at + called.start(), at + called.end(), _unescaped_parameter)
    starts: LineStarts = tuple(line.folds)
    if len(starts) > 1:
        lines += _in_lines(line, match.start("value"), match.end("value"), decoded)
        starts = starts_in(shown, lines)
    return _Said(name, label, shown, starts, value, zone)


def _zone_in(parameters: str) -> str:
    found = _ZONE.search(parameters)
    named = plain(found.group(1) or found.group(2) or "") if found else ""
    known = _ZONE_NAME.fullmatch(named)
    return known.group(1) if known else named


def _address(text: str) -> str:
    return text.replace("mailto:", "").replace("MAILTO:", "").replace("tel:", "")


def _moment(said: _Said) -> str:
    """The first date of a property as ISO 8601, with the offset of its time zone where that is known; else empty."""
    match = _DATE.match(said.value) if said.name in _DATES else None
    if match is None:
        return ""
    year, month, day, hour, minute, second, offset = match.groups()
    date = f"{year}-{month}-{day}"
    if hour is None or said.name in _DAYS:
        return date
    text = f"{date}T{hour}:{minute}:{second or '00'}{offset or ''}"
    zone = None if offset or not said.zone else _zone_named(said.zone)
    if zone is not None:
        try:
            return datetime.fromisoformat(text).replace(tzinfo=zone).isoformat()
        except ValueError:
            pass
    return text


@cache
def _zone_named(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (ValueError, KeyError, OSError):  # another program's name, or none
        return None


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


def _unescaped(value: str) -> str:
    return _ESCAPE.sub(lambda match: " " if match.group(1) in "nN" else match.group(1), value)


def _decoding(name: str, parameters: str, zone: str) -> Callable[[str], str]:
    """What makes of a value, or part of one, what it says; `zone`: the time zone of its dates."""
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
        if name in _DATES:
            return _DATE.sub(lambda date: _readable(date, zone, name in _DAYS), _COMMA.sub(", ", value))
        value = _unescaped(value)
        if name == "N":
            family, *others = value.split(";")
            value = " ".join([*others[2:3], *others[:2], family, *others[3:]])
        elif name in ("ADR", "ORG"):
            value = " ".join(part for part in value.split(";") if part.strip())
        if name == _PAGE or _TAG.search(value):
            value = html.read_text(value, "html", {}).text
        return value

    return decoded


def _readable(date: re.Match[str], zone: str, day_only: bool) -> str:
    """A date as people read it: `2024-12-03`, `2024-12-03 10:00 UTC`, `2024-12-03 10:00 Europe/Berlin`."""
    year, month, day, hour, minute, second, offset = date.groups()
    if hour is None or day_only:
        return f"{year}-{month}-{day}"
    shown = f"{year}-{month}-{day} {hour}:{minute}" + (f":{second}" if second not in (None, "00") else "")
    where = "UTC" if offset == "Z" else offset or zone
    return f"{shown} {where}" if where else shown
