"""Where semsearch finds its index, its cache and the user's defaults.

Precedence everywhere: flag > environment > user configuration file > default. This module reads, it never
writes, and it imports nothing heavy: the unchanged-folder path of `index` uses it.
"""

import os

INDEX_FOLDER = ".semsearch"
CATALOG_FILE = "catalog.db"
DEFAULT_MODEL = "all-MiniLM-L6-v2"
# Raised when the same text gives other chunks or other terms than before; an index of another one needs a rebuild.
ANALYSIS_VERSION = 1
DEFAULT_RERANKER = "cross-encoder/ms-marco-MiniLM-L-12-v2"
DEFAULT_MAX_FILE_SIZE = 20 * 1024 * 1024
DEFAULT_READ_SECONDS = 60
DEFAULT_READ_MEMORY = 2048
# Raised when readers learn to read what they could not; files that were skipped or failed are then tried again.
READERS_VERSION = 1


def cache_folder() -> str:
    """The folder for exported models: `SEMSEARCH_CACHE`, or the platform's cache folder."""
    chosen = os.environ.get("SEMSEARCH_CACHE") or _user_config().get("cache")
    if chosen:
        return os.path.abspath(os.path.expanduser(str(chosen)))
    import platformdirs

    return platformdirs.user_cache_dir("semsearch", appauthor=False)


def default_model() -> str:
    """The model of a new index when no `--model` is given."""
    return str(os.environ.get("SEMSEARCH_MODEL") or _user_config().get("model") or DEFAULT_MODEL)


def rerank_model() -> str:
    """The cross-encoder of `--rerank` when it names none."""
    return str(os.environ.get("SEMSEARCH_RERANK_MODEL") or _user_config().get("rerank_model") or DEFAULT_RERANKER)


def read_seconds() -> float:
    """How long one document may take to be read before it is given up: `SEMSEARCH_READ_SECONDS`."""
    return float(_positive("SEMSEARCH_READ_SECONDS", DEFAULT_READ_SECONDS))


def read_memory() -> int:
    """Bytes of address space a process that reads documents may have: `SEMSEARCH_READ_MEMORY`, in megabytes."""
    return int(_positive("SEMSEARCH_READ_MEMORY", DEFAULT_READ_MEMORY)) * 1024 * 1024


def _positive(variable: str, default: int) -> float:
    from semsearch.errors import UsageError

    text = os.environ.get(variable) or str(default)
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0 < value < 1e9:
        raise UsageError(f"{variable}={text} is not a number above 0", f"leave it out for {default}")
    return value


def index_for_writing(flag: str | None, roots: list[str]) -> str:
    """The index folder `index` works on: `-i`, `SEMSEARCH_INDEX`, else `.semsearch` in the first root.

    A flag may also name the indexed folder that holds the `.semsearch`.
    Without a root, the nearest index upwards of the working folder, else one in the working folder.
    """
    chosen = _chosen_index(flag)
    if chosen:
        path = os.path.abspath(os.path.expanduser(chosen))
        inside = os.path.join(path, INDEX_FOLDER)
        here = os.path.isfile(os.path.join(path, CATALOG_FILE))
        return inside if not here and os.path.isfile(os.path.join(inside, CATALOG_FILE)) else path
    if roots:
        return os.path.join(os.path.abspath(roots[0]), INDEX_FOLDER)
    return _nearest_index(os.getcwd()) or os.path.join(os.getcwd(), INDEX_FOLDER)


def index_for_reading(flag: str | None) -> str:
    """The index folder to search: `-i`, `SEMSEARCH_INDEX`, else the nearest one upwards, like git.

    A flag may also name the indexed folder that holds the `.semsearch`. Raises `IndexNotFoundError`.
    """
    from semsearch.errors import IndexNotFoundError

    chosen = _chosen_index(flag)
    if chosen:
        path = os.path.abspath(os.path.expanduser(chosen))
        for candidate in (path, os.path.join(path, INDEX_FOLDER)):
            if os.path.isfile(os.path.join(candidate, CATALOG_FILE)):
                return candidate
        raise IndexNotFoundError(
            f"no index at {path}",
            f"make one with: semsearch index {chosen}"
            if os.path.isdir(path)
            else f"make one with: semsearch index FOLDER --index {chosen}",
        )
    found = _nearest_index(os.getcwd())
    if found is None:
        raise IndexNotFoundError(
            f"no {INDEX_FOLDER} in {os.getcwd()} or any folder above it",
            "make one with: semsearch index FOLDER, or name one with --index PATH",
        )
    return found


def _chosen_index(flag: str | None) -> str | None:
    if flag == "":
        from semsearch.errors import UsageError

        raise UsageError("--index is empty", "name a folder, or leave it out")
    return flag or os.environ.get("SEMSEARCH_INDEX")


def _nearest_index(start: str) -> str | None:
    folder = os.path.abspath(start)
    while True:
        candidate = os.path.join(folder, INDEX_FOLDER)
        if os.path.isfile(os.path.join(candidate, CATALOG_FILE)):
            return candidate
        parent = os.path.dirname(folder)
        if parent == folder:
            return None
        folder = parent


def _user_config() -> dict[str, object]:
    """The table of `config.toml` in the user's configuration folder; empty when there is none."""
    import tomllib

    import platformdirs

    from semsearch.errors import UsageError

    path = os.path.join(platformdirs.user_config_dir("semsearch", appauthor=False), "config.toml")
    try:
        with open(path, "rb") as file:
            return tomllib.load(file)
    except FileNotFoundError:
        return {}
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: {error}", "correct the file or remove it") from None
