"""The user's configuration file: where it is, and its table as TOML gives it. `settings` checks keys and values."""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from semsearch.errors import UsageError

_NAME = "semsearch/config.toml"
# The content that was read last, and its table: a command asks for several settings.
_parsed: "tuple[bytes, dict[str, object]]" = (b"", {})


def config_file() -> str:
    """The path of the user's configuration file, whether or not it exists."""
    # The same path as platformdirs gives. Importing platformdirs would slow down an unchanged run of `index`.
    if str(sys.platform).startswith("linux"):  # without str(), mypy takes the rest of the function for unreachable
        folder = os.environ.get("XDG_CONFIG_HOME", "")
        return os.path.join(folder if os.path.isabs(folder) else os.path.expanduser("~/.config"), _NAME)
    import platformdirs

    return os.path.join(platformdirs.user_config_dir("semsearch", appauthor=False), "config.toml")


def read_table(path: str) -> dict[str, object]:
    """The table of the TOML file at `path`; empty when there is no file. Raises `UsageError` for invalid TOML."""
    global _parsed
    try:
        with open(path, "rb") as file:
            data = file.read()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    if data == _parsed[0]:
        return _parsed[1]
    import tomllib

    from semsearch.errors import UsageError

    try:
        _parsed = data, tomllib.loads(data.decode())
        return _parsed[1]
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {error}", "correct the file or remove it") from None


def unknown_key(path: str, key: str, known: "Collection[str]") -> "UsageError":
    """The error for a `key` in the file at `path` that is not one of the `known` settings."""
    import difflib

    from semsearch.errors import UsageError

    if key in ("api_key", "openai_api_key"):
        return UsageError(f"{path}: {key} does not belong into a file", "set OPENAI_API_KEY in the environment")
    similar = difflib.get_close_matches(key, list(known), 1)
    hint = f"did you mean {similar[0]}?" if similar else f"known: {', '.join(known)}"
    return UsageError(f"{path}: no setting called {key}", hint)
