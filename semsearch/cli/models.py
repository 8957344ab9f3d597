"""`semsearch models`: the table of embedding models; recommends, downloads, finds and verifies one."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from semsearch.cli import render
from semsearch.cli.flags import known_models
from semsearch.cli.tables import Column, print_table

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
        bool, typer.Option("--low-latency", help="Answers within a blink, on this processor.")
    ] = False,
    commercial: Annotated[bool, typer.Option("--commercial", help="The licence must allow commercial use.")] = False,
    budget: Annotated[
        float | None, typer.Option(metavar="USD", help="Most dollars per million tokens of a provider's model.")
    ] = None,
    memory: Annotated[float | None, typer.Option(metavar="GB", help="Most memory the weights may take.")] = None,
    as_json: Json = False,
) -> int:
    """Say which model fits, and why; exit code 1: none does.

    \b
    Examples:
      semsearch models recommend --multilingual --offline
      semsearch models recommend --budget 0.05
    """
    from semsearch.embedding.recommendation import Requirements, recommended

    fitting = recommended(Requirements(multilingual, offline, low_latency, commercial, budget, memory))
    if as_json:
        rows = [{"name": model.card.name, "why": list(model.reasons)} for model in fitting]
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


@app.command("verify")
def verify(
    name: Name,
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Run the code that the folder of the model brings along.")
    ] = False,
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
