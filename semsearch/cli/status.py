"""`semsearch status`: what an index holds and its state; with `--files`, every file and why it is not indexed."""

import os
import time
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from semsearch import settings
from semsearch.cli.flags import Indexes, only_index
from semsearch.cli.formats import shown_file
from semsearch.cli.render import announce, one_line, print_json, write
from semsearch.errors import IndexNotFoundError, UsageError
from semsearch.plurals import count_of

if TYPE_CHECKING:
    from semsearch.maintenance.file_status import FileStatus
    from semsearch.maintenance.index_status import NamedIndex


def command(
    index: Indexes = None,
    files: Annotated[bool, typer.Option("--files", help="List every file, indexed or not, with the reason.")] = False,
    skipped: Annotated[
        bool, typer.Option("--skipped", help="With --files: only what is not in the index: skipped, failed, ignored.")
    ] = False,
    failed: Annotated[bool, typer.Option("--failed", help="With --files: only what could not be read.")] = False,
    pending: Annotated[
        bool, typer.Option("--pending", help="With --files: only what is new or not encoded yet.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON object (semsearch.status/1, semsearch.files/1) for each index.")
    ] = False,
) -> int:
    """Show what an index holds: folders, files, chunks, model, size, the last run.

    Where no index is named and none is found, those that have a name in the configuration file are listed.

    \b
    Examples:
      semsearch status --json | jq .age_seconds
      cd / && semsearch status                    the indexes that have a name
      semsearch status --files --failed
      semsearch status --files --skipped --json | jq -r '.files[].path'
    """
    groups = (("skipped", "failed", "ignored"), skipped), (("failed",), failed), (("pending", "new"), pending)
    selected = {status for statuses, flag in groups if flag for status in statuses}
    if selected and not files:
        raise UsageError("--skipped, --failed and --pending choose among files", "add --files")
    if files:
        from semsearch.maintenance import file_status

        path, entries = file_status.file_statuses(only_index(index), lambda status: not selected or status in selected)
        _print_files(path, entries, as_json=as_json)
        return 0
    from semsearch.maintenance.index_status import index_status

    chosen: list[str | None] = [*index] if index else [None]
    try:
        statuses = [index_status(one) for one in chosen]
    except IndexNotFoundError:
        # An index that was named, by a flag or a setting, is the one that is missing.
        if index or settings.effective("index")[0] or not settings.index_names():
            raise
        _print_named(as_json=as_json)
        return 0
    for number, status in enumerate(statuses):
        if number and not as_json:
            write("")
        _print_status(status, as_json=as_json)
    return 0


def _print_named(*, as_json: bool) -> None:
    """Prints the indexes that have a name: JSON, or a line for each."""
    from semsearch.maintenance.index_status import NAMED_SCHEMA, named_indexes

    if as_json:
        print_json({"schema": NAMED_SCHEMA, "indexes": [one.as_dict() for one in named_indexes()]})
        return
    announce(f"no index in {os.getcwd()} or above it; these have a name, for -i:")
    width = max(map(len, settings.index_names()))
    for one in named_indexes():  # each as soon as it answered: a server may be slow
        write(f"{one.name:<{width}}  {one_line(_in_short(one))}")


def _in_short(named: "NamedIndex") -> str:
    """What is most worth knowing of an index, or what is wrong with it."""
    status = named.status
    if status is None:
        error = named.error
        return "" if error is None else error.message + (f" ({error.hint})" if error.hint else "")
    files, chunks, change = status["files"], status["chunks"], status["last_change"]
    told = [count_of(files["indexed"], "file"), count_of(chunks["total"], "chunk")]
    if files["failed"]:
        told.append(f"{files['failed']:,} failed")
    if chunks["pending"]:
        told.append(f"{chunks['pending']:,} not encoded yet")
    told.append(f"changed {_age(change['time'])} ago" if change else "never changed")
    gone = [root["path"] for root in status["roots"] if not root.get("exists", True)]
    told += [f"{path} is gone" for path in gone]
    return f"{', '.join(told)}: {status['index']}"


def _print_status(status: "dict[str, Any]", *, as_json: bool) -> None:
    """Prints the result of `status`: JSON, or a few aligned lines."""
    if as_json:
        print_json(status)
        return
    from semsearch.sources.walk import format_size

    files, chunks, model = status["files"], status["chunks"], status["model"]
    change = status["last_change"]
    name = model["name"] + (f" ({model['runtime']}, {model['dim']} dimensions)" if model["runtime"] else "")
    rows = [
        ("index", f"{status['index']} ({format_size(status['bytes'])})"),
        *(("folder", _folder(root)) for root in status["roots"]),
        ("files", f"{files['indexed']:,} indexed, {files['skipped']:,} skipped, {files['failed']:,} failed"),
        ("chunks", f"{chunks['total']:,}, of which {chunks['pending']:,} not encoded yet"),
        ("model", name),
        ("vectors", _vectors(status["vectors"])),
        *([("tokens", _token_vectors(status["token_vectors"]))] if "token_vectors" in status else []),
        *([("sparse", _sparse(status["sparse"]))] if "sparse" in status else []),
        *([("queries", f"tuned on {count_of(status['tuned'], 'question')}")] if status["tuned"] else []),
        *([("weights", _learnt(status["weights"]))] if status["weights"] is not None else []),
        ("segments", _segments(status["segments"])),
        *(("machine", _machine(machine)) for machine in status.get("machines", ())),
        ("changed", f"{change['time']}, in {change['seconds']:.1f} s" if change else "never"),
        ("checked", status["last_check"] or "never"),
    ]
    for label, value in rows:
        write(f"{label:<9} {one_line(value)}")


def _folder(root: "dict[str, Any]") -> str:
    """Its path, the machine that it is on where there are several, and what is wrong with it."""
    path = f"{root['host']}:{root['path']}" if "host" in root else str(root["path"])
    if not root.get("exists", True):
        return path + " (gone)"
    return path if root.get("readable", True) else path + " (cannot be read)"


def _machine(machine: "dict[str, Any]") -> str:
    """When its folders were compared last, and what its runs do now."""
    age = machine["age_seconds"]
    told = [f"checked {_duration(age)} ago" if age is not None else "no folder checked"]
    for run in machine["runs"]:
        encoding = f", encoding {count_of(run['encoding'], 'chunk')}" if run["encoding"] else ""
        told.append(f"process {run['pid']} runs for {_duration(run['seconds'])}{encoding}")
    return f"{machine['host']}: {'; '.join(told)}"


def _age(moment: str) -> str:
    """How long ago a `moment` (ISO 8601) was."""
    return _duration(max(0.0, time.time() - datetime.fromisoformat(moment).timestamp()))


def _duration(seconds: float) -> str:
    """`seconds` in the largest unit of which there are two: 90 s, 12 min, 3 h, 5 days."""
    for unit, size in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _vectors(vector_format: "dict[str, Any]") -> str:
    if "at" in vector_format:
        return f"kept by {vector_format['at']}"
    text = str(vector_format["kind"]) + (f", {vector_format['dim']} numbers" if vector_format["dim"] else "")
    text += f", {vector_format['original']} kept" if vector_format["original"] else ""
    return text + (f", {vector_format['loss']:.2%} of the ten nearest lost" if vector_format["loss"] else "")


def _token_vectors(kept: "dict[str, Any]") -> str:
    from semsearch.sources.walk import format_size

    if "damaged" in kept:
        return f"damaged: {kept['damaged']}"
    passages = f"{kept['passages']:,} of {count_of(kept['texts'], 'passage')}"
    return f"{kept['model']} ({kept['dim']} dimensions), {passages}, {format_size(kept['bytes'])}"


def _sparse(sparse: "dict[str, Any]") -> str:
    pending = f", {count_of(sparse['pending'], 'chunk')} without a vector" if sparse["pending"] else ""
    return f"{sparse['name']}{pending}"


def _segments(counts: "dict[str, int]") -> str:
    sparse = f", {counts['spa']} sparse" if "spa" in counts else ""
    return f"{counts['lex']} lexical, {counts['vec']} dense{sparse}"


def _learnt(weights: "dict[str, Any]") -> str:
    parts = [f"{name} {value}" for name, value in weights.items() if name != "questions"]
    asked = weights.get("questions")  # damaged weights may lack it
    return ", ".join([*parts, *([f"learnt from {count_of(asked, 'question')}"] if isinstance(asked, int) else [])])


def _print_files(index: str, entries: "list[FileStatus]", *, as_json: bool) -> None:
    """Prints the result of `status --files`: JSON, or a line for each file."""
    if as_json:
        from semsearch.maintenance.file_status import as_dict

        print_json(as_dict(index, entries))
        return
    for entry in entries:
        cause = ": ".join(filter(None, [entry.reason, entry.rule]))
        notes = [cause] if cause else []
        if entry.encoding:
            notes.append(f"read as {entry.encoding}")
        if entry.file.startswith("//"):
            notes.append(f"on {entry.file[2:].partition('/')[0]}")
        path = shown_file(entry.path, entry.file)
        write(f"{entry.status:<8} {one_line(path)}" + (f"  ({one_line('; '.join(notes))})" if notes else ""))
