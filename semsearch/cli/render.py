"""Printing: lines and JSON on stdout, messages on stderr, the result of `index`.

Imports nothing heavy, because an unchanged run of `index` uses it.
"""

import os
import sys

from semsearch.cli.streams import BREAKS, CONTROLS, UNSEEN
from semsearch.plurals import count_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from semsearch.index_report import IndexReport

_CONTROLS = {**dict.fromkeys(CONTROLS), **dict.fromkeys(BREAKS, " ")}
_ONE_LINE = {**dict.fromkeys(BREAKS, " "), ord("\n"): " "}
_MAX_LISTED = 20
_FEWEST_ALIKE = 3
# Of a notice about the index, as `retrieval.searcher` writes it.
_NOT_ENCODED = "chunks are not encoded yet"


def one_line(text: str) -> str:
    """`text` on one line, without control characters: safe for a terminal and a log."""
    return " ".join(text.translate(_CONTROLS).split())


def announce(message: str) -> None:
    """Prints a message for the user on stderr, so that stdout holds results only."""
    print(f"semsearch: {one_line(message)}", file=sys.stderr, flush=True)


class Notices:
    """Tells on stderr what the answers to queries have to say beside results, each notice once.

    `batch`: there are many queries; a notice about one of them has its id before it.
    """

    def __init__(self, batch: bool) -> None:
        self._batch = batch
        self._told: set[str] = set()

    def tell(self, notices: "Iterable[str]", query_id: "str | None") -> None:
        """Prints those of the `notices` of the query `query_id` that were not printed yet."""
        for notice in notices:
            about_all = not self._batch or query_id is None or notice.startswith("--") or _NOT_ENCODED in notice
            line = notice if about_all else f"query {query_id}: {notice}"
            if line not in self._told:
                self._told.add(line)
                announce(line)


def print_json(record: "dict[str, Any]") -> None:
    """Prints `record` as one line of JSON on stdout; in ASCII unless the output is UTF-8."""
    write(json_line(record, ascii_only=sys.stdout.encoding.lower() != "utf-8"))


def json_line(record: "dict[str, Any]", *, ascii_only: bool = False) -> str:
    """`record` as JSON. What ends a line for some program, and what is not seen, is escaped, which loses nothing."""
    import json
    import re

    text = json.dumps(record, ensure_ascii=ascii_only)
    if ascii_only:
        return text
    escaped = re.escape("".join(map(chr, (*CONTROLS, *BREAKS, *UNSEEN))))
    return re.sub(f"[{escaped}]", lambda match: json.dumps(match[0])[1:-1], text)


def write(line: str) -> None:
    """Prints `line` on stdout; what would end it becomes a blank, as many programs read one record a line."""
    sys.stdout.write(line.translate(_ONE_LINE) + "\n")


def unbroken(path: str) -> str:
    """`path` with what ends a line for some program as its bytes, `\\x0a`, so that it is one line."""
    return path.translate({code: _as_bytes(code) for code in _ONE_LINE})


def _as_bytes(code: int) -> str:
    return "".join(f"\\x{byte:02x}" for byte in chr(code).encode())


def write_raw(line: str, end: str = "\n") -> None:
    """Prints a line with a name of a file in it, whose bytes that are not UTF-8 (`os.fsdecode`) are printed as such."""
    if line.isascii() or not any("\udc80" <= character <= "\udcff" for character in line):
        sys.stdout.write(line + end)
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(os.fsencode(line + end))


def index_report(report: "IndexReport", *, quiet: bool, as_json: bool) -> None:
    """Prints the result of `index`: JSON or a line on stdout; the files that were skipped or failed on stderr."""
    if as_json:
        print_json(report.as_dict())
        return
    if not quiet:
        write(one_line(report.summary()))
        _list_files("skipped", report.skipped, _FEWEST_ALIKE)
    _list_files("failed", report.failed, _MAX_LISTED + 1)


def _list_files(kind: str, files: "list[tuple[str, str]]", alike: int) -> None:
    """Says why each of `files` was left out; one line for as many as `alike` with one reason, numbers aside."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for path, reason in files:
        groups.setdefault("".join("#" if letter.isdigit() else letter for letter in reason), []).append((path, reason))
    lines: list[str] = []
    for group in groups.values():
        if len(group) < alike:
            lines += [f"{kind} {path}: {reason}" for path, reason in group]
        else:
            lines.append(f"{kind} {count_of(len(group), 'file')}, such as {group[0][0]}: {group[0][1]}")
    for line in lines[:_MAX_LISTED]:
        announce(line)
    if len(lines) > _MAX_LISTED or any(len(group) >= alike for group in groups.values()):
        more = f"{kind} {len(lines) - _MAX_LISTED} more; " if len(lines) > _MAX_LISTED else ""
        announce(f"{more}all of them: semsearch status --files --{kind}")
