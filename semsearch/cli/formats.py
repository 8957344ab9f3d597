"""Prints hits as text, JSON, CSV, vimgrep, paths or TREC runs.

Rich is used on terminals only, and its markup never for text of documents, which may hold [brackets].
"""

import os
import sys

from semsearch.cli.render import Notices, announce, one_line, print_json, unbroken, write, write_raw
from semsearch.plurals import count_of
from semsearch.sources.names import shown_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from semsearch.retrieval.hit import ContextLine, Hit, SearchResult

FORMATS = ("text", "json", "jsonl", "csv", "vimgrep", "paths", "trec")
COLORS = ("auto", "always", "never")
# What a spreadsheet takes for the beginning of a formula, also in the wide forms of East Asia (OWASP, CSV Injection).
_FORMULA = tuple("=+-@\t\r\n＝＋－＠")
_CSV_FIELDS = (
    "rank",
    "score",
    "path",
    "page",
    "line_start",
    "line_end",
    "type",
    "title",
    "heading",
    "snippet",
    "file",
    "line",
)


class Printer:
    """Prints the hits of one query after another; notices go to stderr, each once.

    `style`: one of `FORMATS`. `group`: chunk or file, what a hit stands for. `nul`: paths end with a NUL byte.
    `absolute`: paths are absolute. `color`: one of `COLORS`. `raw`: cells of CSV are the text itself, though a
    spreadsheet takes it for a formula. `batch`: there are many queries, and each hit is printed with the id of its
    query.
    """

    def __init__(
        self,
        style: str,
        *,
        group: str,
        nul: bool,
        absolute: bool,
        color: str = "auto",
        raw: bool = False,
        batch: bool = False,
    ) -> None:
        self._style = style
        self._group = group
        self._absolute = absolute
        self._nul = nul
        self._color = color
        self._raw = raw
        self._batch = batch
        self._notices = Notices(batch)
        self._header = False

    def print(self, result: "SearchResult", query_id: str | None) -> None:
        """Prints `result` and its notices; `query_id`: that of the query, in a batch."""
        self._notices.tell(result.notices, query_id)
        getattr(self, f"_{self._style}")(result, query_id)
        if self._batch:
            sys.stdout.flush()

    def _json(self, result: "SearchResult", query_id: str | None) -> None:
        from semsearch.retrieval.hit import result_dict

        print_json(result_dict(result))

    def _jsonl(self, result: "SearchResult", query_id: str | None) -> None:
        from semsearch.retrieval.hit import hit_dict

        for hit in result.hits:
            print_json(({"query_id": query_id} if self._batch else {}) | hit_dict(hit))

    def _csv(self, result: "SearchResult", query_id: str | None) -> None:
        from semsearch.retrieval.hit import hit_dict

        if not self._header:
            self._header = True
            _write_row([*(["query_id"] if self._batch else []), *_CSV_FIELDS])
        for hit in result.hits:
            record = hit_dict(hit) | {"file": shown_name(hit.file), "line": hit.sentence_lines()[0]}
            cells = [*([query_id] if self._batch else []), *(record[name] for name in _CSV_FIELDS)]
            _write_row(cells if self._raw else list(map(_no_formula, cells)))

    def _vimgrep(self, result: "SearchResult", query_id: str | None) -> None:
        """`file:line:column:text` of the words found, columns in bytes as Vim counts them."""
        for hit in result.hits:
            start = hit.told
            line_begin = hit.text.rfind("\n", 0, start) + 1
            line_end = hit.text.find("\n", start)
            line = hit.text[line_begin : line_end if line_end >= 0 else None]
            number = hit.sentence_lines()[0]
            column = len(hit.text[line_begin:start].encode()) + 1 if number is not None else 1
            page = f"[page {hit.page}] " if hit.page is not None else ""
            write_raw(f"{unbroken(as_argument(openable(hit.file)))}:{number or 1}:{column}:{page}{one_line(line)}")

    def _trec(self, result: "SearchResult", query_id: str | None) -> None:
        for hit in result.hits:
            document = hit.path if self._group == "file" else f"{hit.path}#{hit.chunk_id}"
            # Fields of the format are separated by white space.
            write(f"{_word(query_id or '1')} Q0 {_word(document)} {hit.rank} {hit.score:.9g} semsearch")

    def _paths(self, result: "SearchResult", query_id: str | None) -> None:
        for found in dict.fromkeys(self._path(hit) for hit in result.hits):
            path = as_argument(found)
            if self._nul:
                write_raw(path, "\0")
            else:
                write_raw(unbroken(path))

    def _path(self, hit: "Hit") -> str:
        if self._absolute:
            return hit.file
        return openable(hit.file) if hit.is_here else raw_path(hit)

    def _text(self, result: "SearchResult", query_id: str | None) -> None:
        if self._batch:
            write(one_line(f"{query_id}: {result.query}"))
        if self._color == "always" or sys.stdout.isatty():
            _terminal_hits(result, self._console())
        else:
            for hit in result.hits:
                heading = f"  {one_line(' > '.join(hit.heading))}" if hit.heading else ""
                write(f"{hit.rank}  {hit.score:.3f}  {one_line(place(hit))}{on_host(hit)}{heading}{_copies(hit)}")
                for line in _body(hit):
                    write(f"    {line}")
        coverage = result.coverage
        missing = coverage.skipped + coverage.failed
        if sys.stderr.isatty():
            line = f"{count_of(len(result.hits), 'result')} in {result.seconds * 1000:.0f} ms"
            line += f"; {count_of(coverage.files, 'file')} indexed"
            announce(line + (f", {missing:,} not (see: semsearch status --files)" if missing else ""))

    def _console(self) -> "Console":
        from semsearch.cli.console import console

        plain = self._color == "never" or (self._color == "auto" and bool(os.environ.get("NO_COLOR")))
        always = self._color == "always"
        return console(sys.stdout, no_color=plain or None, force_terminal=True if always else None)


def place(hit: "Hit") -> str:
    """The place of a hit for people: a path that opens it, with the page, or with the line of its best sentence."""
    return place_in(shown_path(hit), hit.page, hit.sentence_lines()[0])


def place_in(path: str, page: int | None, line: int | None) -> str:
    """A place for people: the path with the page, or with the line."""
    if page is not None:
        return f"{path}:p{page}"
    return path if line is None else f"{path}:{line}"


def on_host(hit: "Hit") -> str:
    """The machine that a hit is on, for people; empty where all are on one."""
    return f"  (on {one_line(hit.host)})" if hit.host else ""


def raw_path(hit: "Hit") -> str:
    """The path of a hit as the file system has it: bytes that are not UTF-8 are those of the name (`os.fsdecode`)."""
    shown, names = hit.path.split("/"), hit.file.split("/")
    for number, name in enumerate(reversed(names[1:]), 1):
        # Up to the label of its folder, which need not be the folder's name.
        if number > len(shown) or shown_name(name) != shown[-number]:
            break
        shown[-number] = name
    return "/".join(shown)


def as_argument(path: str) -> str:
    """`path` as other commands may be given it: one that begins with a minus would be a flag of theirs."""
    return "./" + path if path.startswith("-") else path


def openable(file: str) -> str:
    """The absolute path `file` as what is started in the working folder can open it: relative to that folder, or as it
    is where that is shorter; so is what is on another machine (`//HOST/PATH`)."""
    if file.startswith("//"):
        return file
    try:
        # The folder itself, with no link in its path: `..` leads out of it as the path says.
        here = os.getcwd()
    except FileNotFoundError:
        return file
    relative = os.path.relpath(file, here)
    return relative if len(relative) < len(file) else file


def shown_file(path: str, file: str) -> str:
    """The path of a `file` (as in `Hit`; "": not known) for people: as it opens, or where it does not the `path` that
    the index calls it by. The path of a folder ends with a slash."""
    if not file or file.startswith("//"):
        return path
    return shown_name(openable(file)) + "/" * (file.endswith("/") and file != "/")


def shown_path(hit: "Hit") -> str:
    """The path of a hit for people: as it opens, or on another machine as it is called there."""
    return shown_name(openable(hit.file)) if hit.is_here else hit.path


def explain(hit: "Hit") -> str:
    """How the score of a hit was computed, in one line; for hits with an explanation."""
    explanation = hit.explanation
    assert explanation is not None
    parts = [explanation.fusion]
    if explanation.alpha is not None:
        parts.append(f"alpha {explanation.alpha:.2f}")
    if explanation.fertility is not None:
        parts.append(f"fertility {explanation.fertility:.2f}")
    if explanation.dense is not None:
        raw = "not encoded" if hit.dense is None else f"cosine {hit.dense:.3f}"
        parts.append(f"dense {explanation.dense:.3f} ({raw}, rank {explanation.dense_rank or '-'})")
    if explanation.lexical is not None and hit.lexical is not None:
        parts.append(
            f"lexical {explanation.lexical:.3f} (BM25 {hit.lexical:.2f}, rank {explanation.lexical_rank or '-'})"
        )
    if explanation.sparse is not None and hit.sparse is not None:
        share = "" if explanation.sparse_share is None else f", {explanation.sparse_share:.0%} of lexical"
        parts.append(f"sparse {explanation.sparse:.3f} (score {hit.sparse:.2f}{share})")
    if explanation.name:
        parts.append(f"named {explanation.name:.2f}")
    if hit.rerank is not None:
        parts.append(f"reranked {hit.rerank:.3f}")
    return ", ".join(parts)


def _copies(hit: "Hit") -> str:
    """How many copies of a passage were folded into `hit`, for people; empty for none."""
    count = len(hit.copies)
    return f"  (+{count_of(count, 'copy')})" if count else ""


def _body(hit: "Hit") -> list[str]:
    """The lines below the place of a hit: its context or snippet, and the explanation of its score."""
    shown = [_numbered(line) for line in hit.context] or [one_line(hit.snippet)]
    return [*shown, *_second(hit), *([explain(hit)] if hit.explanation else [])]


def _second(hit: "Hit") -> list[str]:
    """The line about the second passage of a file, where there is one."""
    second = hit.second
    if second is None:
        return []
    line = second.sentence_lines()[0]
    at = f"page {second.page}" if second.page is not None else "" if line is None else f"line {line}"
    heading = " > ".join(second.heading) if second.heading != hit.heading else ""
    return [one_line(f"also {', '.join(filter(None, (at, heading)))}".rstrip() + f": {second.snippet}")]


def _numbered(line: "ContextLine") -> str:
    """A line of context with its number as grep -n prints it: `:` after the number of a matching line, else `-`."""
    text = line.text.expandtabs(4).rstrip()
    text = " " * (len(text) - len(text.lstrip())) + one_line(text)
    mark = ":" if line.match else "-"
    return f"{line.number}{mark}{text}" if line.number is not None else f"{'>' if line.match else ' '} {text}"


def _terminal_hits(result: "SearchResult", console: "Console") -> None:
    """Prints hits with colours, links, and the words of the query in bold."""
    from rich.padding import Padding
    from rich.style import Style
    from rich.text import Text

    from semsearch.retrieval.snippets import match_spans

    for hit in result.hits:
        line = Text(f"{hit.rank:>2}  ", style="dim")
        line.append(f"{hit.score:.3f}  ", style="cyan")
        line.append(one_line(place(hit)), style=Style(bold=True, color="magenta", link=file_uri(hit)))
        line.append(on_host(hit), style="dim")
        if hit.heading:
            line.append("  " + one_line(" > ".join(hit.heading)), style="green")
        line.append(_copies(hit), style="dim")
        console.print(line, soft_wrap=True)
        sentence = sentence_shown(hit)
        lines = _body(hit)
        for number, shown in enumerate(lines):
            body = Text(shown)
            if hit.context and number < len(hit.context):
                if hit.context[number].match:
                    body.stylize("bold")
            elif number == 0:
                at = shown.find(sentence) if sentence else -1
                if at >= 0:
                    body.stylize("bold", at, at + len(sentence))
            for start, end in match_spans(shown, result.keys, frozenset((hit.language,))):
                body.stylize("bold yellow", start, end)
            if hit.explanation and number == len(lines) - 1:
                body = Text(shown, style="dim")
            console.print(Padding(body, (0, 0, 0, 4)))


def sentence_shown(hit: "Hit") -> str:
    """The best sentence of `hit` as its snippet shows it."""
    from semsearch.retrieval.snippets import flatten
    from semsearch.retrieval.tables import labelled

    return (
        one_line(flatten(labelled(hit.row_at(*hit.sentence)) or hit.text[slice(*hit.sentence)])) if hit.sentence else ""
    )


def file_uri(hit: "Hit") -> str:
    """The URI of the file of a hit (RFC 8089), with the machine where it is on another one; percent-encoded, so that
    no name can end a link in a terminal (OSC 8)."""
    from urllib.parse import quote

    return ("file://" if hit.is_here else "file:") + quote(os.fsencode(hit.file))


def _no_formula(cell: object) -> object:
    """`cell`, a text behind an apostrophe where a spreadsheet would run it; numbers stay numbers."""
    return "'" + cell if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def _write_row(cells: "Sequence[object]") -> None:
    """Prints a record of CSV (RFC 4180), which ends with a newline alone."""
    import csv
    import io

    row = io.StringIO(newline="")
    # The terminator of the RFC, so that a lone CR is quoted, too.
    csv.writer(row, lineterminator="\r\n").writerow(cells)
    sys.stdout.write(row.getvalue().removesuffix("\r\n") + "\n")


def _word(text: str) -> str:
    """`text` with white space percent-encoded."""
    return "".join(f"%{ord(character):02X}" if character.isspace() else character for character in text)
