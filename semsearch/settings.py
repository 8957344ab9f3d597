"""Where semsearch finds its index, its cache and the user's defaults.

Precedence everywhere: flag > environment > user configuration file > default. This module reads, it never
writes, and it imports nothing heavy: the unchanged-folder path of `index` uses it.
"""

import os
import sys

INDEX_FOLDER = ".semsearch"
CATALOG_FILE = "catalog.db"
_CONFIG_NAME = "semsearch/config.toml"
DEFAULT_MODEL = "all-MiniLM-L6-v2"
# Raised when the same text gives other chunks or other terms than before; an index of another one needs a rebuild.
ANALYSIS_VERSION = 1
DEFAULT_MAX_FILE_SIZE = 20 * 1024 * 1024
DEFAULT_READ_SECONDS = 60
# Vectors that are remembered: 40 MB of queries and sentences, 1 GB of passages at 384 dimensions.
DEFAULT_QUERY_CACHE = 20_000
DEFAULT_PASSAGE_CACHE = 1_000_000
DEFAULT_READ_MEMORY = 2048
# Raised when readers learn to read what they could not; files that were skipped or failed are then tried again.
READERS_VERSION = 1


class Setting:
    """One setting: its `variable` in the environment, its type, its default, and its meaning for the documentation.

    `name` is its key in the configuration file.
    """

    def __init__(self, name: str, variable: str, kind: type, default: "str | float | None", help: str) -> None:
        self.name = name
        self.variable = variable
        self.kind = kind
        self.default = default
        self.help = help


class Variable:
    """A variable of the environment that has no key in the configuration file, and its meaning.

    `shown`: `semsearch config` prints its value. It never prints a key.
    """

    def __init__(self, name: str, help: str, shown: bool = False) -> None:
        self.name = name
        self.help = help
        self.shown = shown


# The manual page, `semsearch config` and docs/settings.md are made of these two tables, or checked against them.
SETTINGS = (
    Setting("index", "SEMSEARCH_INDEX", str, None, "The index to use where no --index is given."),
    Setting("model", "SEMSEARCH_MODEL", str, DEFAULT_MODEL, "The embedding model of new indexes."),
    Setting(
        "cache", "SEMSEARCH_CACHE", str, None,
        "The folder for prepared models and cached vectors. Default: the platform's cache folder.",
    ),
    Setting(
        "device", "SEMSEARCH_DEVICE", str, "auto",
        "Where PyTorch runs the models that ONNX Runtime cannot run: auto, cpu, cuda or mps.",
    ),
    Setting(
        "query_cache", "SEMSEARCH_QUERY_CACHE", int, DEFAULT_QUERY_CACHE,
        "How many vectors of queries and sentences are cached; 0: none.",
    ),
    Setting(
        "passage_cache", "SEMSEARCH_PASSAGE_CACHE", int, DEFAULT_PASSAGE_CACHE,
        "How many vectors of passages are cached, over all indexes; 0: none.",
    ),
    Setting(
        "rerank_model", "SEMSEARCH_RERANK_MODEL", str, "cross-encoder/ms-marco-MiniLM-L-12-v2",
        "The cross-encoder of --rerank where it names none.",
    ),
    Setting("llm", "SEMSEARCH_LLM", str, None, "The language model that ask uses where no --llm is given."),
    Setting(
        "base_url", "OPENAI_BASE_URL", str, None,
        "The server of the language model, and of OpenAI's embedding models. Default: OpenAI's.",
    ),
    Setting(
        "read_seconds", "SEMSEARCH_READ_SECONDS", float, DEFAULT_READ_SECONDS,
        "How many seconds reading one document may take; large documents get more.",
    ),
    Setting(
        "read_memory", "SEMSEARCH_READ_MEMORY", float, DEFAULT_READ_MEMORY,
        "Megabytes of address space of a process that reads documents.",
    ),
)  # fmt: skip
ENVIRONMENT = (
    Variable("OPENAI_API_KEY", "The key for the server of the language model and for OpenAI's embedding models."),
    Variable("CO_API_KEY", "The key for Cohere's embedding models; COHERE_API_KEY is read where it is not set."),
    Variable("VOYAGE_API_KEY", "The key for Voyage's embedding models."),
    Variable("JINA_API_KEY", "The key for Jina's embedding models."),
    Variable("CO_API_URL", "Another server for Cohere's embedding models."),
    Variable("VOYAGE_BASE_URL", "Another server for Voyage's embedding models."),
    Variable("JINA_BASE_URL", "Another server for Jina's embedding models."),
    Variable("NO_COLOR", "Any value: no colours on a terminal.", shown=True),
    Variable("HF_HUB_OFFLINE", "1 forbids every download of a model.", shown=True),
    Variable("SEMSEARCH_DOWNLOAD", "1 allows --rerank to download its model.", shown=True),
    Variable("TIKTOKEN_CACHE_DIR", "The folder with tiktoken's vocabularies: for --tokenizer and prompts.", shown=True),
    Variable("SEMSEARCH_DEBUG", "1 shows the traceback of an unexpected error."),
)
_BY_NAME = {setting.name: setting for setting in SETTINGS}


def effective(name: str) -> "tuple[str | float | None, str]":
    """(value, where it came from: `environment`, `config file` or `default`) of a setting. Raises `UsageError`."""
    setting = _BY_NAME[name]
    text = os.environ.get(setting.variable)
    if text:
        return _checked(setting, text, setting.variable), "environment"
    value = _user_config().get(name)
    if value is not None:
        return value, "config file"
    if name == "cache":
        import platformdirs

        return platformdirs.user_cache_dir("semsearch", appauthor=False), "default"
    return setting.default, "default"


def cache_folder() -> str:
    """The folder for prepared models: `SEMSEARCH_CACHE`, or the platform's cache folder."""
    return os.path.abspath(os.path.expanduser(str(effective("cache")[0])))


def default_model() -> str:
    """The model of a new index when no `--model` is given."""
    return model_name(str(effective("model")[0]))


def model_name(name: str) -> str:
    """`name`, or the full path where it is a folder: an index is used from other folders, too, from cron say."""
    folder = os.path.expanduser(name)
    known = name == "static" or name.removeprefix("sentence-transformers/") == DEFAULT_MODEL
    return os.path.abspath(folder) if not known and os.path.isdir(folder) else name


def rerank_model() -> str:
    """The cross-encoder of `--rerank` when it names none."""
    return str(effective("rerank_model")[0])


def llm_model() -> "str | None":
    """The model `ask` asks when no `--llm` is given; None: none."""
    value = effective("llm")[0]
    return None if value is None else str(value)


def base_url() -> "str | None":
    """The server of the model; None: OpenAI's."""
    value = effective("base_url")[0]
    return None if value is None else str(value)


def read_seconds() -> float:
    """How long one document may take to be read before it is given up: `SEMSEARCH_READ_SECONDS`."""
    return float(effective("read_seconds")[0] or 0)


def read_memory() -> int:
    """Bytes of address space a process that reads documents may have: `SEMSEARCH_READ_MEMORY`, in megabytes."""
    return int(effective("read_memory")[0] or 0) * 1024 * 1024


def query_cache() -> int:
    """Vectors of queries and sentences that are remembered; 0: none."""
    return int(effective("query_cache")[0] or 0)


def passage_cache() -> int:
    """Vectors of passages that are remembered over all indexes; 0: none."""
    return int(effective("passage_cache")[0] or 0)


def _checked(setting: Setting, value: object, where: str) -> "str | float":
    """`value` as its setting's type. Raises `UsageError`."""
    from semsearch.errors import UsageError

    if setting.kind is str:
        if not isinstance(value, str):
            raise UsageError(f"{where} = {value} is not a text", f'write {setting.name} = "..."')
        return value
    try:
        number = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else 0.0
    except ValueError:
        number = 0.0
    if setting.kind is int and number == 0 and str(value).strip() == "0":
        return 0.0
    if not 0 < number < 1e9:
        least = "from 0 up" if setting.kind is int else "above 0"
        raise UsageError(f"{where}={value} is not a number {least}", f"leave it out for {setting.default}")
    return number


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
        if os.path.isdir(os.path.join(path, "segments")):
            raise IndexNotFoundError(
                f"{path} is an index without its {CATALOG_FILE}", f"remove it and index again: rm -r {path}"
            )
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
        from semsearch.errors import ParameterError

        raise ParameterError("index", "is empty", "name a folder, or leave it out")
    if flag:
        return flag
    value = effective("index")[0]
    return None if value is None else str(value)


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


def config_file() -> str:
    """The user's configuration file, which need not be there."""
    # What platformdirs says, without its import where the answer is plain: the quick run of `index` asks, too.
    if str(sys.platform).startswith("linux"):  # mypy knows on which platform it runs
        folder = os.environ.get("XDG_CONFIG_HOME", "")
        return os.path.join(folder if os.path.isabs(folder) else os.path.expanduser("~/.config"), _CONFIG_NAME)
    import platformdirs

    return os.path.join(platformdirs.user_config_dir("semsearch", appauthor=False), "config.toml")


def _user_config() -> "dict[str, str | float]":
    """The table of the user's configuration file; empty when there is none. Raises `UsageError` for a wrong one."""
    path = config_file()
    try:
        with open(path, "rb") as file:
            data = file.read()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    import tomllib

    from semsearch.errors import UsageError

    try:
        table: dict[str, object] = tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {error}", "correct the file or remove it") from None
    checked: dict[str, str | float] = {}
    for key, value in table.items():
        if key in ("api_key", "openai_api_key"):
            raise UsageError(f"{path}: {key} does not belong into a file", "set OPENAI_API_KEY in the environment")
        if key not in _BY_NAME:
            import difflib

            near = difflib.get_close_matches(key, _BY_NAME, 1)
            known = ", ".join(_BY_NAME)
            raise UsageError(
                f"{path}: no setting called {key}", f"did you mean {near[0]}?" if near else f"known: {known}"
            )
        checked[key] = _checked(_BY_NAME[key], value, f"{path}: {key}")
    return checked
