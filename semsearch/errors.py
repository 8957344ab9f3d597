"""The errors semsearch raises on purpose.

Each says what happened, to which file, and what to do next. They are caught in one place, `cli`, which
turns them into one line on stderr (or one JSON object) and an exit code.
"""


class SemsearchError(Exception):
    """A failure the user can act on.

    `message` says what happened and to what; `hint` says what to do next (may be empty); `code` is the
    stable word of the JSON error object; `exit_code` is what the process returns.
    """

    code = "error"
    exit_code = 2

    def __init__(self, message: str, hint: str = "", *, code: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if code:
            self.code = code


class UsageError(SemsearchError):
    """A flag or an argument that makes no sense."""

    code = "usage"


class ParameterError(UsageError):
    """A parameter of the library with a value that makes no sense.

    `parameter` is its name in Python; the command line names its flag instead. `problem` goes on after the name.
    """

    def __init__(self, parameter: str, problem: str, hint: str = "") -> None:
        super().__init__(f"{parameter} {problem}", hint)
        self.parameter = parameter
        self.problem = problem


class IndexNotFoundError(SemsearchError):
    """No index at the given path, or none upwards of the working folder."""

    code = "no_index"


class IndexDamagedError(SemsearchError):
    """A file of the index is missing, cut short or not what the catalog says it is."""

    code = "damaged_index"


class ModelError(SemsearchError):
    """A model that cannot be found or loaded, or is not the one that built the index."""

    code = "model"


class LockedError(SemsearchError):
    """Another writer holds the lock of this index (sysexits.h: EX_TEMPFAIL)."""

    code = "locked"
    exit_code = 75


class ReadError(SemsearchError):
    """One document could not be read; the run goes on without it.

    `skip` tells a file that was left out by rule (binary, too large, no text) from one that failed.
    """

    code = "unreadable"

    def __init__(self, message: str, *, skip: bool = False) -> None:
        super().__init__(message)
        self.skip = skip
