"""What may be asked of a service: one table, by which requests are checked and by which they are described.

The parameters of an operation are the same over HTTP and for MCP, where only their defaults differ.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from semsearch.errors import ParameterError, UsageError
from semsearch.plurals import count_of

Kind = Literal["text", "texts", "integer", "number", "boolean"]

_MOST_CHARACTERS = 8_000
_MOST_TEXTS = 20
_MOST_SHOWN = 60
# A search ranks as many as are left out; files and lines are counted off, and there are fewer anywhere.
MOST_SEARCHED = 1_000
_MOST_LISTED = 1_000_000_000
_TRUE, _FALSE = ("1", "true", "yes", "on", ""), ("0", "false", "no", "off")


@dataclass(frozen=True)
class Parameter:
    """One parameter of an operation.

    `kind`: `texts` is a list of texts, in a URL the parameter repeated. `least`, `most`: bounds of a number, inclusive;
    of a text or of each of the texts `most` characters. `choices`: the only values of a text. `default`: None stands
    for "not given".
    """

    name: str
    kind: Kind
    help: str
    default: Any = None
    required: bool = False
    least: float = 0
    most: float = _MOST_CHARACTERS
    choices: tuple[str, ...] = ()

    def schema(self) -> dict[str, Any]:
        """Its JSON schema."""
        text: dict[str, Any] = {"type": "string", "maxLength": int(self.most)}
        if self.choices:
            text = {"type": "string", "enum": list(self.choices)}
        found: dict[str, Any] = {
            "text": text,
            "texts": {"type": "array", "items": text, "maxItems": _MOST_TEXTS},
            "integer": {"type": "integer", "minimum": int(self.least), "maximum": int(self.most)},
            "number": {"type": "number", "minimum": self.least, "maximum": self.most},
            "boolean": {"type": "boolean"},
        }[self.kind]
        default = {} if self.default is None else {"default": self.default}
        return {**found, "description": self.help, **default}

    def checked(self, value: Any) -> Any:
        """`value`, of the right type and within bounds. Raises `ParameterError`."""
        kinds: dict[str, tuple[type | tuple[type, ...], str]] = {
            "text": (str, "a text"),
            "texts": ((list, tuple), "a list of texts"),
            "integer": (int, "a whole number"),
            "number": ((int, float), "a number"),
            "boolean": (bool, "true or false"),
        }
        wanted, called = kinds[self.kind]
        is_wanted: bool = isinstance(value, wanted) and (self.kind == "boolean" or not isinstance(value, bool))
        if not is_wanted:
            raise ParameterError(self.name, f"is not {called}", f"give {called}")
        if self.kind in ("text", "texts"):
            texts = [value] if self.kind == "text" else value
            if len(texts) > _MOST_TEXTS:
                raise ParameterError(self.name, f"has {count_of(len(texts), 'value')}", f"give at most {_MOST_TEXTS}")
            for text in texts:
                self._check_text(text)
            return value if self.kind == "text" else tuple(value)
        if self.kind in ("integer", "number") and not self.least <= value <= self.most:
            raise ParameterError(
                self.name, f"{_shortened(str(value))} is out of range", f"give {self.least:.15g} to {self.most:.15g}"
            )
        return value

    def _check_text(self, text: Any) -> None:
        if not isinstance(text, str):
            raise ParameterError(self.name, "is not a list of texts", "give a list of texts")
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ParameterError(self.name, "holds half of a character", "send text as UTF-8") from None
        if self.choices and text not in self.choices:
            raise ParameterError(
                self.name, f"{_shortened(text)} is not known", "give one of: " + ", ".join(self.choices)
            )
        if len(text) > self.most:
            raise ParameterError(
                self.name, f"has {count_of(len(text), 'character')}", f"give at most {int(self.most):,}"
            )

    def read(self, values: Sequence[str]) -> Any:
        """What the `values` of a URL mean. Raises `ParameterError`."""
        if self.kind == "texts":
            return list(values)
        if len(values) > 1:
            raise ParameterError(self.name, "is given more than once", "give it once")
        text = values[0]
        if self.kind == "text":
            return text
        if self.kind == "boolean":
            word = text.strip().lower()
            if word not in (*_TRUE, *_FALSE):
                raise ParameterError(self.name, f"{_shortened(text)} is not true or false", "give true or false")
            return word in _TRUE
        try:
            # Longer ones are out of range, or not numbers that anybody means.
            return (int if self.kind == "integer" else float)(text[:40])
        except ValueError:
            called = "a whole number" if self.kind == "integer" else "a number"
            raise ParameterError(self.name, f"{_shortened(text)} is not {called}", f"give {called}") from None


def _shortened(text: str) -> str:
    return text if len(text) <= _MOST_SHOWN else text[:_MOST_SHOWN] + "…"


@dataclass(frozen=True)
class Operation:
    """Something that may be asked: `name`, what it is (`help`), and its `parameters`."""

    name: str
    help: str
    parameters: tuple[Parameter, ...]

    def checked(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The value of every parameter, its default where `given` lacks it or has None.

        Raises `ParameterError` for a value that may not be, `UsageError` for a parameter that there is not.
        """
        names = [one.name for one in self.parameters]
        for name in given:
            if name not in names:
                known = "it takes: " + ", ".join(names) if names else "it takes none"
                raise UsageError(f"{self.name} has no parameter called {_shortened(str(name))}", known)
        values = {}
        for one in self.parameters:
            value = given.get(one.name)
            if value is None:
                if one.required:
                    raise ParameterError(one.name, "is missing", one.help)
                values[one.name] = () if one.kind == "texts" else one.default
            else:
                values[one.name] = one.checked(value)
        return values

    def read(self, given: Mapping[str, Sequence[str]]) -> dict[str, Any]:
        """What the parameters of a URL mean, to be `checked`. Raises `ParameterError`."""
        by_name = {one.name: one for one in self.parameters}
        return {name: by_name[name].read(values) if name in by_name else values for name, values in given.items()}

    def schema(self) -> dict[str, Any]:
        """The JSON schema of an object with its parameters."""
        return {
            "type": "object",
            "properties": {one.name: one.schema() for one in self.parameters},
            "required": [one.name for one in self.parameters if one.required],
            "additionalProperties": False,
        }

    def with_defaults(self, **defaults: Any) -> "Operation":
        """The same with other defaults."""
        changed = tuple(
            replace(one, default=defaults[one.name]) if one.name in defaults else one for one in self.parameters
        )
        return replace(self, parameters=changed)

    def without(self, *names: str) -> "Operation":
        """The same without some parameters."""
        return replace(self, parameters=tuple(one for one in self.parameters if one.name not in names))


_FILTERS = (
    Parameter("path", "texts", "Only files whose path matches one of these globs, such as docs/**.", most=1_000),
    Parameter("type", "texts", "Only files of these types, such as pdf, md, py.", most=50),
    Parameter("where", "texts", "Only files with this metadata, KEY=VALUE; VALUE may be a glob.", most=1_000),
    Parameter("since", "text", "Only files dated so or later: 2025-03-01, 2025, 30d, yesterday.", most=50),
    Parameter("before", "text", "Only files dated before: 2025-03-01, 2025, 30d, yesterday.", most=50),
)
_MODE = Parameter(
    "mode", "text", "Meaning and words, or one of them.", "hybrid", choices=("hybrid", "dense", "lexical", "sparse")
)
_MIN_SCORE = Parameter(
    "min_score", "number", "Only results with this score or more. Not given: none when all are below 0.1.", most=1
)
_OFFSET = Parameter("offset", "integer", "How many to leave out at the beginning, to page on.", 0, most=_MOST_LISTED)

SEARCH = Operation(
    "search",
    "The passages that answer a query best, by words and by meaning.",
    (
        Parameter(
            "query",
            "text",
            'What to look for: words or a question. "a phrase", -without, prefix*, path:, type: and title: are'
            " understood.",
            required=True,
        ),
        Parameter("k", "integer", "How many results.", 10, least=1, most=100),
        replace(_OFFSET, most=MOST_SEARCHED),
        _MODE,
        Parameter("group", "text", "One result for each passage or for each file.", "chunk", choices=("chunk", "file")),
        *_FILTERS,
        _MIN_SCORE,
        Parameter("context", "integer", "How many lines around the best sentence.", 0, most=20),
        Parameter("literal", "boolean", 'The query has no syntax: " - * and fields are text like any other.', False),
    ),
)
ASK = Operation(
    "ask",
    "The answer to a question, with the place of every statement.",
    (
        Parameter("question", "text", "What you want to know.", required=True),
        Parameter("k", "integer", "How many passages to read.", 6, least=1, most=20),
        Parameter(
            "llm",
            "boolean",
            "Let the language model of the service write the answer; without it the best sentences are quoted.",
            False,
        ),
        _MODE,
        *_FILTERS,
        _MIN_SCORE,
    ),
)
PASSAGE = Operation(
    "passage",
    "The text of a file as it is indexed, whole or in part.",
    (
        Parameter(
            "path", "text", "The file, as results show it; also a place: a.md:12, b.pdf:p3.", required=True, most=4_096
        ),
        Parameter("lines", "text", "Which lines: 12, 12-30, or 12- to the end.", most=50),
        Parameter("page", "text", "Which pages of a document that has pages: 3, or 3-5.", most=50),
        Parameter("context", "integer", "How many lines around these.", 0, most=1_000),
        _OFFSET,
        Parameter("limit", "integer", "How many lines at most.", 400, least=1, most=5_000),
    ),
)
FILES = Operation(
    "files",
    "The files that the index holds.",
    (
        *_FILTERS,
        _OFFSET,
        Parameter("limit", "integer", "How many files at most.", 100, least=1, most=1_000),
    ),
)
STATUS = Operation("status", "What the indexes hold and how old they are.", ())

OPERATIONS = (SEARCH, ASK, PASSAGE, FILES, STATUS)
