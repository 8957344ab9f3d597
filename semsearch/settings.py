"""The settings of the user, and where the index and the cache are.

A flag overrides the environment, the environment overrides the configuration file, and that overrides the default.
Nothing is written here. Nothing heavy is imported, because an unchanged run of `index` uses this module.
"""

import os
import stat

from semsearch.config_file import config_file, read_table, unknown_key
from semsearch.errors import for_shell
from semsearch.index_names import TABLE, checked_names, listed, may_be_name, similar_name
from semsearch.ownership import check_found, check_place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

INDEX_FOLDER = ".semsearch"
CATALOG_FILE = "catalog.db"
DEFAULT_MODEL = "all-MiniLM-L6-v2"
# To be raised when the same text gives other chunks or terms than before: older indexes then need a rebuild.
ANALYSIS_VERSION = 2
DEFAULT_MAX_FILE_SIZE = 20 * 1024 * 1024  # bytes
DEFAULT_READ_SECONDS = 60
# How many vectors are cached. At 384 dimensions: 40 MB of queries and sentences, 1 GB of passages.
DEFAULT_QUERY_CACHE = 20_000
DEFAULT_PASSAGE_CACHE = 1_000_000
DEFAULT_HISTORY = 200
DEFAULT_OCR_PAGES = 200
DEFAULT_OCR_SECONDS = 300
DEFAULT_READ_MEMORY = 2048  # megabytes
# To be raised when readers can read more than before: files that were skipped or failed are then read again.
READERS_VERSION = 2
# Entries of the working folder among which an index is looked for, to name it in an error.
_MOST_LOOKED_AT = 1000


class Setting:
    """One setting: `name` is its key in the configuration file, `variable` that of the environment.

    `kind`: str, int or float. `help`: what it means, for the documentation.
    """

    def __init__(self, name: str, variable: str, kind: type, default: "str | float | None", help: str) -> None:
        self.name = name
        self.variable = variable
        self.kind = kind
        self.default = default
        self.help = help


class Variable:
    """A variable of the environment that is not in the configuration file; `help`: what it means.

    `shown`: `semsearch config` prints its value; never set for API keys.
    """

    def __init__(self, name: str, help: str, shown: bool = False) -> None:
        self.name = name
        self.help = help
        self.shown = shown


# The manual page and `semsearch config` are made of these two tables; docs/settings.md is tested against them.
SETTINGS = (
    Setting("index", "SEMSEARCH_INDEX", str, None, "The index to use where no --index is given."),
    Setting("model", "SEMSEARCH_MODEL", str, DEFAULT_MODEL, "The embedding model of new indexes."),
    Setting(
        "trusted", "SEMSEARCH_TRUSTED", str, None,
        "Whole paths of folders whose indexes are used though they are another user's; a colon between them; *: all.",
    ),
    Setting(
        "vectors", "SEMSEARCH_VECTORS", str, None,
        "URLs of vector databases that are asked though only the index names them, not index --vectors here; blanks"
        " between them.",
    ),
    Setting(
        "cache", "SEMSEARCH_CACHE", str, None,
        "The folder for prepared models and cached vectors. Default: the platform's cache folder.",
    ),
    Setting(
        "device", "SEMSEARCH_DEVICE", str, "auto",
        "Where index encodes passages: auto (on a GPU where that is worth it), cpu, cuda or mps.",
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
        "The reranker of --rerank where it names none.",
    ),
    Setting("llm", "SEMSEARCH_LLM", str, None, "The language model that ask uses where no --llm is given."),
    Setting(
        "base_url", "OPENAI_BASE_URL", str, None,
        "The server of the language model, and of OpenAI's embedding models. Default: OpenAI's.",
    ),
    Setting(
        "history", "SEMSEARCH_HISTORY", int, DEFAULT_HISTORY,
        "How many questions of ask are remembered with their answers, for each index; 0: none, nor results for open.",
    ),
    Setting(
        "read_seconds", "SEMSEARCH_READ_SECONDS", float, DEFAULT_READ_SECONDS,
        "How many seconds reading one document may take; large documents get more.",
    ),
    Setting(
        "read_memory", "SEMSEARCH_READ_MEMORY", float, DEFAULT_READ_MEMORY,
        "Megabytes of address space of a process that reads documents.",
    ),
    Setting(
        "host", "SEMSEARCH_HOST", str, None,
        "What this machine is called in an index that machines share. Default: its host name.",
    ),
    Setting("ocr", "SEMSEARCH_OCR", int, 0, "1: pages and pictures without text are read by OCR, as with --ocr."),
    Setting("ocr_pages", "SEMSEARCH_OCR_PAGES", int, DEFAULT_OCR_PAGES, "How many pages of one document OCR reads."),
    Setting(
        "ocr_seconds", "SEMSEARCH_OCR_SECONDS", float, DEFAULT_OCR_SECONDS,
        "How many seconds OCR may take for one document, beside the time for reading it.",
    ),
)  # fmt: skip
ENVIRONMENT = (
    Variable("OPENAI_API_KEY", "The key for the server of the language model and for OpenAI's embedding models."),
    Variable("CO_API_KEY", "The key for Cohere's embedding models; COHERE_API_KEY is read where it is not set."),
    Variable("VOYAGE_API_KEY", "The key for Voyage's embedding models."),
    Variable("JINA_API_KEY", "The key for Jina's embedding models."),
    Variable("QDRANT_API_KEY", "The key for the Qdrant server of a qdrant:// URL."),
    Variable("CHROMA_API_KEY", "The key for the Chroma server of a chroma:// URL, sent as X-Chroma-Token."),
    Variable("MILVUS_PASSWORD", "The password of the user that a milvus:// URL names, where it has none itself."),
    Variable("MILVUS_TOKEN", "The key for Milvus, where the URL names no user."),
    Variable("WEAVIATE_API_KEY", "The key for Weaviate."),
    Variable("PINECONE_API_KEY", "The key for Pinecone."),
    Variable("CO_API_URL", "Another server for Cohere's embedding models."),
    Variable("VOYAGE_BASE_URL", "Another server for Voyage's embedding models."),
    Variable("PINECONE_CONTROLLER_HOST", "Another server that makes and names Pinecone's indexes."),
    Variable("JINA_BASE_URL", "Another server for Jina's embedding models."),
    Variable(
        "SEMSEARCH_SERVICE_TOKEN",
        "The token that every request to semsearch serve must bring; needed where others than this machine reach it.",
    ),
    Variable("NO_COLOR", "Any value: no colours on a terminal.", shown=True),
    Variable("HF_HUB_OFFLINE", "1 forbids every download of a model.", shown=True),
    Variable("SEMSEARCH_DOWNLOAD", "1 allows --rerank to download its model.", shown=True),
    Variable("TIKTOKEN_CACHE_DIR", "The folder with tiktoken's vocabularies: for --tokenizer and prompts.", shown=True),
    Variable(
        "SEMSEARCH_SERVICE",
        "0: search and ask do not let a running semsearch serve answer, and serve runs none.",
        shown=True,
    ),
    Variable("SEMSEARCH_DEBUG", "1 shows the traceback of an unexpected error."),
)
_BY_NAME = {setting.name: setting for setting in SETTINGS}


def effective(name: str) -> "tuple[str | float | None, str]":
    """(value, source: `environment`, `config file` or `default`) of the setting `name`.

    Raises `UsageError` when the environment or the configuration file holds an invalid value.
    """
    setting = _BY_NAME[name]
    text = os.environ.get(setting.variable)
    if text:
        return _checked(setting, text, setting.variable), "environment"
    value = _user_config()[0].get(name)
    if value is not None:
        return value, "config file"
    if name == "cache":
        import platformdirs

        return platformdirs.user_cache_dir("semsearch", appauthor=False), "default"
    if name == "host":
        return os.uname().nodename, "default"
    return setting.default, "default"


def cache_folder() -> str:
    """The absolute path of the folder for prepared models and cached vectors: the setting `cache`."""
    return os.path.abspath(os.path.expanduser(str(effective("cache")[0])))


def state_folder() -> str:
    """The absolute path of the folder for what the user did: the questions of `ask`."""
    import platformdirs

    return os.path.abspath(platformdirs.user_state_dir("semsearch", appauthor=False))


def history() -> int:
    """How many questions of `ask` are remembered for each index; 0: none."""
    return int(effective("history")[0] or 0)


def trusted() -> "list[str]":
    """The folders (or `*`) whose indexes are used though they belong to another user."""
    return _paths(str(effective("trusted")[0] or ""))


def vectors() -> "list[str]":
    """URLs of vector databases that are trusted like those that were named on this machine."""
    return str(effective("vectors")[0] or "").split()


def _paths(text: str) -> "list[str]":
    return [path for path in text.split(os.pathsep) if path]


def index_names() -> "dict[str, str]":
    """The indexes that have a name in the configuration file: name -> folder or URL, which may hold a password."""
    return _user_config()[1]


def said_names(indexes: "Collection[str]") -> "tuple[str, ...]":
    """Those of `indexes`, as the user said them, that are names of the configuration file; "" for each other one."""
    names = index_names()
    return tuple(said if said in names else "" for said in indexes)


def default_model() -> str:
    """The embedding model of new indexes where no `--model` is given."""
    return model_name(str(effective("model")[0]))


def model_name(name: str) -> str:
    """`name`, or its absolute path if it is a folder: commands on the index may run in other folders, as cron's do."""
    folder = os.path.expanduser(name)
    built_in = name == "static" or name.removeprefix("sentence-transformers/") == DEFAULT_MODEL
    return os.path.abspath(folder) if not built_in and os.path.isdir(folder) else name


def rerank_model() -> str:
    """The reranker of `--rerank` without a name."""
    return str(effective("rerank_model")[0])


def llm_model() -> "str | None":
    """The language model that `ask` uses where no `--llm` is given; None: none."""
    value = effective("llm")[0]
    return None if value is None else str(value)


def base_url() -> "str | None":
    """The address of the language model's server; None: OpenAI's."""
    value = effective("base_url")[0]
    return None if value is None else str(value)


def read_seconds() -> float:
    """How many seconds one document may take to be read; large ones get more (`reading.worker.seconds_for`)."""
    return float(effective("read_seconds")[0] or 0)


def ocr_limits() -> "tuple[int, float]":
    """(most pages, most seconds) that OCR reads of one document."""
    return int(effective("ocr_pages")[0] or 0), float(effective("ocr_seconds")[0] or 0)


def read_memory() -> int:
    """How many bytes of address space a reader process may have."""
    return int(effective("read_memory")[0] or 0) * 1024 * 1024


def query_cache() -> int:
    """How many vectors of queries and sentences are cached; 0: none."""
    return int(effective("query_cache")[0] or 0)


def passage_cache() -> int:
    """How many vectors of passages are cached, over all indexes; 0: none."""
    return int(effective("passage_cache")[0] or 0)


def _checked(setting: Setting, value: object, where: str) -> "str | float":
    """`value` as the type of `setting`, numbers as float. Raises `UsageError`, naming `where` it was found."""
    from semsearch.errors import UsageError

    if setting.kind is str:
        if not isinstance(value, str):
            hint = f'write {setting.name} = "..."'
            if setting.name == "index" and isinstance(value, dict):
                hint = f"names of indexes stand under [{TABLE}]"
            raise UsageError(f"{where} = {value} is not a text", hint)
        if setting.name == "trusted":
            for folder in _paths(value):
                if folder != "*" and not os.path.isabs(os.path.expanduser(folder)):
                    raise UsageError(f"{where}: {folder} is not a whole path", f"write {os.path.abspath(folder)}")
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


def url_scheme(location: str) -> str:
    """The scheme, in lower case, of a `location` that is a URL (RFC 3986, section 3.1); "" for a path."""
    scheme, separator, _ = location.partition("://")
    letters = scheme.replace("+", "").replace("-", "").replace(".", "")
    is_scheme = bool(separator) and scheme.isascii() and scheme[:1].isalpha() and letters.isalnum()
    return scheme.lower() if is_scheme else ""


# Parameters of a URL that are secrets, as libpq and the clients of vector databases call them.
_SECRET_PARAMETERS = ("password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key")
# URL without its secrets -> the secrets by name, of the URLs that this process was given.
_secrets: dict[str, dict[str, str]] = {}


def without_password(url: str) -> str:
    """`url` without its password and other secrets, which `secrets_of` tells from then on: they must not be told or
    kept anywhere. A password may hold `?` and `#`, as libpq has it, but no `/` and `@`."""
    scheme, separator, rest = url.partition("://")
    before_slash = rest.partition("/")[0]
    at = before_slash.rfind("@") + 1
    end = next((place for place in range(at, len(rest)) if rest[place] in "/?#"), len(rest))
    user, hosts = rest[:at], rest[at:end]
    name, colon, password = user[:-1].partition(":")
    path, question, query = rest[end:].partition("?")
    found = {"password": _unquoted(password)} if colon else {}
    kept = []
    for one in query.split("&"):
        key, equals, value = one.partition("=")
        if equals and _unquoted(key) in _SECRET_PARAMETERS:
            found[_unquoted(key)] = _unquoted(value)
        else:
            kept.append(one)
    bare = f"{scheme}{separator}{name}{user[-1:]}{hosts}{path}{question if any(kept) else ''}{'&'.join(kept)}"
    if found:
        _secrets[bare] = found
    return bare


def _unquoted(text: str) -> str:
    from urllib.parse import unquote

    return unquote(text) if "%" in text else text


def secrets_of(url: str) -> dict[str, str]:
    """The secrets of `url` by name, such as its `password`; it may be without them (`without_password`)."""
    return dict(_secrets.get(without_password(url), {}))


def host_name() -> str:
    """What this machine is called in an index that several machines share."""
    name = str(effective("host")[0]).strip() or os.uname().nodename
    if "/" in name:
        from semsearch.errors import UsageError

        raise UsageError(f"SEMSEARCH_HOST={name} has a / in it", "give the machine another name")
    return name.encode("utf-8", "replace").decode()


def index_for_writing(flag: str | None, roots: list[str]) -> str:
    """The absolute path of the index folder that `index` writes.

    It is what `flag` (`--index`) or else the setting `index` says: a name of the configuration file, an index, or a
    folder with a `.semsearch`. Without both it is the `.semsearch` in the first of `roots`; without roots the nearest
    `.semsearch` upwards of the working folder, or a new one in it. A URL is returned without its password:
    `store.opening` knows which engine it names, if any.
    """
    chosen, said = _chosen_index(flag)
    if chosen and url_scheme(chosen):
        return without_password(chosen)
    if chosen:
        path = os.path.abspath(os.path.expanduser(chosen))
        below = os.path.join(path, INDEX_FOLDER)
        if _holds_index(path):
            return path
        if _holds_index(below):
            return below
        refuse_odd_catalog(below)
        if chosen == said and not os.path.lexists(path):
            _refuse_slip(said)
        return path
    if not roots and (nearest := _nearest_index(os.getcwd())):
        return nearest
    index = os.path.join(os.path.abspath(roots[0] if roots else os.getcwd()), INDEX_FOLDER)
    check_place(index, trusted())
    return index


def index_for_reading(flag: str | None) -> str:
    """The absolute path of an existing index folder.

    It is what `flag` (`--index`) or else the setting `index` says: a name of the configuration file, an index, or a
    folder with a `.semsearch`. Without both it is the nearest `.semsearch` upwards of the working folder, as with git.
    A URL is returned without its password. Raises `IndexNotFoundError`.
    """
    from semsearch.errors import IndexNotFoundError

    chosen, said = _chosen_index(flag)
    if chosen and url_scheme(chosen):
        return without_password(chosen)
    if chosen:
        path = os.path.abspath(os.path.expanduser(chosen))
        for candidate in (path, os.path.join(path, INDEX_FOLDER)):
            if _holds_index(candidate):
                return candidate
        for candidate in (path, os.path.join(path, INDEX_FOLDER)):
            refuse_odd_catalog(candidate)
        if os.path.isdir(os.path.join(path, "segments")):
            raise IndexNotFoundError(
                f"{path} is an index without its {CATALOG_FILE}", f"remove it and index again: rm -r {for_shell(path)}"
            )
        if os.path.isdir(path):
            raise IndexNotFoundError(f"no index at {path}", f"make one with: semsearch index {for_shell(chosen)}")
        names = index_names() if chosen == said and may_be_name(said) else {}
        if names:
            near = similar_name(said, names)
            raise IndexNotFoundError(
                f"no index is called {said}, nor is there one at {path}",
                (f"did you mean {near}? " if near else "") + f"these have a name: {listed(names)}",
            )
        raise IndexNotFoundError(
            f"no index at {path}", f"make one with: semsearch index FOLDER --index {for_shell(said)}"
        )
    nearest = _nearest_index(os.getcwd())
    if nearest is None:
        raise IndexNotFoundError(
            f"no {INDEX_FOLDER} in {os.getcwd()} or any folder above it",
            _way_to_an_index(),
        )
    return nearest


def _way_to_an_index() -> str:
    """What to do where no index is found: to name the one that is there, or to make one."""
    from contextlib import suppress  # where there is an error to tell: they are not light
    from itertools import islice

    here = os.getcwd()
    with suppress(OSError), os.scandir(here) as entries:
        # Whoever has made an index of a folder often searches from the one above.
        below = [
            entry.name for entry in islice(entries, _MOST_LOOKED_AT) if _holds_index(f"{entry.path}/{INDEX_FOLDER}")
        ]
        if below:
            first = min(below)
            return f"there is one in {first}: add -i {for_shell('./' + first if first in index_names() else first)}"
    if index_names():
        return f"say which: add -i NAME, one of: {listed(index_names())}"
    folder = "FOLDER" if here in ("/", os.path.expanduser("~")) else "."
    return f"make one with: semsearch index {folder}"


def without_login(text: str) -> str:
    """`text`, which may be meant for a URL, without what could be a password in it."""
    base = text.partition("?")[0]
    return f"...@{base.rpartition('@')[2]}" if "@" in base else base


def _chosen_index(flag: str | None) -> "tuple[str, str]":
    """(folder or URL, as it was said: maybe a name for it) of the index that the flag, the environment or the
    configuration file chooses; "" for none. Raises `ParameterError` for an empty flag and for half a URL.
    """
    if flag == "":
        from semsearch.errors import ParameterError

        raise ParameterError("index", "is empty", "name a folder, or leave it out")
    said = flag or str(effective("index")[0] or "")
    if said.startswith(("postgresql:/", "postgres:/")) and not url_scheme(said):
        from semsearch.errors import ParameterError

        raise ParameterError(
            "index", f"{without_login(said)} is neither a folder nor a URL", "write postgresql://USER@HOST/DATABASE"
        )
    return index_names().get(said, said) if may_be_name(said) else said, said


def _refuse_slip(said: str) -> None:
    """Raises `UsageError` where `said`, for which an index would be made, is nearly the name of one."""
    near = similar_name(said, index_names()) if may_be_name(said) and index_names() else ""
    if near:
        from semsearch.errors import UsageError

        raise UsageError(
            f"no index is called {said}: did you mean {near}?",
            f"to make a new one in the folder {said}, say ./{said}; these have a name: {listed(index_names())}",
        )


def _holds_index(folder: str) -> bool:
    """Whether `folder` has a catalog. Raises `PermissionError` where that may not be seen, which does not mean no."""
    try:
        return stat.S_ISREG(os.stat(os.path.join(folder, CATALOG_FILE)).st_mode)
    except PermissionError:
        raise
    except OSError:
        return False


def refuse_odd_catalog(index: str) -> None:
    """Raises `IndexDamagedError` where something stands in the place of a catalog that cannot be one."""
    catalog = os.path.join(index, CATALOG_FILE)
    if os.path.lexists(catalog):
        from semsearch.errors import IndexDamagedError

        raise IndexDamagedError(f"{catalog} is no file", f"remove the index and make it anew: rm -r {for_shell(index)}")


def _nearest_index(start: str) -> str | None:
    """The `.semsearch` in `start` or the nearest folder above it that has one. Raises `SemsearchError` for one of
    another user.
    """
    folder = os.path.abspath(start)
    while True:
        candidate = os.path.join(folder, INDEX_FOLDER)
        if _holds_index(candidate):
            check_found(candidate, trusted())
            return candidate
        refuse_odd_catalog(candidate)
        parent = os.path.dirname(folder)
        if parent == folder:
            return None
        folder = parent


def _user_config() -> "tuple[dict[str, str | float], dict[str, str]]":
    """(the settings by name, the indexes by name) in the user's configuration file. Raises `UsageError` for unknown or
    invalid ones.
    """
    path = config_file()
    checked: dict[str, str | float] = {}
    names: dict[str, str] = {}
    for key, value in read_table(path).items():
        if key == TABLE:
            names = checked_names(value, path)
        elif key in _BY_NAME:
            checked[key] = _checked(_BY_NAME[key], value, f"{path}: {key}")
        else:
            raise unknown_key(path, key, [*_BY_NAME, TABLE])
    return checked, names
