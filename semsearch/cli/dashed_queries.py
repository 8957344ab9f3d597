"""Queries that begin with a minus, `-draft` or `-path:old emeralds`, told from options."""

import re
import shlex
from collections.abc import Collection, Sequence

from typer.core import TyperCommand

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# What excludes something (one or two letters exclude nothing), or looks so.
_EXCLUSION = re.compile(r"-[^-\s].{2,}", re.DOTALL)
_BLANK = re.compile(r"\s")


class QueryCommand(TyperCommand):
    """A command with a query: an argument with a blank in it is taken for one, though it begins with a minus."""

    def parse_args(self, ctx: "Any", args: list[str]) -> list[str]:
        with_value = {name for option in self.params for name in option.opts if not getattr(option, "is_flag", True)}
        return super().parse_args(ctx, _queries_last(args, with_value))


def _queries_last(arguments: Sequence[str], with_value: Collection[str]) -> list[str]:
    """`arguments` with all that are no options after `--`, if one of these begins with a minus.

    `with_value`: the options that have a value.
    """
    options: list[str] = []
    others: list[str] = []
    remaining = list(arguments)
    while remaining:
        argument = remaining.pop(0)
        if argument == "--":
            others += remaining
            break
        if not argument.startswith("-") or argument == "-" or _is_query(argument, with_value):
            others.append(argument)
            continue
        options.append(argument)
        if remaining and _value_follows(argument, with_value):
            options.append(remaining.pop(0))
    return [*options, "--", *others] if any(_is_query(other, with_value) for other in others) else list(arguments)


def _is_query(argument: str, with_value: Collection[str]) -> bool:
    """Whether `argument` begins with a minus and can be no option: no name has a blank in it, values may have one."""
    name = argument.partition("=")[0] if argument.startswith("--") else argument
    return argument.startswith("-") and _BLANK.search(name) is not None and argument[:2] not in with_value


def _value_follows(argument: str, with_value: Collection[str]) -> bool:
    """Whether the next argument is the value of the last option in `argument`."""
    if argument.startswith("--"):
        return argument in with_value
    first = next((number for number, letter in enumerate(argument) if f"-{letter}" in with_value), 0)
    return first == len(argument) - 1


def query_hint(arguments: Sequence[str], error: BaseException) -> str:
    """How to write the query that the parser took for options, as `error` tells; empty where nothing looks like one.

    `arguments`: those of the whole command line.
    """
    if not arguments or arguments[0] not in ("search", "ask", "why"):
        return ""
    unknown = getattr(error, "option_name", "")
    known = getattr(getattr(error, "param", None), "opts", ())
    given = arguments[: arguments.index("--")] if "--" in arguments else arguments
    for query in filter(_EXCLUSION.fullmatch, given):
        if (unknown and unknown[1:] in query) or (query[:2] in known and _BLANK.search(query)):
            others = [one for one in arguments if one not in (query, "--")]
            if arguments[0] == "why":
                others, query = ["why"], f"{shlex.quote(query)} FILE"
            else:
                query = shlex.quote(query)
            return f"a query that begins with a minus stands after --: semsearch {shlex.join(others)} -- {query}"
    return ""
