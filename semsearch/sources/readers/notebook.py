"""Jupyter notebooks: Markdown cells with their headings, code and raw cells, and the text of each output.

Each line keeps the line of the file in which it is written.
"""

import json
import re
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import replace
from json import decoder, scanner
from typing import Any

from semsearch.sources.document import Document
from semsearch.sources.document_builder import DocumentBuilder
from semsearch.sources.encoded_data import without_data_addresses
from semsearch.sources.lines import line_of, line_starts_of
from semsearch.sources.readers import html
from semsearch.sources.readers import json as json_text
from semsearch.sources.readers.markdown import headings
from semsearch.sources.readers.text import decode

# Colours, movements of the cursor and links of a terminal.
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")
# What a progress bar writes over itself: from the beginning of the line to the last return that something follows.
_OVERWRITTEN = re.compile(r"^[^\n]*\r(?=[^\r\n])|\r+", re.MULTILINE)
# How Python names an object that has no text of its own.
_OBJECT = re.compile(r"\s*<[^\n]*>\s*")
_HTML_TYPES = ("text/html", "image/svg+xml")
_TEXT_TYPES = ("text/markdown", "text/latex", "text/plain", "text")


class _Placed(str):
    """A string of the file; `position`: where it begins there, in characters."""

    position: int = 0


def read(data: bytes, type_name: str) -> Document:
    """The cells of the notebook in `data`; what is no notebook is read as it stands, with a notice."""
    text, metadata = decode(data)
    try:
        notebook = _mapping(_loaded(text))
        if not {"cells", "worksheets"} & notebook.keys():
            raise ValueError("no cells")
    except (ValueError, RecursionError) as error:
        reason = "nested too deep" if isinstance(error, RecursionError) else str(error)
        return replace(json_text.read(data, type_name), notice=f"no whole notebook, read as text: {reason}"[:200])
    sheets = [notebook] if "cells" in notebook else _list(notebook.get("worksheets"))
    reader = _Reader(DocumentBuilder(type_name), text)
    for sheet in sheets:
        for cell in _list(_mapping(sheet).get("cells")):
            reader.cell(_mapping(cell))
    about = _mapping(notebook.get("metadata"))
    names = (_mapping(about.get("kernelspec")).get("language"), _mapping(about.get("language_info")).get("name"))
    language = next((name for name in names if name and isinstance(name, str)), "")
    reader.builder.title = str(about.get("title") or "") or reader.builder.title
    return reader.builder.document({**metadata, "language": language, "tags": _list(about.get("tags"))})


def _mapping(value: object) -> Mapping[str, Any]:
    """`value`, and where a damaged notebook has something else in its place an empty one."""
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _loaded(text: str) -> Any:
    """The JSON of `text`, in which each string knows its position. Raises `ValueError` or `RecursionError`."""
    scan, make_scanner = vars(decoder)["scanstring"], vars(scanner)["py_make_scanner"]

    def placed(source: str, end: int, strict: bool = True) -> tuple[str, int]:
        value, after = scan(source, end, strict)
        string = _Placed(value)
        string.position = end
        return string, after

    reader: Any = json.JSONDecoder()
    reader.parse_string = placed
    reader.scan_once = make_scanner(reader)  # the one in C does not ask `placed`
    return reader.decode(text)


class _Reader:
    """Adds cells to `builder`; `source`: the text of the file."""

    def __init__(self, builder: DocumentBuilder, source: str) -> None:
        self.builder = builder
        self._line_ends = [position for position, letter in enumerate(source) if letter == "\n"]

    def cell(self, cell: Mapping[str, Any]) -> None:
        text, starts = self._joined(cell.get("source", cell.get("input", "")))
        kind = cell.get("cell_type")
        if kind == "heading":  # of version 3
            level = cell.get("level")
            self.builder.heading(level if isinstance(level, int) else 1, text, shown=False)
            self.builder.title = self.builder.title or text
        if kind == "markdown":
            self._markdown(text, starts)
        else:
            self.builder.text(text, starts)
        for output in _list(cell.get("outputs")):
            self._output(_mapping(output))

    def _markdown(self, text: str, starts: Sequence[tuple[int, int]]) -> None:
        """Adds a Markdown cell; its headings begin sections."""
        begins = [0, *(position + 1 for position, letter in enumerate(text) if letter == "\n")]
        begin = 0
        for line, level, name in headings(text):
            self._part(text, starts, begin, begins[line])
            self.builder.heading(level, name, shown=False)
            self.builder.title = self.builder.title or name
            begin = begins[line]
        self._part(text, starts, begin, len(text))

    def _part(self, text: str, starts: Sequence[tuple[int, int]], begin: int, end: int) -> None:
        first, past = bisect_right(starts, (begin, 1 << 62)), bisect_left(starts, (end, 0))
        inside = [(offset - begin, line) for offset, line in starts[first:past]]
        self.builder.text(text[begin:end], [*([(0, starts[first - 1][1])] if first else []), *inside])

    def _output(self, output: Mapping[str, Any]) -> None:
        """Adds the text of a cell's output: of several forms the plain one, others where that only names an object."""
        if output.get("output_type") in ("error", "pyerr"):
            self._error(output)
            return
        data = _mapping(output.get("data", output))
        plain = data.get("text/plain") or data.get("text") or ""
        pages = [data[name] for name in _HTML_TYPES if data.get(name)]
        # A table in HTML has as its plain text only that it is one.
        if pages and (not plain or "<" in self._joined(plain)[0]):
            for page in pages:
                self._page(page)
        elif plain and not _OBJECT.fullmatch(self._joined(plain)[0]):
            self._shown(plain)
        else:
            self._shown(next((data[name] for name in _TEXT_TYPES if data.get(name)), ""))

    def _error(self, output: Mapping[str, Any]) -> None:
        """Adds an error: its traceback, and what it says where the traceback does not."""
        said = self._joined([output.get("ename"), ": ", output.get("evalue")])
        trace = self._joined(output.get("traceback") or "", end="\n")
        if said[0].strip() not in _ESCAPES.sub("", trace[0]):
            self._terminal(*said)
        self._terminal(*trace)

    def _page(self, source: object) -> None:
        """Adds an output in HTML."""
        text, starts = self._joined(source)
        page = html.read_text(text, "html", {})
        begins = [offset for offset, _ in line_starts_of(text)]
        lines = page.line_starts if starts and page.line_starts else ()
        self.builder.text(page.text, [(offset, line_of(starts, begins[line - 1])) for offset, line in lines])

    def _shown(self, source: object) -> None:
        self._terminal(*self._joined(source))

    def _terminal(self, text: str, starts: list[tuple[int, int]]) -> None:
        """Adds `text` as a terminal shows it."""
        for pattern in (_ESCAPES, _OVERWRITTEN):
            text, starts = _without(pattern, text, starts)
        self.builder.text(text, starts)

    def _joined(self, source: object, end: str = "") -> tuple[str, list[tuple[int, int]]]:
        """(text, where in it lines of the file begin) of a string or a list of strings, each with `end` after it."""
        parts = source if isinstance(source, list) else [source or ""]
        text, length = [], 0
        starts: list[tuple[int, int]] = []
        for part in map(_as_text, parts):
            shown = without_data_addresses(str(part))
            line = bisect_right(self._line_ends, part.position) + 1 if part.position else None
            if line is not None:
                # All lines of one string stand in one line of the file.
                starts += [(length, line)]
                starts += [(length + at + 1, line) for at, letter in enumerate(shown) if letter == "\n"]
            text.append(shown + end)
            length += len(shown) + len(end)
        joined = "".join(text)
        return joined, [(offset, line) for offset, line in starts if offset < length]


def _without(
    pattern: re.Pattern[str], text: str, starts: Sequence[tuple[int, int]]
) -> tuple[str, list[tuple[int, int]]]:
    """(`text` without what `pattern` finds, `starts` where they are then)."""
    kept: list[str] = []
    moved: list[tuple[int, int]] = []
    position, removed, at = 0, 0, 0
    for match in pattern.finditer(text):
        kept.append(text[position : match.start()])
        while at < len(starts) and starts[at][0] <= match.end():
            moved.append((min(starts[at][0], match.start()) - removed, starts[at][1]))
            at += 1
        position = match.end()
        removed += match.end() - match.start()
    moved += [(offset - removed, line) for offset, line in starts[at:]]
    return "".join(kept) + text[position:], moved


def _as_text(value: object) -> _Placed:
    return value if isinstance(value, _Placed) else _Placed("" if value is None else str(value))
