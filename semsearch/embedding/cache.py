"""Where prepared models lie on this machine, and how they get there: a folder each, with `model.json` as its record."""

import errno
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from typing import Any

from semsearch import subprocesses
from semsearch.errors import ModelError, SemsearchError, for_shell
from semsearch.private_files import create, make_folders, narrow_cache
from semsearch.settings import cache_folder
from semsearch.shortage import shortage_of

# Raised when the files of a prepared model change, so that older ones in a cache are not used.
FORMAT = 4


def cache_path(kind: str, fingerprint: str, dim: int | None = None) -> str:
    """The folder of a prepared model. `kind`: `model`, `static`, `sparse`, `api`, or a reranker's; `dim`: for `api`
    alone."""
    return os.path.join(cache_folder(), f"{kind}-{FORMAT}-{fingerprint[:32]}" + (f"-{dim}" if dim else ""))


def is_sparse(path: str) -> bool:
    """Whether the prepared model `path` makes learned sparse vectors."""
    return os.path.basename(path).startswith("sparse-")


def read_info(path: str) -> dict[str, Any] | None:
    """The record in the folder `path` (`info`: ModelInfo as a dict, `folder`: of the weights ...); None: not prepared.

    Raises `ModelError` for a record that cannot be read.
    """
    try:
        with open(os.path.join(path, "model.json"), encoding="utf-8") as file:
            record: dict[str, Any] = json.load(file)
    except FileNotFoundError:
        return None
    except PermissionError:
        raise
    except (OSError, ValueError, RecursionError) as error:
        if shortage_of(error):
            raise
        raise damaged_model(path, f"model.json: {error}") from None
    if not isinstance(record, dict) or not isinstance(record.get("info"), dict):
        raise damaged_model(path, "model.json is no record of a model")
    return record


def prepared_models() -> Iterator[tuple[str, dict[str, Any]]]:
    """(folder, record) of each model with weights that is prepared on this machine, without damaged ones."""
    try:
        names = sorted(os.listdir(cache_folder()))
    except FileNotFoundError:
        return
    for name in names:
        if name.startswith(f"model-{FORMAT}-"):
            path = os.path.join(cache_folder(), name)
            try:
                record = read_info(path)
            except ModelError:
                continue
            if record is not None:
                yield path, record


def damaged_model(path: str, what: str) -> ModelError:
    """The error for a prepared model, the folder `path`, that is not what was prepared."""
    return ModelError(
        f"the prepared model {path} is damaged: {what}", f"remove it and run again: rm -r {for_shell(path)}"
    )


def write_info(path: str, folder: str, info: dict[str, Any]) -> None:
    """Makes the folder `path` with a record of `folder` and `info` alone, as a provider's model has. Raises OSError."""
    working = f"{path}.{os.getpid()}"
    make_cache(os.path.basename(working))
    try:
        with open(create(os.path.join(working, "model.json")), "w", encoding="utf-8") as file:
            json.dump({"format": FORMAT, "folder": folder, "info": info}, file, indent=1)
        os.rename(working, path)
    except OSError:
        shutil.rmtree(working, ignore_errors=True)
        if read_info(path) is None:  # else another process was faster
            raise


def prepare_model(name: str, folder: str, fingerprint: str, kind: str, path: str, trust: bool = False) -> None:
    """Makes the prepared model `path` from the weights in `folder`, with `embedding.export` in a process of its own.

    `kind`: `transformer`, `static`, `cross-encoder`, `late-interaction` or `sparse`; `trust`: code in the model's
    folder may be run. Its torch takes 1 GB that `index` should not hold while it encodes, and torch and faiss in one
    process are two OpenMP runtimes, which crashes on macOS. Raises `ModelError`, or `SemsearchError` for what this
    machine lacks.
    """
    make_cache()
    try:
        working = tempfile.mkdtemp(prefix=".preparing-", dir=os.path.dirname(path))
    except OSError as error:
        raise _not_writable(error) from None
    arguments = [name, folder, path, working, fingerprint, kind, *(["trusted"] if trust else [])]
    environment = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    try:
        errors, status = _export(arguments, environment)
    finally:
        shutil.rmtree(working, ignore_errors=True)
    if status != 0:
        reason = subprocesses.last_words(errors.splitlines(), status)
        too_large = os.strerror(errno.EFBIG) in reason
        if lack := shortage_of(OSError(errno.EFBIG, "") if too_large else RuntimeError(reason)):
            raise lack
        for full in map(os.strerror, (errno.ENOSPC, errno.EDQUOT)):
            if full in reason:
                raise SemsearchError(
                    f"the model {name} cannot be prepared in {cache_folder()}: {full}",
                    "free some space, or name a folder with room in SEMSEARCH_CACHE",
                    code="no_space",
                )
        hint = "check that the folder is a complete sentence-transformers model"
        if "trust_remote_code" in errors:
            hint = "it brings code of its own: if you trust that, say --trust-remote-code"
        raise ModelError(f"the model {name} ({folder}) cannot be prepared: {reason}", hint)


def _export(arguments: list[str], environment: dict[str, str]) -> tuple[str, int]:
    """(what it wrote on stderr, exit status) of the process that prepares a model."""
    process = subprocesses.start(
        "semsearch.embedding.export",
        arguments,
        environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        _, errors = process.communicate()
    except BaseException:
        process.kill()
        process.wait()
        raise
    return errors, process.returncode


def make_cache(below: str = "") -> None:
    """Makes the cache, and in it the folders of the path `below`. Raises `ModelError` where they cannot be made."""
    try:
        make_folders(cache_folder(), below)
        narrow_cache(cache_folder())
    except OSError as error:
        raise _not_writable(error) from None


def _not_writable(error: OSError) -> ModelError:
    return ModelError(
        f"cannot write the model cache {cache_folder()}: {error.strerror}", "name a writable folder in SEMSEARCH_CACHE"
    )
