"""Everything that is printed. Plain text in a pipe; Rich only on a terminal, and never its markup for document text."""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from semsearch.index_report import IndexReport
    from semsearch.maintenance.file_status import FileStatus
    from semsearch.maintenance.why import Why

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

    write(json.dumps(record, ensure_ascii=sys.stdout.encoding.lower() != "utf-8"))


def write(line: str) -> None:
    """One line on stdout."""
    sys.stdout.write(line + "\n")


# -- index -----------------------------------------------------------------------------------------------------------


def index_report(report: "IndexReport", *, quiet: bool, as_json: bool, dry_run: bool = False) -> None:
    """The result of `index`: JSON or a line on stdout; files that failed, by name, on stderr."""
    if as_json:
        print_json(report.as_dict())
        return
    if not quiet:
        write(("would be: " if dry_run else "") + one_line(report.summary()))
        _list_files("skipped", report.skipped)
    _list_files("failed", report.failed)


def _list_files(kind: str, files: "list[tuple[str, str]]") -> None:
    for path, reason in files[:_LISTED]:
        announce(f"{kind} {path}: {reason}")
    if len(files) > _LISTED:
        announce(f"{kind} {len(files) - _LISTED} more; all of them: semsearch status --files --{kind}")


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
        ("vectors", _vectors(status["vectors"])),
        *([("queries", f"tuned on {status['tuned']:,} questions")] if status["tuned"] else []),
        ("segments", f"{status['segments']['lex']} lexical, {status['segments']['vec']} dense"),
        ("changed", f"{change['time']}, in {change['seconds']:.1f} s" if change else "never"),
        ("checked", status["last_check"]),
    ]
    for label, value in rows:
        write(f"{label:<9} {one_line(value)}")


def _vectors(form: "dict[str, Any]") -> str:
    text = str(form["kind"]) + (f", {form['dim']} numbers" if form["dim"] else "")
    text += f", {form['original']} kept" if form["original"] else ""
    return text + (f", {form['loss']:.2%} of the ten nearest lost" if form["loss"] else "")


def file_list(index: str, entries: "list[FileStatus]", *, as_json: bool) -> None:
    """The result of `status --files`: JSON, or a line for each file."""
    if as_json:
        from semsearch.maintenance.file_status import as_dict

        print_json(as_dict(index, entries))
        return
    for entry in entries:
        why = ": ".join(filter(None, [entry.reason, entry.rule]))
        notes = [why] if why else []
        if entry.encoding:
            notes.append(f"read as {entry.encoding}")
        write(f"{entry.status:<8} {one_line(entry.path)}" + (f"  ({one_line('; '.join(notes))})" if notes else ""))


# -- why -------------------------------------------------------------------------------------------------------------


def explanation(answer: "Why", *, as_json: bool) -> None:
    """The result of `why`: JSON, or what happened in one line and the best passage with its scores below."""
    if as_json:
        print_json(answer.as_dict())
        return
    from semsearch.cli.formats import explain, place

    line = f"{one_line(answer.path)}: {answer.status}"
    if answer.hit is not None:
        line += f", rank {answer.rank:,} of {answer.candidates:,} passages compared ({answer.file_rank:,} among files)"
    write(line + (f": {one_line(answer.reason)}" if answer.reason else ""))
    if answer.rule:
        write(f"    by {one_line(answer.rule)}")
    if answer.hit is not None:
        write(f"    {answer.hit.score:.3f}  {one_line(place(answer.hit))}  {one_line(answer.hit.snippet)}")
        write(f"    {explain(answer.hit)}")
