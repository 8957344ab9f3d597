"""`semsearch models`: the table of embedding models; recommends, downloads, finds and verifies one."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, Annotated

import typer

from semsearch.cli import render
from semsearch.cli.flags import known_models
from semsearch.cli.tables import Column, print_table
from semsearch.errors import UsageError, for_shell

if TYPE_CHECKING:
    from semsearch.embedding.model_table import ModelCard

app = typer.Typer(
    name="models",
    help="The embedding models semsearch knows; alone: the table of them.",
    rich_markup_mode=None,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="A name in: semsearch models.", autocompletion=known_models)]
Trust = Annotated[
    bool, typer.Option("--trust-remote-code", help="Run the code that the folder of the model brings along.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object (semsearch.models/1).")]


@app.callback()
def list_models(context: typer.Context, as_json: Json = False) -> None:
    """List the models semsearch knows: length of vectors, window, languages, licence, size or price.

    \b
    Examples:
      semsearch models
      semsearch models --json | jq -r '.models[] | select(.matryoshka != []).name'
      semsearch models recommend --multilingual --low-latency
      semsearch models pull bge-small-en-v1.5
    """
    if context.invoked_subcommand is not None:
        return
    from semsearch.embedding.model_table import cards

    if as_json:
        render.print_json({"schema": "semsearch.models/1", "models": [card.as_dict() for card in cards()]})
        return
    print_table(_COLUMNS, [_row(card) for card in cards()])


_COLUMNS = [
    Column("model"), Column("runs"), Column("numbers", True, 1), Column("cut to", spare=4), Column("window", True, 3),
    Column("languages"), Column("licence", spare=2), Column("size or price", True),
]  # fmt: skip
# A longer text than a name or a number is for `models show`.
_LONGEST_LANGUAGES = 10


def _row(card: "ModelCard") -> list[str]:
    return [
        card.name,
        card.kind,
        str(card.dim),
        f"{card.matryoshka[0]}+" if card.matryoshka else "",
        f"{card.window:,}",
        card.languages if len(card.languages) <= _LONGEST_LANGUAGES else "many",
        card.licence,
        _cost(card),
    ]


def _cost(card: "ModelCard") -> str:
    if card.is_api:
        return "" if card.price_usd is None else f"${card.price_usd:g}/M tokens"
    return f"{card.size_mb:,} MB" if card.size_mb else "-"


@app.command("show")
def show(name: Name, as_json: Json = False) -> int:
    """Print all that is known of a model, such as what stands before a query and a passage.

    \b
    Examples:
      semsearch models show bge-small-en-v1.5
      semsearch models show e5-base-v2 --json | jq .model.query_prefix
    """
    from semsearch.embedding.model_table import required

    card = required(name)
    if as_json:
        render.print_json({"schema": "semsearch.models/1", "model": card.as_dict()})
        return 0
    told = {
        "model": card.name,
        "runs": card.kind,
        "repository": card.repository,
        "numbers": str(card.dim),
        "cut to": ", ".join(map(str, card.matryoshka)),
        "window": f"{card.window:,} tokens",
        "languages": card.languages,
        "licence": card.licence,
        "price" if card.is_api else "size": _cost(card),
        "before a query": card.query_prefix,
        "before a passage": card.passage_prefix,
        "task of a query": card.query_task,
        "task of a passage": card.passage_task,
        "own code": "needed: --trust-remote-code" if card.remote_code else "",
        "note": card.note,
    }
    for label, value in told.items():
        if value.strip("-"):
            # As JSON has it, as blanks and line ends of a prefix matter.
            shown = json.dumps(value, ensure_ascii=False) if label.startswith("before") else value
            render.write(f"{label:<16}  {shown}")
    return 0


@app.command("recommend")
def recommend(
    multilingual: Annotated[bool, typer.Option("--multilingual", help="Documents that are not all English.")] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Nothing may leave this machine.")] = False,
    low_latency: Annotated[
        bool, typer.Option("--low-latency", help="A query must be encoded within 0.1 s on this processor.")
    ] = False,
    commercial: Annotated[bool, typer.Option("--commercial", help="The licence must allow commercial use.")] = False,
    budget: Annotated[
        float | None, typer.Option(metavar="USD", help="Most dollars per million tokens of a provider's model.")
    ] = None,
    memory: Annotated[float | None, typer.Option(metavar="GB", help="Most memory the weights may take.")] = None,
    as_json: Json = False,
) -> int:
    """Say which model fits, and why; exit code 1: none does.

    Speeds on this machine are estimated by that of the packaged model, which is measured for a second.

    \b
    Examples:
      semsearch models recommend --multilingual --offline
      semsearch models recommend --budget 0.05
    """
    from semsearch.embedding.measured_speed import measured_speed
    from semsearch.embedding.recommendation import Requirements, recommended

    wishes = Requirements(multilingual, offline, low_latency, commercial, budget, memory)
    fitting = recommended(wishes, measured_speed(render.announce))
    if as_json:
        rows = [
            {
                "name": model.card.name,
                "why": list(model.reasons),
                "passages_per_second": None if model.speed is None else float(f"{model.speed.passages:.2g}"),
                "query_seconds": None if model.speed is None else float(f"{model.speed.query:.2g}"),
            }
            for model in fitting
        ]
        render.print_json({"schema": "semsearch.models/1", "recommended": rows})
    else:
        for rank, model in enumerate(fitting[:3], 1):
            render.write(f"{rank}  {model.card.name}: {'; '.join(model.reasons)}")
        if fitting:
            render.write(f"take it with: semsearch index FOLDER --model {fitting[0].card.name}")
        else:
            render.announce("no model in the table fits all of that; leave one wish out")
    return 0 if fitting else 1


@app.command("pull")
def pull(name: Name) -> int:
    """Download a model into the local Hugging Face cache; its size and licence are told first."""
    from semsearch.embedding.downloads import pull_model

    render.write_raw(pull_model(name, render.announce))
    return 0


@app.command("path")
def path(name: Name) -> int:
    """Print the folder a model is in on this machine."""
    from semsearch.embedding.resolve import resolve
    from semsearch.errors import ModelError

    source = resolve(name)
    if source.kind == "api":
        raise ModelError(f"{name} is behind an API: there is no folder of it", "", code="model_not_found")
    render.write_raw(source.folder)
    return 0


@app.command("prepare")
def prepare(name: Name, trust_remote_code: Trust = False) -> int:
    """Prepare a model for this machine before it is needed, as the first `index` with it would; the time is told.

    Of one that makes learned sparse vectors these as well, for `index --sparse`.

    \b
    Examples:
      semsearch models prepare all-MiniLM-L6-v2
      semsearch models prepare ./my-model
    """
    from semsearch.cli.interrupts import interruptible
    from semsearch.embedding.preparing import prepare as prepare_now

    with interruptible(commits=False):
        for line in prepare_now(name, trust_remote_code, render.announce):
            render.write(line)
    return 0


@app.command("export")
def export(
    name: Name, file: Annotated[str, typer.Argument(metavar="FILE", help="The archive to write; -: standard output.")]
) -> int:
    """Write a prepared model into one file, for an image or a machine without a network; see `models import`.

    \b
    Examples:
      semsearch models export bge-small-en-v1.5 bge.tar
      semsearch models export bge-small-en-v1.5 - | ssh nas semsearch models import -
    """
    from semsearch.cli.interrupts import interruptible
    from semsearch.embedding.exchange import export_model

    with interruptible(commits=False), _written(file) as out:
        export_model(name, out, render.announce)
    return 0


@app.command("import")
def import_from(
    file: Annotated[str, typer.Argument(metavar="FILE", help="What `models export` wrote; -: standard input.")],
) -> int:
    """Take a prepared model from a file; `index --model NAME` needs nothing else then.

    \b
    Example:
      semsearch models import bge.tar
    """
    from semsearch.cli.interrupts import interruptible
    from semsearch.embedding.exchange import import_model

    with interruptible(commits=False), _read(file) as content:
        info = import_model(content, "standard input" if file == "-" else file)
    render.write(f"{info.name}: {info.dim} numbers, {info.runtime}; use it with: index --model {for_shell(info.name)}")
    return 0


@app.command("verify")
def verify(
    name: Name,
    trust_remote_code: Trust = False,
    as_json: Json = False,
) -> int:
    """Prepare a model anew and compare it with sentence-transformers; a provider's model is asked for two vectors."""
    from semsearch.cli.interrupts import interruptible
    from semsearch.embedding.checking import check_model

    with interruptible(commits=False):
        report = check_model(name, trust_remote_code, render.announce)
    if as_json:
        render.print_json({"schema": "semsearch.models/1", "verified": report})
        return 0
    for key, value in report.items():
        render.write(f"{key.replace('_', ' '):<22}  {value}")
    return 0


@contextmanager
def _written(name: str) -> Iterator[IO[bytes]]:
    """The file called `name`, which is there when it is whole; `-`: standard output."""
    if name == "-":
        if sys.stdout.isatty():
            raise UsageError("an archive is nothing for a terminal", "name a file, or pipe it: ... - | ssh HOST ...")
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    part = f"{name}.part"
    try:
        with open(part, "wb") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        os.replace(part, name)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(part)
        raise


@contextmanager
def _read(name: str) -> Iterator[IO[bytes]]:
    """The file called `name`; `-`: standard input."""
    if name == "-":
        yield sys.stdin.buffer
        return
    with open(name, "rb") as file:
        yield file
