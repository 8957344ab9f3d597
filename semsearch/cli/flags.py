"""Flags that several commands have, and the objects of the library that their values become."""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Annotated

import typer

from semsearch.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from semsearch.answering.llm import LlmSettings
    from semsearch.store.records import Filters


def values(*known: str) -> Callable[[str], list[str]]:
    """A completion function for an option whose values are `known`."""
    return lambda incomplete: [value for value in known if value.startswith(incomplete)]


def _types(incomplete: str) -> list[str]:
    from semsearch.sources.document_types import type_names

    return [name for name in type_names() if name.startswith(incomplete)]


def known_models(incomplete: str) -> list[str]:
    """Completes the name of a model."""
    from semsearch.embedding.model_table import cards

    return values(*(card.name for card in cards()))(incomplete)


def known_indexes(incomplete: str) -> list[str]:
    """Completes an index: its name, or a folder in the working folder; other paths are left to the shell."""
    from semsearch.settings import index_names

    if "/" in incomplete or incomplete.startswith("~"):
        return []
    names, folders = [], []
    with suppress(UsageError):  # a mistake in the configuration file, which the command itself will tell
        names = list(index_names())
    with suppress(OSError), os.scandir() as entries:
        folders = [entry.name for entry in entries if entry.is_dir()]
    known = dict.fromkeys(sorted(names) + sorted(folders))
    return [name for name in values(*known)(incomplete) if incomplete or not name.startswith(".")]


# How an index is said everywhere.
INDEX = "PATH|NAME|URL"
# A list as well, as of several the last one would be taken without a word: see `only_index`.
IndexPath = Annotated[
    list[str] | None,
    typer.Option(
        "--index",
        "-i",
        metavar=INDEX,
        help="The index. Default: the nearest .semsearch upwards.",
        autocompletion=known_indexes,
    ),
]
Indexes = Annotated[
    list[str] | None,
    typer.Option(
        "--index",
        "-i",
        metavar=INDEX,
        help="The index. Default: the nearest .semsearch upwards. Repeatable.",
        autocompletion=known_indexes,
    ),
]
After = Annotated[
    str,
    typer.Option(
        "--after",
        metavar="TOKEN",
        help="On a replica of PostgreSQL, wait for what a run of index wrote; it tells TOKEN with --json.",
    ),
]
Update = Annotated[bool, typer.Option("--update", help="Bring the folders of the index up to date first.")]
Alpha = Annotated[
    float | None,
    typer.Option(metavar="X", help="Weight of meaning, 0 to 1. Default: by what the model knows of the language."),
]
MinScore = Annotated[
    float | None,
    typer.Option(
        "--min-score", metavar="X", help="Only results with this score or more. Default: none when all are below 0.1."
    ),
]
Rerank = Annotated[
    str | None,
    typer.Option("--rerank", metavar="[MODEL]", help="Read the best 50 again with a reranker and order by that."),
]
BaseUrl = Annotated[
    str | None,
    typer.Option("--base-url", metavar="URL", help="Any OpenAI-compatible endpoint. Default: OPENAI_BASE_URL."),
]
Expand = Annotated[
    bool,
    typer.Option("--expand", help="Let the language model say it in other words, and search for these, too."),
]
Queries = Annotated[
    str | None,
    typer.Option(metavar="FILE|-", help="Many queries: one a line, or JSON lines with _id and text."),
]
NoService = Annotated[bool, typer.Option("--no-service", help="Do not let a running `semsearch serve` answer.")]
Mode = Annotated[
    str,
    typer.Option(
        "--mode",
        metavar="hybrid|dense|lexical|sparse",
        help="Meaning and words, or one of them.",
        autocompletion=values("hybrid", "dense", "lexical", "sparse"),
    ),
]
Fusion = Annotated[
    str,
    typer.Option(
        "--fusion", metavar="convex|rrf", help="How both rankings become one.", autocompletion=values("convex", "rrf")
    ),
]
PathGlobs = Annotated[
    list[str] | None, typer.Option("--path", metavar="GLOB", help="Only files whose path matches. Repeatable.")
]
Types = Annotated[
    list[str] | None,
    typer.Option("--type", metavar="TYPE", help="Only this type: pdf, md, py ... Repeatable.", autocompletion=_types),
]
Where = Annotated[
    list[str] | None,
    typer.Option(
        "--where", metavar="KEY=VALUE", help="Only files with this metadata; VALUE may be a glob. Repeatable."
    ),
]
Since = Annotated[
    str | None,
    typer.Option("--since", metavar="DATE", help="Only files dated DATE or later: 2025-03-01, 2025, 30d, yesterday."),
]
Before = Annotated[str | None, typer.Option("--before", metavar="DATE", help="Only files dated before DATE.")]


def only_index(indexes: list[str] | None) -> str | None:
    """The index that `--index` names, of a command that is about one; None: it names none. Raises `UsageError`."""
    if indexes is not None and len(indexes) > 1:
        raise UsageError(
            "--index is given more than once, and this is about one index",
            "run it for each of them",
        )
    return indexes[0] if indexes else None


def chosen_filters(
    path: list[str] | None, type_: list[str] | None, where: list[str] | None, since: str | None, before: str | None
) -> "Filters":
    """The `Filters` that these flags describe. Raises `UsageError`."""
    from semsearch.retrieval.options import parse_where
    from semsearch.store.records import Filters

    return Filters(
        tuple(path or ()),
        tuple(type_ or ()),
        parse_where(where or ()),
        _moment("--since", since),
        _moment("--before", before),
    )


def chosen_llm(name: str | None, base_url: str | None, **limits: "Any") -> "LlmSettings | None":
    """The language model `name` at `base_url`, or at the configured server; None where `name` is None.

    `limits`: further fields of `LlmSettings`. Raises `UsageError`.
    """
    if name is None:
        if base_url is not None:
            raise UsageError("--base-url names a server but no model", "name the model with --llm")
        return None
    from semsearch import settings
    from semsearch.answering.llm import LlmSettings

    model = LlmSettings(name, base_url or settings.base_url(), **limits)
    model.endpoint()  # raises for an invalid address, before anything is searched
    return model


def chosen_reranker(flag: str | None) -> str | None:
    """The reranker that `--rerank` names, or the configured one for `--rerank` alone; None without the flag."""
    if flag is None:
        return None
    from semsearch.settings import rerank_model

    return flag or rerank_model()


def _moment(flag: str, text: str | None) -> float | None:
    if text is None:
        return None
    from semsearch.sources.dates import parse_flag

    seconds = parse_flag(text)
    if seconds is None:
        raise UsageError(f"{flag} {text} is not a date", "write it like 2025-03-01, 2025, 30d or yesterday")
    return seconds


def with_rerank_value(arguments: Sequence[str]) -> list[str]:
    """`arguments` with `--rerank` and `--rerank MODEL` as `--rerank=` and `--rerank=MODEL`.

    Typer has no options whose value may be left out. The next argument is taken for a model if it contains a slash
    (`cross-encoder/...`) or is a folder, and for the query if not.
    """
    result: list[str] = []
    remaining = list(arguments)
    while remaining:
        argument = remaining.pop(0)
        if argument == "--":
            return [*result, argument, *remaining]
        if argument == "--rerank":
            following = remaining[0] if remaining else ""
            may_be_name = not following.startswith("-") and not any(character.isspace() for character in following)
            if may_be_name and following and ("/" in following or os.path.isdir(following)):
                argument = f"--rerank={remaining.pop(0)}"
            else:
                argument = "--rerank="
        result.append(argument)
    return result


# Parameters of the library whose flag has another name.
_FLAGS = {"k": "-k", "context": "-C", "kind": "KIND"}


def flag_of(parameter: str) -> str:
    """The flag of a `parameter` of the library."""
    return _FLAGS.get(parameter, "--" + parameter.replace("_", "-"))
