"""The text of one indexed file, and whether the file is still what was indexed."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from semsearch import settings
from semsearch.errors import UnknownFileError, UsageError
from semsearch.retrieval.document_text import TextLine, selected, text_lines
from semsearch.retrieval.hit import host_field
from semsearch.retrieval.locate import named_file
from semsearch.sources.stamps import stamp_of_status
from semsearch.store.opening import read_index
from semsearch.store.protocol import Snapshot
from semsearch.store.records import FileRecord

SCHEMA = "semsearch.show/1"
_PART = re.compile(r"(?P<pages>p?)(?P<first>\d{1,18})(?P<range>-p?(?P<last>\d{0,18}))?")


@dataclass(frozen=True)
class ShownFile:
    """The file shown as `path`, absolute `file`, with its `lines` as indexed.

    `host`: the machine that it is on, "" where all folders are on this one. `is_whole_name`: the first of the names
    that were asked for is its name. `change`: what became of it since, empty for nothing that can be seen.
    """

    path: str
    file: str
    host: str
    type: str
    title: str
    lines: tuple[TextLine, ...]
    is_whole_name: bool
    change: str


@dataclass(frozen=True)
class Part:
    """The lines (`pages`: the pages) of a file from `first` to `last` (None: the end)."""

    first: int
    last: int | None
    pages: bool


def part_named(text: str) -> Part | None:
    """The part that `text` names: `12`, `12-30`, `12-`, or pages, `p3`, `p3-p5`; None where it names none."""
    match = _PART.fullmatch(text)
    if match is None:
        return None
    first = int(match["first"])
    last = first if match["range"] is None else int(match["last"]) if match["last"] else None
    return Part(first, last, bool(match["pages"]))


def lines_of(shown: ShownFile, part: Part, around: int) -> list[TextLine]:
    """The lines of `part` with so many `around` them. Raises `UsageError` where there is none."""
    lines = selected(shown.lines, part.first, part.last, part.pages, around)
    if not lines:
        until = "" if part.last == part.first else f"-{'' if part.last is None else part.last}"
        raise UsageError(f"{shown.path}: the index has no text at {'p' * part.pages}{part.first}{until}", _held(shown))
    return lines


def _held(shown: ShownFile) -> str:
    """What of a file can be named."""
    numbers = [line.number for line in shown.lines if line.number is not None]
    pages = [line.page for line in shown.lines if line.page is not None]
    if numbers:
        return f"it has lines {min(numbers)} to {max(numbers)}"
    return (
        f"it has pages {min(pages)} to {max(pages)}: FILE:p{min(pages)}"
        if pages
        else "it has no lines: name FILE alone"
    )


def shown_dict(shown: ShownFile, lines: Sequence[TextLine]) -> dict[str, Any]:
    """The `semsearch.show/1` object of these `lines` of a file."""
    return {
        "schema": SCHEMA,
        "path": shown.path,
        "file": shown.file,
        **host_field(shown.host),
        "type": shown.type,
        "title": shown.title,
        "change": shown.change or None,
        "lines": [
            {"line": line.number, "page": line.page, "heading": list(line.heading), "text": line.text} for line in lines
        ],
    }


def show_file(index: str | None, names: Sequence[str]) -> ShownFile:
    """The file that the first of `names` which is one names in `index`: as results show it, or its path.

    Raises `UnknownFileError` where none does.
    """
    return read_index(settings.index_for_reading(index), lambda snapshot: _shown(snapshot, names))


def _shown(snapshot: Snapshot, names: Sequence[str]) -> ShownFile:
    for number, name in enumerate(names):
        record = named_file(snapshot, name)
        if record is not None:
            info = snapshot.info()
            root = info.root(record.root_id)
            path = info.file_of(root.id, record.path)
            return ShownFile(
                info.shown_path(root.id, record.path),
                path,
                info.host_of(root.id),
                record.type,
                record.title,
                tuple(text_lines(snapshot.passages_of(record.id))),
                number == 0,
                _change(record, path) if root.is_here else "",
            )
    raise UnknownFileError(
        f"{names[-1]}: no indexed file is shown so", "name it as results show it; semsearch status --files lists them"
    )


def _change(record: FileRecord, path: str) -> str:
    """What became of the file at `path` since it was indexed."""
    try:
        now = stamp_of_status(os.stat(path))
    except (FileNotFoundError, NotADirectoryError):
        return "is not there any more: this is what was indexed"
    except OSError:
        return ""
    if now[0] == record.size and now[1] != record.mtime_ns:  # a copy, or a mere touch
        return "may have changed since it was indexed: this is what was indexed"
    if now[0] != record.size:
        return "has changed since it was indexed: this is what was indexed"
    return ""
