"""The Typer application, and the one place that turns errors into messages and exit codes."""

import errno
import io
import os
import sys
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any

import typer

from semsearch import __version__
from semsearch.cli import (
    ask,
    bench,
    browse,
    config,
    copy,
    index,
    interrupts,
    mcp,
    models,
    open_result,
    quantize,
    render,
    search,
    serve,
    show,
    status,
    tune,
    verify,
    why,
)
from semsearch.cli.dashed_queries import QueryCommand, query_hint
from semsearch.cli.failure import fail, place_of_password, secret_urls
from semsearch.cli.flags import flag_of, with_rerank_value
from semsearch.cli.streams import STANDARD_OUTPUT
from semsearch.errors import IndexDamagedError, ParameterError, SemsearchError, UsageError, for_shell
from semsearch.settings import CATALOG_FILE
from semsearch.shortage import NO_SPACE_HINT, as_told, file_size, free_bytes, shortage_of

if TYPE_CHECKING:
    import sqlite3

    from semsearch.sources.differences import StatCheck

app = typer.Typer(
    name="semsearch",
    help="Index local document folders and search them by word and by meaning, offline.",
    add_completion=True,
    rich_markup_mode=None,  # help and messages may hold [brackets]
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("index")(index.command)
app.command("search", cls=QueryCommand)(search.command)
app.command("ask", cls=QueryCommand)(ask.command)
app.command("browse", cls=QueryCommand)(browse.command)
app.command("config")(config.command)
app.add_typer(bench.app)
app.add_typer(models.app)
app.command("quantize")(quantize.command)
app.command("tune")(tune.command)
app.command("copy")(copy.command)
app.command("open")(open_result.command)
app.command("show")(show.command)
app.command("serve")(serve.command)
app.command("mcp")(mcp.command)
app.command("status")(status.command)
app.command("verify")(verify.command)
app.command("why", cls=QueryCommand)(why.command)


def _list_whole_sentences(listed: typer.Typer) -> None:
    """Has `--help` list what each command does in one whole sentence; by itself it cuts them at 45 characters."""
    for command in listed.registered_commands:
        command.short_help = _first_sentence(command.callback.__doc__ if command.callback else None)
    for group in listed.registered_groups:
        if group.typer_instance is not None:
            info = group.typer_instance.info
            info.short_help = _first_sentence(info.help)
            _list_whole_sentences(group.typer_instance)


def _first_sentence(text: str | None) -> str:
    line = (text or "").strip().split("\n", 1)[0]
    return line.split(". ")[0].removesuffix(".") + "."


_list_whole_sentences(app)


# Part of a usage error -> hint, for flags that other tools have.
_USAGE_HINTS = {
    "No such option: -n": "the number of results is -k",
    "No such option: --limit": "the number of results is -k",
    "No such option: --top": "the number of results is -k",
    "unexpected extra argument": "a query of several words stands in quotes; the folder or index is named with -i",
}


def _version(value: bool) -> None:
    if value:
        print(f"semsearch {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


@cache
def parser() -> typer.core.TyperGroup:
    """What parses the arguments of all commands; made once, which takes 20 ms."""
    command = typer.main.get_command(app)
    assert isinstance(command, typer.core.TyperGroup)
    return command


def run(arguments: Sequence[str], checked: "StatCheck | None" = None) -> int:
    """Runs one command and returns the exit code; an error is printed as one line, without a traceback.

    `checked`: how the folders differ from the index, if `unchanged.answer` has compared them already.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Characters that the output's encoding lacks become escapes; in UTF-8 these are lone surrogates only.
        sys.stdout.reconfigure(errors="backslashreplace")
    if arguments and arguments[0] in ("--show-completion", "--install-completion") and len(arguments) == 2:
        # Without this variable Typer ignores the name of the shell that was given, and guesses, which may fail.
        os.environ["_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION"] = "1"
    if urls := secret_urls(arguments):
        places = dict.fromkeys(place_of_password(url) for url, _ in urls)
        render.announce(
            f"others on this machine can see the password in a URL of the command line: put it {' and '.join(places)}"
        )
    command = parser()
    try:
        if "_SEMSEARCH_COMPLETE" in os.environ:
            command.main(list(arguments), prog_name="semsearch")
        code = _invoke(command, with_rerank_value(arguments) or ["--help"], checked)
        sys.stdout.flush()
        return code
    except (Exception, KeyboardInterrupt) as error:
        return failed(error, arguments)
    except BaseException as error:  # a panic of the tokenizers, which is no Exception
        if shortage_of(error) is None:
            raise
        return failed(error, arguments)


def _invoke(command: "Any", arguments: Sequence[str], checked: "StatCheck | None") -> int:
    # Not command.main, which turns interrupts and closed pipes into exit codes of its own.
    try:
        with command.make_context("semsearch", arguments, obj=checked) as context:
            return int(command.invoke(context) or 0)
    except typer.Exit as finished:
        return finished.exit_code


def failed(error: BaseException, arguments: Sequence[str]) -> int:
    """Prints `error` as one line on stderr and returns its exit code."""
    if isinstance(error, KeyboardInterrupt | typer.Abort) or interrupts.came():
        interrupts.say()
        return interrupts.EXIT_CODE
    if isinstance(error, BrokenPipeError):
        # The reader of the pipe has closed it. Without this, Python would raise again when it flushes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    if isinstance(error, ParameterError):
        usage_error = UsageError(f"{flag_of(error.parameter)} {error.problem}", error.hint)
        return fail(usage_error, arguments, usage_error.exit_code)
    if isinstance(error, SemsearchError):
        return fail(error, arguments, error.exit_code)
    if shortage := shortage_of(error):
        return fail(shortage, arguments, shortage.exit_code)
    if isinstance(error, OSError):
        told = as_told(error)
        if error.errno == errno.ENOENT and error.filename is None and _working_folder_is_gone():
            told = SemsearchError("the working folder is gone", "go to a folder that is there: cd ~", code="os")
        if error.errno == errno.EBADF and error.filename == STANDARD_OUTPUT:
            told.hint = "it is closed; to throw away what is printed: >/dev/null"
        return fail(told, arguments, told.exit_code)
    return _unexpected(error, arguments)


def _unexpected(error: BaseException, arguments: Sequence[str]) -> int:
    """Prints errors of other libraries: usage errors of the parser, errors of SQLite, and defects.

    With `SEMSEARCH_DEBUG=1` a defect is raised again, so that its traceback is shown.
    """
    import sqlite3

    if hasattr(error, "format_message") and hasattr(error, "exit_code"):
        context = getattr(error, "ctx", None)
        path = context.command_path if context else "semsearch"
        message = error.format_message()
        known = next((hint for words, hint in _USAGE_HINTS.items() if words in message), f"see: {path} --help")
        hint = query_hint(arguments, error) or known
        return fail(SemsearchError(message.rstrip("."), hint, code="usage"), arguments, 2)
    # Not a misuse of the library, which is a defect like any other.
    if isinstance(error, sqlite3.Error) and not isinstance(error, sqlite3.ProgrammingError | sqlite3.InterfaceError):
        if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_INTERRUPT:
            damaged = IndexDamagedError(
                "the catalog of the index is damaged: what it is asked does not end", "semsearch verify --repair"
            )
            return fail(damaged, arguments, damaged.exit_code)
        told = _of_catalog(error)
        return fail(told, arguments, told.exit_code)
    if os.environ.get("SEMSEARCH_DEBUG"):
        raise error
    return fail(
        SemsearchError(
            f"unexpected {type(error).__name__}: {error}",
            "this is a defect in semsearch; SEMSEARCH_DEBUG=1 shows where",
            code="internal",
        ),
        arguments,
        2,
    )


def _of_catalog(error: "sqlite3.Error") -> SemsearchError:
    """An error of SQLite, which says no more than that input or output failed."""
    index = next(iter(getattr(error, "__notes__", ())), "")  # see `store.local.damage.about_index`
    hint = NO_SPACE_HINT
    if "full" not in str(error) and not _is_full(index):
        limit = "" if file_size() is None else "raise the limit on file sizes (ulimit -f), or "
        exists = os.path.exists(os.path.join(index, CATALOG_FILE))
        verify = f"semsearch verify --index {for_shell(index)}" if index else "semsearch verify"
        hint = f"{limit}check the disk, then: {verify}" if exists or not index else f"{limit}check the disk"
    return SemsearchError(f"the catalog of the index{index and f' {index}'}: {error}", hint, code="catalog")


def _working_folder_is_gone() -> bool:
    try:
        os.getcwd()
    except FileNotFoundError:
        return True
    return False


def _is_full(folder: str) -> bool:
    """Whether a page of a catalog, or of the memory that its processes share, has no room on the disk of `folder`."""
    try:
        return free_bytes(folder) < 1 << 15
    except OSError:
        return False
