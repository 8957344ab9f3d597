"""The errors that semsearch raises on purpose.

Each says what happened, to which file, and what to do next. The command line turns them into one line on stderr, or one
JSON object, and an exit code (`cli.app`).
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def for_shell(word: str) -> str:
    """`word`, a path or a name, as it stands in a command that is to be copied into a shell."""
    from shlex import quote  # when there is an error to tell: it is not light

    return quote(word)


class SemsearchError(Exception):
    """An error that the user can do something about.

    `message`: what happened, and to which file. `hint`: what to do next, may be empty. `code`: a word for programs,
    which does not change between versions. `exit_code`: that of the process.
    """

    code = "error"
    exit_code = 2

    def __init__(self, message: str, hint: str = "", *, code: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if code:
            self.code = code

    def __reduce__(self) -> "tuple[Any, ...]":
        # `Exception` would call `__init__` with the message alone.
        return _again, (type(self), self.args, self.__dict__)


def _again(kind: type[SemsearchError], arguments: tuple[object, ...], state: dict[str, object]) -> SemsearchError:
    error = kind.__new__(kind, *arguments)
    error.__dict__.update(state)
    return error


class UsageError(SemsearchError):
    """A flag or an argument with an invalid value."""

    code = "usage"


class ParameterError(UsageError):
    """A parameter of the Python API with an invalid value.

    `parameter`: its name in Python, for which the command line puts the flag. `problem`: the rest of the sentence that
    begins with the name.
    """

    def __init__(self, parameter: str, problem: str, hint: str = "") -> None:
        super().__init__(f"{parameter} {problem}", hint)
        self.parameter = parameter
        self.problem = problem


class UnknownFileError(UsageError):
    """No indexed file is shown under the name that was given."""

    code = "unknown_file"


class IndexNotFoundError(SemsearchError):
    """There is no index at the given path, or in the working folder and those above it."""

    code = "no_index"


class IndexDamagedError(SemsearchError):
    """A file of the index is missing, cut off, or differs from what the catalog says about it."""

    code = "damaged_index"


class TokenVectorsDamagedError(IndexDamagedError):
    """The token vectors that an index keeps are not what was written; nothing else of it is damaged by that."""


class ModelError(SemsearchError):
    """A model cannot be found or loaded, or is not the one that the index was built with."""

    code = "model"


class LockedError(SemsearchError):
    """Another process is writing this index. The exit code is EX_TEMPFAIL of sysexits.h."""

    code = "locked"
    exit_code = 75


class DatabaseError(SemsearchError):
    """The database of an index cannot be reached, refuses what is asked of it, or holds something else."""

    code = "database"


class VectorEngineError(SemsearchError):
    """A vector database cannot be reached, refuses what is asked of it, or holds something else."""

    code = "vector_engine"


class ReadError(SemsearchError):
    """One document cannot be read; the run goes on without it.

    `skip`: it is left out by rule (binary, too large, no text), rather than damaged.
    """

    code = "unreadable"

    def __init__(self, message: str, *, skip: bool = False) -> None:
        super().__init__(message)
        self.skip = skip
