"""Everything that is printed. Plain text in a pipe; Rich only on a terminal, and never its markup for document text."""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from semsearch.ledger import Entry
    from semsearch.report import IndexReport
    from semsearch.retrieval.hit import Hit, SearchResult
    from semsearch.retrieval.why import Why

# C0 and C1 control characters but tab and newline: a document must not drive the terminal it is shown on.
_CONTROLS = dict.fromkeys((*range(9), *range(11, 32), *range(127, 160)))
_LISTED = 20


def one_line(text: str) -> str:
    """`text` without control characters and line breaks, fit for one line of a terminal or a log."""
    return " ".join(text.translate(_CONTROLS).split())


def announce(message: str) -> None:
    """Something the user should know now; on stderr, so that results stay clean."""
    print(f"semsearch: {one_line(message)}", file=sys.stderr, flush=True)


def print_json(record: "dict[str, Any]") -> None:
    import json

    _print(json.dumps(record, ensure_ascii=sys.stdout.encoding.lower() != "utf-8"))


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")


# -- index -----------------------------------------------------------------------------------------------------------


def index_report(report: "IndexReport", *, quiet: bool, as_json: bool, dry_run: bool = False) -> None:
    """The result of `index`: JSON or a line on stdout; files that failed, by name, on stderr."""
    if as_json:
        print_json(report.as_dict())
        return
    if not quiet:
        _print(("would be: " if dry_run else "") + one_line(report.summary()))
        _list_files("skipped", report.skipped)
    _list_files("failed", report.failed)


def _list_files(kind: str, files: "list[tuple[str, str]]") -> None:
    for path, reason in files[:_LISTED]:
        announce(f"{kind} {path}: {reason}")
    if len(files) > _LISTED:
        announce(f"{kind} {len(files) - _LISTED} more; all of them: semsearch status --files --{kind}")


# -- search ----------------------------------------------------------------------------------------------------------


def search_result(result: "SearchResult", style: str, query_id: str | None, group: str) -> None:
    """The hits of one query in one of the formats; notices on stderr."""
    for notice in result.notices:
        announce(notice)
    if style == "json":
        from semsearch.retrieval.hit import result_dict

        print_json(result_dict(result))
    elif style == "jsonl":
        from semsearch.retrieval.hit import hit_dict

        for hit in result.hits:
            print_json(({"query_id": query_id} if query_id is not None else {}) | hit_dict(hit))
    elif style == "trec":
        for hit in result.hits:
            document = hit.path if group == "file" else f"{hit.path}#{hit.chunk_id}"
            # The format is separated by white space.
            _print(f"{_word(query_id or '1')} Q0 {_word(document)} {hit.rank} {hit.score:.6f} semsearch")
    elif style == "paths":
        for path in dict.fromkeys(hit.path for hit in result.hits):
            _print(one_line(path) if sys.stdout.isatty() else path)
    else:
        _text(result, query_id)
    if query_id is not None:
        sys.stdout.flush()


def _word(text: str) -> str:
    return "".join(f"%{ord(character):02X}" if character.isspace() else character for character in text)


def _text(result: "SearchResult", query_id: str | None) -> None:
    if query_id is not None:
        _print(f"{query_id}: {one_line(result.query)}")
    if sys.stdout.isatty():
        _terminal_hits(result)
    else:
        for hit in result.hits:
            place = f"{hit.rank}  {hit.score:.3f}  {one_line(_place(hit))}"
            _print(place + (f"  {one_line(' > '.join(hit.heading))}" if hit.heading else ""))
            _print(f"    {one_line(hit.snippet)}")
            if hit.explanation:
                _print(f"    {_explain(hit)}")
    coverage = result.coverage
    missing = coverage.skipped + coverage.failed
    if sys.stderr.isatty():
        line = f"{len(result.hits)} results in {result.seconds * 1000:.0f} ms; {coverage.files:,} files indexed"
        announce(line + (f", {missing:,} not (see: semsearch status --files)" if missing else ""))


def _place(hit: "Hit") -> str:
    if hit.page is not None:
        return f"{hit.path}:p{hit.page}"
    return hit.path if hit.line_start is None else f"{hit.path}:{hit.line_start}"


def _explain(hit: "Hit") -> str:
    how = hit.explanation
    assert how is not None
    parts = [how.fusion]
    if how.alpha is not None:
        parts.append(f"alpha {how.alpha:.2f}")
    if how.fertility is not None:
        parts.append(f"fertility {how.fertility:.2f}")
    if how.dense is not None:
        raw = "not encoded" if hit.dense is None else f"cosine {hit.dense:.3f}"
        parts.append(f"dense {how.dense:.3f} ({raw}, rank {how.dense_rank or '-'})")
    if how.lexical is not None and hit.lexical is not None:
        parts.append(f"lexical {how.lexical:.3f} (BM25 {hit.lexical:.2f}, rank {how.lexical_rank or '-'})")
    return ", ".join(parts)


def _terminal_hits(result: "SearchResult") -> None:
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    from semsearch.retrieval.snippets import match_spans

    console = Console(highlight=False, no_color=bool(os.environ.get("NO_COLOR")) or None)
    for hit in result.hits:
        line = Text(f"{hit.rank:>2}  ", style="dim")
        line.append(f"{hit.score:.3f}  ", style="cyan")
        line.append(one_line(_place(hit)), style="bold magenta")
        if hit.heading:
            line.append("  " + one_line(" > ".join(hit.heading)), style="green")
        console.print(line, soft_wrap=True)
        shown = one_line(hit.snippet)
        body = Text(shown)
        for start, end in match_spans(shown, result.query, result.languages):
            body.stylize("bold yellow", start, end)
        console.print(Padding(body, (0, 0, 0, 4)))
        if hit.explanation:
            console.print(Padding(Text(_explain(hit), style="dim"), (0, 0, 0, 4)))


# -- status ----------------------------------------------------------------------------------------------------------


def index_status(status: "dict[str, Any]", *, as_json: bool) -> None:
    """The result of `status`: JSON, or a few aligned lines."""
    if as_json:
        print_json(status)
        return
    from semsearch.sources.walk import format_size

    files, chunks, model = status["files"], status["chunks"], status["model"]
    change = status["last_change"]
    name = model["name"] + (f" ({model['runtime']}, {model['dim']} dimensions)" if model["runtime"] else "")
    rows = [
        ("index", f"{status['index']} ({format_size(status['bytes'])})"),
        *(("folder", root["path"] + ("" if root["exists"] else "  (gone)")) for root in status["roots"]),
        ("files", f"{files['indexed']:,} indexed, {files['skipped']:,} skipped, {files['failed']:,} failed"),
        ("chunks", f"{chunks['total']:,}, of which {chunks['pending']:,} not encoded yet"),
        ("model", name),
        ("segments", f"{status['segments']['lex']} lexical, {status['segments']['vec']} dense"),
        ("changed", f"{change['time']}, in {change['seconds']:.1f} s" if change else "never"),
        ("checked", status["last_check"]),
    ]
    for label, value in rows:
        _print(f"{label:<9} {one_line(value)}")


def file_list(index: str, entries: "list[Entry]", *, as_json: bool) -> None:
    """The result of `status --files`: JSON, or a line for each file."""
    if as_json:
        from semsearch.ledger import as_dict

        print_json(as_dict(index, entries))
        return
    for entry in entries:
        why = ": ".join(filter(None, [entry.reason, entry.rule]))
        notes = [why] if why else []
        if entry.encoding:
            notes.append(f"read as {entry.encoding}")
        _print(f"{entry.status:<8} {one_line(entry.path)}" + (f"  ({one_line('; '.join(notes))})" if notes else ""))


# -- why -------------------------------------------------------------------------------------------------------------


def explanation(answer: "Why", *, as_json: bool) -> None:
    """The result of `why`: JSON, or what happened in one line and the best passage with its scores below."""
    if as_json:
        print_json(answer.as_dict())
        return
    line = f"{one_line(answer.path)}: {answer.status}"
    if answer.hit is not None:
        line += f", rank {answer.rank:,} of {answer.candidates:,} passages compared ({answer.file_rank:,} among files)"
    _print(line + (f": {one_line(answer.reason)}" if answer.reason else ""))
    if answer.rule:
        _print(f"    by {one_line(answer.rule)}")
    if answer.hit is not None:
        _print(f"    {answer.hit.score:.3f}  {one_line(_place(answer.hit))}  {one_line(answer.hit.snippet)}")
        _print(f"    {_explain(answer.hit)}")
