"""`semsearch index`: brings an index up to date with its folders."""

import os
import re
import sys
import time
from typing import Annotated

import typer

from semsearch import cli, settings
from semsearch.cli import render
from semsearch.cli.flags import INDEX, known_indexes, known_models, only_index
from semsearch.errors import UsageError

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmg]?)i?b?", re.IGNORECASE)
_TIME = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*([smhd]?)", re.IGNORECASE)
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}


def command(
    context: typer.Context,
    folders: Annotated[
        list[str] | None,
        typer.Argument(metavar="[DIR]...", help="Folders to index. None: all folders the index already holds."),
    ] = None,
    index: Annotated[
        list[str] | None,
        typer.Option(
            "--index",
            "-i",
            metavar=INDEX,
            help="Where the index is. Default: DIR/.semsearch.",
            autocompletion=known_indexes,
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="all-MiniLM-L6-v2 (default), static (far faster), a model folder, any name in: semsearch models.",
            autocompletion=known_models,
        ),
    ] = None,
    dim: Annotated[
        int | None, typer.Option(metavar="N", help="Cut the vectors of a Matryoshka model to their first N numbers.")
    ] = None,
    vectors: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Keep the vectors in a vector database (qdrant://, milvus://, ...); index: take them back.",
        ),
    ] = None,
    token_vectors: Annotated[
        str | None,
        typer.Option(
            "--token-vectors",
            metavar="MODEL|off",
            help="Keep the token vectors of a late interaction model, for a fast --rerank; off: none.",
        ),
    ] = None,
    sparse: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|off", help="Keep learned sparse vectors, too: of a SPLADE or BGE-M3 model; off: none."
        ),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(
            metavar="auto|cpu|cuda|mps",
            help="Where passages are encoded. Default: auto, on a GPU where that is worth it.",
        ),
    ] = None,
    trust_remote_code: Annotated[
        bool,
        typer.Option("--trust-remote-code", help="Run the code that the folder of --model or --sparse brings along."),
    ] = False,
    tokenizer: Annotated[
        str | None, typer.Option(metavar="NAME", help="Measure chunks with a tiktoken encoding, such as cl100k_base.")
    ] = None,
    chunk_size: Annotated[
        int | None, typer.Option(metavar="N", help="Most tokens of a chunk. Default: the model's window.")
    ] = None,
    overlap: Annotated[
        int | None, typer.Option(metavar="N", help="Tokens repeated where a long section is cut. Default: 32.")
    ] = None,
    include: Annotated[
        list[str] | None, typer.Option(metavar="GLOB", help="Index only files that match. Repeatable, remembered.")
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(metavar="GLOB", help="Leave out what matches. Repeatable, remembered.")
    ] = None,
    hidden: Annotated[
        bool | None, typer.Option("--hidden/--no-hidden", help="Take in files and folders that start with a dot.")
    ] = None,
    no_ignore: Annotated[
        bool | None, typer.Option("--no-ignore/--ignore", help="Take in what .gitignore and the like leave out.")
    ] = None,
    follow: Annotated[
        bool | None, typer.Option("--follow/--no-follow", help="Follow symbolic links that stay inside the folder.")
    ] = None,
    max_file_size: Annotated[
        str | None, typer.Option(metavar="SIZE", help="Leave out larger files. Default: 20M.")
    ] = None,
    files_from: Annotated[
        str | None,
        typer.Option(metavar="FILE|-", help="Look only at the files named there, one a line; the rest stays as it is."),
    ] = None,
    nul: Annotated[bool, typer.Option("-0", "--null", help="Names in --files-from end with a NUL byte.")] = False,
    password_file: Annotated[
        str | None, typer.Option(metavar="FILE", help="Passwords to try on encrypted PDFs, one a line.")
    ] = None,
    ocr: Annotated[
        bool | None,
        typer.Option("--ocr/--no-ocr", help="Read pages and pictures without text by OCR (Chinese and English)."),
    ] = None,
    retry: Annotated[bool, typer.Option("--retry", help="Read files that failed again, though unchanged.")] = False,
    no_embed: Annotated[
        bool, typer.Option("--no-embed", help="Index words only; a later run encodes what is pending.")
    ] = False,
    encode_only: Annotated[
        bool,
        typer.Option("--encode-only", help="Look at no folder: encode what other runs, or other machines, have read."),
    ] = False,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Read everything again; needed to change model or chunking.")
    ] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Drop what is gone even if that is most files, or a whole folder.")
    ] = False,
    verify: Annotated[bool, typer.Option("--verify", help="Compare files by content, not by size and time.")] = False,
    newest_first: Annotated[
        bool, typer.Option("--newest-first", help="Read and encode first what changed last.")
    ] = False,
    max_time: Annotated[
        str | None, typer.Option(metavar="TIME", help="End after TIME, such as 20m; the next run goes on.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Stay, and index whatever changes until Ctrl-C.")] = False,
    shared: Annotated[
        str | None,
        typer.Option(metavar="GROUP", help="Let this group search and write the index; else only you can."),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 3 when a file failed or was skipped.")] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for another run to finish instead of exiting with 75.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done; write nothing.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object (semsearch.index/1).")] = False,
) -> int:
    """Index folders, or bring an index up to date: only what changed is read and encoded.

    \b
    Examples:
      semsearch index notes                       makes or updates notes/.semsearch
      semsearch index notes mail -i ~/all.index   two folders, one index
      semsearch index -i ~/all.index -q           from cron
      semsearch index notes --max-time 20m --newest-first
      semsearch index notes --watch
      git ls-files -z | semsearch index . --files-from - -0
      semsearch index notes --exclude 'drafts/' --exclude '*.log'
    """
    from semsearch.cli.interrupts import interruptible
    from semsearch.cli.progress import progress
    from semsearch.embedding.device import asked_device
    from semsearch.indexing import IndexOptions, index_folders

    if device is not None:
        os.environ["SEMSEARCH_DEVICE"] = (
            device  # in the environment, so that processes that prepare the model have it, too
        )
        asked_device()
    location = only_index(index)
    if trust_remote_code and model is None and sparse is None:
        raise UsageError("--trust-remote-code trusts a model by name", "say which: --model NAME, or --sparse NAME")
    if nul and files_from is None:
        raise UsageError("-0 is about the names of --files-from", "use it with --files-from FILE")
    if encode_only and (folders or no_embed or rebuild or dry_run or watch or files_from is not None):
        raise UsageError(
            "--encode-only looks at no folder, and encodes",
            "leave out folders, --no-embed, --rebuild, --dry-run, --watch and --files-from",
        )
    if no_embed and token_vectors is not None:
        raise UsageError("--no-embed encodes nothing, and --token-vectors does", "leave one of them out")
    options = IndexOptions(
        model=None if model is None else settings.model_name(model),
        dim=dim,
        trust=trust_remote_code,
        tokenizer=tokenizer,
        chunk_size=chunk_size,
        overlap=overlap,
        include=tuple(include) if include else None,
        exclude=tuple(exclude) if exclude else None,
        hidden=hidden,
        no_ignore=no_ignore,
        follow=follow,
        max_file_size=_size(max_file_size) if max_file_size is not None else None,
        passwords=tuple(_names(password_file, "\n")) if password_file is not None else (),
        files_from=tuple(_names(files_from, "\0" if nul else "\n")) if files_from is not None else None,
        retry=retry,
        ocr=bool(settings.effective("ocr")[0]) if ocr is None else ocr,
        newest_first=newest_first,
        max_seconds=_seconds_left(max_time) if max_time is not None else None,
        embed=not no_embed,
        encode_only=encode_only,
        rebuild=rebuild,
        prune=prune,
        verify=verify,
        shared=shared,
        vectors="" if vectors == "index" else vectors,
        token_vectors=_model_or_off("token-vectors", token_vectors),
        sparse=_model_or_off("sparse", sparse),
        wait=wait,
        dry_run=dry_run,
    )
    if watch:
        from semsearch.cli.watch import watch_folders

        if dry_run or files_from is not None:
            raise UsageError("--watch looks at whole folders", "leave out --dry-run and --files-from")
        with interruptible(quiet=quiet):
            watch_folders(folders or [], location, options, quiet=quiet, as_json=as_json)
        return 0
    with interruptible(), progress(quiet) as bars:
        report = index_folders(folders or [], location, options, bars, context.obj)
    render.index_report(report, quiet=quiet, as_json=as_json)
    return 3 if strict and (report.skipped or report.failed) else 0


def _model_or_off(flag: str, value: str | None) -> str | None:
    """The model that `--flag` names with `value`, "" for `off`. Raises `UsageError` for an empty name."""
    if value is None:
        return None
    if not value.strip():
        raise UsageError(f"--{flag}: the name of the model is empty", f"name a model, or say: --{flag} off")
    return "" if value.lower() == "off" else settings.model_name(value)


def _size(text: str) -> int:
    """The bytes that `20M`, `1.5G`, `512k` or `1000` stands for, in powers of 1024. Raises `UsageError`."""
    match = _SIZE.fullmatch(text.strip())
    if not match or len(text) > 20:
        raise UsageError(f"--max-file-size {text} is not a size", "write it like 20M or 512k")
    return int(float(match.group(1)) * _UNITS[match.group(2).lower()])


def _seconds(text: str) -> float:
    """The seconds that `90s`, `20m`, `1.5h` or `90` stands for. Raises `UsageError`."""
    match = _TIME.fullmatch(text.strip())
    seconds = float(match.group(1)) * _SECONDS[match.group(2).lower()] if match else 0.0
    if not 0 < seconds < 1e9:
        raise UsageError(f"--max-time {text} is not a time", "write it like 90s, 20m or 2h")
    return seconds


def _seconds_left(text: str) -> float:
    """What is left of the time `text` now. The smallest number above 0 where nothing is."""
    return max(1e-3, _seconds(text) - (time.perf_counter() - cli.BEGAN))


def _names(source: str, separator: str) -> list[str]:
    """The names in the file `source` (`-`: standard input), which end with `separator`. Raises `UsageError`."""
    if source == "-":
        data = sys.stdin.buffer.read()
    else:
        with open(source, "rb") as file:
            data = file.read()
    if separator == "\n" and b"\0" in data:
        raise UsageError(f"the names in {source} end with NUL bytes", "add -0")
    names = os.fsdecode(data).split(separator)
    return [name.removesuffix("\r") if separator == "\n" else name for name in names if name.strip()]
